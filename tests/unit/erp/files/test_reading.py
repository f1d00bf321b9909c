"""Exports: which file counts, how old it may be, and what a broken line does to its document and to no other."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from include.erp.files.formats import Format, Place
from include.erp.files.layouts import Broken, parse
from include.erp.system import MappedSystem
from include.financials.exceptions import ConfigurationError
from include.financials.port import Invalid
from include.financials.record import Record
from tests.unit.erp.files.exchange import CONTRACT, JOINED, Exchange


@pytest.fixture
def exchange(tmp_path: Path) -> Exchange:
    return Exchange(tmp_path)


def everything(erp: MappedSystem, entity: str, **more: Any) -> tuple[list[Record], list[Invalid]]:
    pages = list(erp.read(entity, **more))
    return [one for page in pages for one in page.records], [one for page in pages for one in page.invalid]


def contract(number: str, **more: str) -> dict[str, str]:
    plain = dict(zip(CONTRACT, ("01", number, "S", "J1", "V1", "Concrete", "O", "100.00", ""), strict=True))
    return plain | more


def contracts(exchange: Exchange, *numbers: str) -> None:
    exchange.contracts = [contract(number) for number in numbers]
    exchange.lines = [
        {"CO": "01", "NO": number, "POS": str(at), "WHAT": "part", "CODE": "03-1000", "TYPE": "M", "AMOUNT": "50.00"}
        for number in numbers
        for at in (1, 2)
    ]
    exchange.export()


# -- which file, how old


def test_pages_of_any_size_give_the_same(exchange: Exchange) -> None:
    contracts(exchange, *(f"SC-{n}" for n in range(7)))
    found = [[one.id for one in everything(exchange.system(page_size=size), "commitments")[0]] for size in (1, 3, 1000)]
    assert found[0] == found[1] == found[2] == [f"SC-{n}" for n in range(7)]
    erp = exchange.system(page_size=2)
    first = next(erp.read("commitments"))
    contracts(exchange, *(f"SC-{n}" for n in range(1, 8)))  # written anew between two pages
    rest, _ = everything(erp, "commitments", cursor=first.cursor)
    assert [one.id for one in rest] == [f"SC-{n}" for n in range(2, 8)]
    assert (
        list(erp.keys("commitments", ["J1"])) == [f"SC-{n}" for n in range(1, 8)] and list(erp.keys("commitments", ["J2"])) == []
    )
    (page,) = erp.read_ids("commitments", [("J1", "SC-3"), ("J2", "SC-4"), (None, "SC-99")])
    assert [one.id for one in page.records] == ["SC-3"] and len(getattr(page.records[0], "lines", ())) == 2


def test_an_old_export_stops_and_says_what_to_do(exchange: Exchange) -> None:
    erp = exchange.system()
    assert len(everything(erp, "vendors")[0]) == 1
    exchange.now += timedelta(hours=26)
    with pytest.raises(ConfigurationError) as stopped:
        everything(erp, "vendors")
    told = str(stopped.value)
    assert "jobbook.yaml:17: entities.vendors.from: the export exports/vendors.csv is older than 26 hours" in told
    assert "27 hours ago. Have the ERP write it again, then clear this task." in told
    assert told in erp.check().problems


def test_the_newest_of_a_pattern_counts_by_its_name(exchange: Exchange) -> None:
    contracts(exchange, "SC-1")
    exchange.contracts = [contract("SC-2")]
    exchange.lines = []
    exchange.export("20260901")
    assert [one.id for one in everything(exchange.system(), "commitments")[0]] == ["SC-1"]
    exchange.put("exports/contracts_of_others_20260903.csv", "x")
    assert [one.id for one in everything(exchange.system(), "commitments")[0]] == ["SC-1"]


def test_of_several_exports_the_newest_row_counts(exchange: Exchange) -> None:
    contracts(exchange, "SC-1", "SC-2")
    exchange.contracts, exchange.lines = [contract("SC-1", TITLE="of yesterday"), contract("SC-0")], []
    exchange.export("20260901")
    erp = exchange.system(('dated: "%Y%m%d",', 'dated: "%Y%m%d", take: all,'))
    found, bad = everything(erp, "commitments")
    assert [(one.id, getattr(one, "title", "")) for one in found] == [
        ("SC-0", "Concrete"),
        ("SC-1", "Concrete"),
        ("SC-2", "Concrete"),
    ]
    assert [len(getattr(one, "lines", ())) for one in found] == [0, 2, 2] and bad == []


def test_one_dated_in_the_future_says_nothing(exchange: Exchange) -> None:
    exchange.put("exports/vendors.csv", "CO,VENDOR,NAME,ACTIVE\n01,V1,Acme,Y\n", timedelta(days=-3))
    with pytest.raises(ConfigurationError, match="which is yet to come"):
        everything(exchange.system(), "vendors")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no export vendors.csv in exports"),
        ("", "exports/vendors.csv has no vendors"),
        ("CO,VENDOR,NAME,ACTIVE\r\n", "exports/vendors.csv has no vendors. If that may be so"),
        ("CO,VENDOR,NAME\r\n01,V1,Acme\r\n", "exports/vendors.csv has no column 'ACTIVE'. It has: CO, VENDOR, NAME"),
        ("CO,CO,NAME\r\n", "has two columns 'CO'"),
    ],
)
def test_an_export_that_says_nothing_is_no_empty_erp(exchange: Exchange, content: str | None, said: str) -> None:
    erp = exchange.system()
    if content is None:
        (exchange.root / "exports" / "vendors.csv").unlink()
    else:
        exchange.put("exports/vendors.csv", content)
    for read in (
        lambda: everything(erp, "vendors"),
        lambda: list(erp.keys("vendors")),
        lambda: list(erp.read_ids("vendors", [(None, "V1")])),
    ):
        with pytest.raises(ConfigurationError) as stopped:
            read()
        assert said in str(stopped.value)
    assert any(said in problem for problem in erp.check().problems)


def test_a_folder_that_is_not_there_is_not_an_empty_one(exchange: Exchange) -> None:
    (exchange.root / "exports").rename(exchange.root / "elsewhere")
    with pytest.raises(ConfigurationError, match="there is no folder exports in "):
        everything(exchange.system(), "vendors")
    assert any("there is no folder exports" in one for one in exchange.system().check().problems)


def test_what_may_be_empty_is(exchange: Exchange) -> None:
    assert everything(exchange.system(), "commitments") == ([], [])


# -- broken lines


VENDORS = 'CO,VENDOR,NAME,ACTIVE\r\n01,V1,Acme,Y\r\n{}\r\n01,V3,"Three, ""3"" Inc",N\r\n'


@pytest.mark.parametrize(
    ("line", "field", "said"),
    [
        ("01,V2,Beta", "name", "(line 3 of vendors.csv) is cut off: it has 3 of 4 fields"),
        ("01,V2", "id", "(line 3 of vendors.csv) is cut off: it has 2 of 4 fields"),
        ("01,V2,Beta,Y,more", "id", "(line 3 of vendors.csv) has 5 fields where the file has 4 columns"),
        ('01,V2,"Beta,Y', "id", "(line 3 of vendors.csv) has a quote that does not close, or closes within the text"),
        ('01,V2,"Be"ta,Y', "id", "(line 3 of vendors.csv) has a quote"),
        ("01,V2,Beta,X", "active", "is 'X', the mapping knows 'Y', 'N'"),
        ("01,V2,,Y", "name", "is empty"),
        ("01,V3,Twin,Y", "id", "stands twice in the export (line 3 of vendors.csv and line 4 of vendors.csv)"),
    ],
)
def test_a_broken_line_is_its_own_fault(exchange: Exchange, line: str, field: str, said: str) -> None:
    exchange.put("exports/vendors.csv", VENDORS.format(line))
    found, bad = everything(exchange.system(page_size=1), "vendors")
    twins = "twice" in said
    assert [one.number for one in found] == (["V1"] if twins else ["V1", "V3"])
    assert twins or getattr(found[1], "name", "") == 'Three, "3" Inc'
    assert [one.field for one in bad] == [field] * (2 if twins else 1) and said in bad[0].message
    # What is lost is not said to be empty: it may be anything.
    assert [name for name, told in bad[0].shown.items() if told is None] == (["name"] if said == "is empty" else [])


def test_a_file_that_ends_within_a_line_is_cut_off_there(exchange: Exchange) -> None:
    exchange.put("exports/vendors.csv", "CO,VENDOR,NAME,ACTIVE\r\n01,V1,Acme,Y\r\n01,V2,Beta,Y")
    found, bad = everything(exchange.system(), "vendors")
    assert [one.id for one in found] == ["V1"] and "is cut off: the file ends within it" in bad[0].message and bad[0].id == "V2"
    erp = exchange.system(("formats:", "formats:\n  default: {last_line: open}"))
    assert [one.id for one in everything(erp, "vendors")[0]] == ["V1", "V2"]


def test_what_is_no_character_is_a_fault_of_its_field(exchange: Exchange) -> None:
    exchange.put("exports/vendors.csv", b"\xef\xbb\xbfCO,VENDOR,NAME,ACTIVE\n01,V1,M\xfcller,Y\n01,V2,M\xc3\xbcller,Y\n\x1a")
    found, bad = everything(exchange.system(), "vendors")
    assert [getattr(one, "name", "") for one in found] == ["Müller"] and (bad[0].id, bad[0].field) == ("V1", "name")
    erp = exchange.system(
        ("formats:", "formats:\n  default: {encoding: cp1252}"), ("CO\n    number: VENDOR", '"{CO}"\n    number: VENDOR')
    )
    with pytest.raises(ConfigurationError, match="has no column 'CO'"):  # the mark at its beginning is three letters there
        everything(erp, "vendors")


def test_a_document_that_may_lack_a_line_is_not_read(exchange: Exchange) -> None:
    contracts(exchange, "SC-1", "SC-2", "SC-3")
    path = exchange.root / "exports" / "contract_lines_20260902.csv"
    lines = path.read_text().splitlines()
    lines[4] = "01"  # the second line of SC-2, without the number
    exchange.put("exports/contract_lines_20260902.csv", "\r\n".join(lines) + "\r\n")
    found, bad = everything(exchange.system(), "commitments")
    assert [one.id for one in found] == ["SC-1"] and {one.id: one.field for one in bad} == {"SC-2": "lines", "SC-3": "lines"}
    lines[4] = "01,SC-2,2,part,03-1000,M"
    exchange.put("exports/contract_lines_20260902.csv", "\r\n".join(lines) + "\r\n")
    found, bad = everything(exchange.system(), "commitments")
    assert [one.id for one in found] == ["SC-1", "SC-3"] and "line 5 of contract_lines_20260902.csv is cut off" in bad[0].message


# -- layouts


REPEATED = ((JOINED, "      repeated: true\n"), ("position: POS", 'position: "#"'), ('"{NO}/{POS}"', '"{NO}/{#}"'))
REPEATED_HEAD = "CO,KIND,JOB,VENDOR,TITLE,ST,MARK,TYPE,WHAT,TOTAL,NO,CODE,AMOUNT\n"
TAGGED = """\
  tagged:
    records:
      H: [CO, NO, KIND, JOB, VENDOR, TITLE, ST, TOTAL, MARK]
      L: [POS, WHAT, CODE, TYPE, AMOUNT]
"""


@pytest.mark.parametrize(
    ("rows", "good", "bad"),
    [
        (["SC-1,1000,60.00", "SC-2,1000,100.00", "SC-1,2000,40.00"], {"SC-1": 2, "SC-2": 1}, {}),
        (["SC-1,1000,60.00", "SC-1,2000", "SC-2,1000,100.00"], {"SC-2": 1}, {"SC-1": "lines"}),
        (["SC-1,1000,60.00", "SC", "SC-2,1000,100.00", "SC-3,1000,1.00"], {"SC-3": 1}, {"SC-1": "lines", "SC-2": "lines"}),
    ],
)
def test_lines_that_repeat_their_document(exchange: Exchange, rows: list[str], good: dict[str, int], bad: dict[str, str]) -> None:
    head = "CO,KIND,JOB,VENDOR,TITLE,ST,TOTAL,MARK,TYPE,WHAT,NO,CODE,AMOUNT\n"
    exchange.put(
        "exports/contracts_20260902.csv", head + "".join(f"01,S,J1,V1,Concrete,O,100.00,,M,part,{row}\n" for row in rows)
    )
    found, wrong = everything(exchange.system(*REPEATED), "commitments")
    assert {one.id: len(getattr(one, "lines", ())) for one in found} == good
    assert {one.id: one.field for one in wrong if one.id.startswith("SC-")} == bad


def test_a_broken_line_of_another_kind_is_not_ours(exchange: Exchange) -> None:
    contracts(exchange, "SC-1")
    exchange.put(
        "exports/contracts_20260902.csv", f"{','.join(CONTRACT)}\n01,SC-1,S,J1,V1,A,O,100.00,\n01,PO-1,P,J1\n01,SC-2,S,J1\n"
    )
    source = 'from: {file: "contracts_*.csv",'
    found, bad = everything(exchange.system((source, f"{source} where: {{KIND: S}},")), "commitments")
    assert [one.id for one in found] == ["SC-1"] and [one.id for one in bad] == ["SC-2"]


def test_a_document_that_its_lines_tell_in_two_ways(exchange: Exchange) -> None:
    text = REPEATED_HEAD + "".join(f"01,S,J1,V1,A,O,,M,x,{one}\n" for one in ("100.00,SC-1,1,60.00", "90.00,SC-1,2,40.00"))
    exchange.put("exports/contracts_20260902.csv", text)
    (_, (bad,)) = everything(exchange.system(*REPEATED), "commitments")
    assert (bad.id, bad.field) == (
        "SC-1",
        "amount",
    ) and "is not the same in line 2 of contracts_20260902.csv and line 3" in bad.message


def test_fixed_width() -> None:
    form = Format(layout="fixed", places={"A": Place(start=1, width=3), "B": Place(start=5, width=4)}, trailer="END")
    whole = b"001 ab  \r\n002 cd e\r\nEND 2\r\n"
    assert [dict(one.values) for one in parse(whole, form).entries] == [{"A": "001", "B": "ab  "}, {"A": "002", "B": "cd e"}]
    short = parse(b"001 a\r\n002 cd e x\r\nEND 2\r\n", form).entries
    assert [one.fault for one in short] == ["is cut off: it has 5 of 8 characters", "has 10 characters where the format has 8"]
    trimmed = Format(layout="fixed", places=form.places, trimmed=True)
    assert [dict(one.values) for one in parse(b"001 a\r\n", trimmed).entries] == [{"A": "001", "B": "a"}]
    for content, said in ((b"001 ab  \r\n", "does not end with the line END"), (b"001 ab  \r\nEND 2\r\n", "there are 1")):
        with pytest.raises(Broken, match=said):
            parse(content, form)


def test_texts_over_several_lines_and_texts_that_never_end() -> None:
    content = b'A,B\n1,"two\nlines"\n2,"cut\n3,whole\n4,"also\n\nwhole"\n'
    found = parse(content, Format()).entries
    assert [(one.number, one.values.get("B"), bool(one.fault)) for one in found] == [
        (2, "two\nlines", False), (4, None, True), (5, "whole", False), (6, "also\nwhole", False),
    ]  # fmt: skip


def test_lines_whose_kind_nobody_knows_end_the_document(exchange: Exchange) -> None:
    source = 'from: {file: "contracts_*.csv",'
    changes = (
        ("formats:\n", f"formats:\n{TAGGED}"),
        (source, f"{source} format: tagged, record: H,"),
        (JOINED, "      record: L\n"),
    )
    kinds = (("H", "SC-1"), ("h", "SC-2"), ("H", "SC-3"))
    text = "".join(f"{kind},01,{number},S,J1,V1,A,O,1.00,\nL,1,x,1,M,1.00\n" for kind, number in kinds)
    exchange.put("exports/contracts_20260902.csv", text)
    found, bad = everything(exchange.system(*changes), "commitments")
    assert [one.id for one in found] == ["SC-3"]
    assert [one.id for one in bad] == ["line 3 of contracts_20260902.csv", "line 4 of contracts_20260902.csv", "SC-1"]
    assert "begins with 'h', which is no kind of line" in bad[0].message and "stands under no document" in bad[1].message
    exchange.put("exports/contracts_20260902.csv", text.replace("L,1,x,1,M,1.00\n", "L,1,x,1\n", 1))
    found, bad = everything(exchange.system(*changes), "commitments")
    assert [(one.id, one.field) for one in bad][-1] == ("SC-1", "lines") and "has 3 of 5 fields" in bad[-1].message
