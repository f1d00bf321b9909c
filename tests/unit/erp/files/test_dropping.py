"""Import files: dropped whole, once, and accepted until the ERP says otherwise."""

from __future__ import annotations

import csv
import json
import os
import stat
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from include.erp.files.folder import Folder, without_password
from include.erp.system import MappedSystem
from include.financials.exceptions import ConfigurationError, NotPermitted, OutcomeUnknown, RetryLater
from include.financials.port import Item, Outcome
from tests.unit.erp.files.exchange import FORMAT, HEAD, LINES, Exchange
from tests.unit.erp.strangers import commitment, item, line, post

MARK = "procore:8089:commitments:p-{}"


@pytest.fixture
def exchange(tmp_path: Path) -> Exchange:
    return Exchange(tmp_path)


def order(number: str = "SC-1", *amounts: str, **more: Any) -> Any:
    return commitment(number, *amounts, **({"contract_date": None} | more))


def find(erp: MappedSystem, *items: Item) -> list[Outcome]:
    (step,) = erp.steps("commitments", "create")
    return erp.find(step, items)


def handed(number: str, file: str) -> Item:
    return replace(item(order(number)), handed=file)


# -- what is dropped


def test_documents_of_a_call_stand_in_one_file(exchange: Exchange) -> None:
    erp = exchange.system()
    outcomes = post(erp, order("SC-1"), order("SC-2", "-0.10", "0.10", title='Steel, "A36"'))
    (name,) = exchange.waiting()
    assert [(one.status, one.id, one.record) for one in outcomes] == [("accepted", name, None)] * 2
    assert name.startswith("contracts_01_20260902T060000_0001_")
    assert exchange.dropped() == [
        ["H", "01", "SC-1", "S", "J1", "V1", "Concrete", "1500.50", MARK.format("SC-1")],
        ["L", "SC-1", "1", "part 1", "03-1000", "M", "1000.00"],
        ["L", "SC-1", "2", "part 2", "03-2000", "M", "500.50"],
        ["H", "01", "SC-2", "S", "J1", "V1", 'Steel, "A36"', "0.00", MARK.format("SC-2")],
        ["L", "SC-2", "1", "part 1", "03-1000", "M", "-0.10"],
        ["L", "SC-2", "2", "part 2", "03-2000", "M", "0.10"],
    ]
    assert (exchange.root / "imports" / name).read_bytes().endswith(b"\r\n")


def test_the_same_document_is_never_dropped_twice(exchange: Exchange) -> None:
    post(exchange.system(), order("SC-1"))
    for _ in range(2):
        (outcome,) = post(exchange.system(), order("SC-1"))
        assert outcome.status == "accepted" and find(exchange.system(), item(order("SC-1")))[0].status == "accepted"
    assert len(exchange.waiting()) == 1
    exchange.take()
    post(exchange.system(), order("SC-1"), order("SC-2"))  # taken, not acknowledged, in no export yet
    assert [row[2] for row in exchange.dropped() if row[0] == "H"] == ["SC-2"]


def test_a_folder_of_notes_that_is_gone_does_not_mean_that_nothing_was_sent(exchange: Exchange) -> None:
    post(exchange.system(), order("SC-1"))
    exchange.take()
    (exchange.root / "sent").rename(exchange.root / "elsewhere")
    with pytest.raises(ConfigurationError, match="there is no folder sent"):
        post(exchange.system(), order("SC-1"))
    assert any("there is no folder sent" in problem for problem in exchange.system().check().problems)
    (exchange.root / "elsewhere").rename(exchange.root / "sent")
    (note,) = (exchange.root / "sent").iterdir()
    note.write_text(note.read_text()[:-20])
    with pytest.raises(ConfigurationError, match="put it back from a copy; nothing is sent without it"):
        post(exchange.system(), order("SC-1"))
    assert exchange.waiting() == []


# -- killed between two acts


class Killed(BaseException):
    """As SIGKILL: no handler of the product sees it."""


@pytest.mark.parametrize("acts", range(1, 5))
def test_a_run_that_is_killed_leaves_nothing_half_and_no_doubt(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch, acts: int
) -> None:
    """Killed after each act on the disk: laid beside, the note laid beside, the note, the rename."""
    done = 0

    def counted(act: Any) -> Any:
        def acting(self: Folder, *given: Any) -> None:
            nonlocal done
            act(self, *given)
            done += 1
            # Whoever looks now sees whole files only.
            for name in exchange.waiting():
                if not name.endswith(".part"):
                    rows = list(csv.reader((exchange.root / "imports" / name).read_text().splitlines()))
                    assert [row[0] for row in rows] == ["H", "L", "L"] * 2
            if done == acts:
                raise Killed

        return acting

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "prepare", counted(Folder.prepare))
        patch.setattr(Folder, "publish", counted(Folder.publish))
        with pytest.raises(Killed):
            post(exchange.system(), order("SC-1"), order("SC-2"))
    assert [one.status for one in find(exchange.system(), item(order("SC-1")))] == ["accepted" if acts == 4 else "absent"]
    exchange.take() if acts == 4 else None
    exchange.now += timedelta(minutes=1)  # another run, another name
    outcomes = post(exchange.system(), order("SC-1"), order("SC-2"))
    assert [one.status for one in outcomes] == ["accepted"] * 2
    for path in (exchange.root / "imports").glob("*.part"):
        path.unlink()  # what was never noted is nobody's
    assert len(list((exchange.root / "sent").glob("*.json"))) == 1
    exchange.take()
    assert sorted(one["NO"] for one in exchange.contracts) == ["SC-1", "SC-2"]


def test_a_rename_without_an_answer_is_unknown_and_then_known(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    publish = Folder.publish

    def lost(self: Folder, path: str) -> None:
        publish(self, path)
        if path.startswith("imports"):
            raise OSError("connection lost")

    monkeypatch.setattr(Folder, "publish", lost)
    with pytest.raises(OutcomeUnknown, match="nobody knows whether it was"):
        post(exchange.system(), order("SC-1"))
    monkeypatch.setattr(Folder, "publish", publish)
    assert find(exchange.system(), item(order("SC-1")))[0].status == "accepted" and len(exchange.waiting()) == 1


@pytest.mark.parametrize(("place", "after"), [("imports", False), ("sent", False), ("sent", True)])
def test_a_disk_that_takes_nothing_is_tried_again(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch, place: str, after: bool
) -> None:
    publish = Folder.publish

    def full(self: Folder, path: str) -> None:
        if path.startswith(place):
            if after:
                publish(self, path)
            raise OSError(28, "No space left on device")
        publish(self, path)

    monkeypatch.setattr(Folder, "publish", full)
    with pytest.raises(RetryLater, match="cannot be put in its place"):
        post(exchange.system(), order("SC-1"))
    monkeypatch.setattr(Folder, "publish", publish)
    assert find(exchange.system(), item(order("SC-1")))[0].status == "absent"
    assert post(exchange.system(), order("SC-1"))[0].status == "accepted" and len(exchange.waiting()) == 1


def test_a_lost_lease_drops_nothing(exchange: Exchange) -> None:
    erp = exchange.system()
    (step,) = erp.steps("commitments", "create")

    def lost() -> None:
        raise RetryLater("lease lost")

    with pytest.raises(RetryLater, match="lease"):
        erp.post(step, [item(order())], lost)
    assert exchange.waiting() == [] and list((exchange.root / "sent").iterdir()) == []


# -- hostile values


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("two\nlines", "title contains a line break, which would end the record in the import file"),
        ("two\u2028lines", "title contains a line break"),
        ("bell\x07", "title contains the control character '\\x07'"),
        ("=HYPERLINK(1)", "title is '=HYPERLINK(1)': a spreadsheet that opens the import file would take it for a formula"),
        ("  @SUM(A1)", "a formula"),
        ("-rebar", "a formula"),
        ("Ω", "title contains 'Ω', which cp1252, the encoding of the import file, has not"),
    ],
)
def test_what_the_file_cannot_hold_refuses_its_document(exchange: Exchange, title: str, said: str) -> None:
    erp = exchange.system(("import: {records", "import: {encoding: cp1252, records"))
    outcomes = post(erp, order("SC-1"), order("SC-2", title=title), order("SC-3", title="-5"))
    assert [(one.status, one.field) for one in outcomes] == [("accepted", None), ("rejected", "title"), ("accepted", None)]
    assert said in (outcomes[1].message or "") and (outcomes[1].message or "").startswith("SC-2: title ")
    assert [row[2] for row in exchange.dropped() if row[0] == "H"] == ["SC-1", "SC-3"]


def test_a_lines_value_names_the_line(exchange: Exchange) -> None:
    bad = order("SC-1", lines=(line(1, "1.00"), line(2, "2.00", description="a\nb")))
    (outcome,) = post(exchange.system(), bad)
    assert (outcome.status, outcome.field) == ("rejected", "lines[2].description") and exchange.waiting() == []


@pytest.mark.parametrize("title", ["a,b;c", 'say "no"', "O'Neil & Søn", "x" * 500, "trailing ", "5-1", "a=b"])
def test_what_it_can_hold_arrives_as_it_was(exchange: Exchange, title: str) -> None:
    post(exchange.system(), order("SC-1", title=title))
    assert exchange.dropped()[0][6] == order("SC-1", title=title).title


def test_without_quotes_a_separator_is_refused(exchange: Exchange) -> None:
    erp = exchange.system(("import: {records", "import: {quote: null, delimiter: '|', records"))
    outcomes = post(erp, order("SC-1", title="a|b"), order("SC-2", title='"a",b'))
    assert [(one.status, one.field) for one in outcomes] == [("rejected", "title"), ("accepted", None)]
    (name,) = exchange.waiting()
    assert (exchange.root / "imports" / name).read_text().splitlines()[0].split("|")[6] == '"a",b'


PLACES = """\
  import:
    layout: fixed
    places:
      NO: {start: 1, width: 6}
      TITLE: {start: 7, width: 10}
      TOTAL: {start: 17, width: 12, align: right, fill: "0"}
      MARK: {start: 29, width: 40}
"""
FIXED = ((FORMAT, PLACES), (HEAD, "        - columns: {NO: number, TITLE: title, TOTAL: amount, MARK: marker}\n"), (LINES, ""))


def test_fixed_width_cuts_nothing(exchange: Exchange) -> None:
    erp = exchange.system(*FIXED)
    outcomes = post(erp, order("SC-1", "-12.50", title="Slab"), order("SC-2", title="Concrete slab"), order("SC-12345"))
    assert [(one.status, one.field) for one in outcomes] == [("accepted", None), ("rejected", "title"), ("rejected", "number")]
    assert "13 characters, and TITLE of the import file has 10" in (outcomes[1].message or "")
    (name,) = exchange.waiting()
    text = (exchange.root / "imports" / name).read_text(encoding="utf-8")
    assert text == "SC-1  Slab      -00000012.50" + MARK.format("SC-1").ljust(40) + "\n"


XML = (
    (FORMAT, "  import: {layout: text, escape: xml, line_end: lf}\n"),
    (HEAD, """        - template: |
            <contract no="{{ number }}" mark="{{ marker }}"><title>{{ title }}</title>
            {%- for line in lines %}<line code="{{ line.cost_code }}">{{ line.amount }}</line>{% endfor %}</contract>
"""),
    (LINES, ""),
    ("format: import}", "format: import, head: \"<contracts>\\n\", foot: \"</contracts>\\n\"}"),
)  # fmt: skip


def test_a_template_escapes_what_stands_in_it(exchange: Exchange) -> None:
    erp = exchange.system(*XML)
    post(erp, order("SC-1", title='<Steel> & "more" {{ 7*7 }}'))
    (name,) = exchange.waiting()
    assert (exchange.root / "imports" / name).read_text() == (
        '<contracts>\n<contract no="SC-1" mark="procore:8089:commitments:p-SC-1">'
        "<title>&lt;Steel&gt; &amp; &#34;more&#34; {{ 7*7 }}</title>"
        '<line code="03-1000">1000.00</line><line code="03-2000">500.50</line></contract>\n</contracts>\n'
    )


@pytest.mark.parametrize(
    "template",
    ["{{ title.__class__.__mro__[1].__subclasses__() }}", "{{ marker.__init__.__globals__ }}"],
)
def test_a_template_reaches_nothing_else(exchange: Exchange, template: str) -> None:
    erp = exchange.system(*XML[:1], (HEAD, f'        - template: "{template} {{{{ marker }}}}"\n'), *XML[2:])
    (outcome,) = post(erp, order("SC-1"))
    assert (outcome.status, outcome.field) == ("rejected", "template") and exchange.waiting() == []


# -- acknowledged, or seen in an export


def test_a_document_is_done_when_an_export_shows_it(exchange: Exchange) -> None:
    post(exchange.system(), order("SC-1"))
    (name,) = exchange.take()
    (settled,) = find(exchange.system(), handed("SC-1", name))
    assert (settled.status, settled.id) == ("accepted", name) and "was taken, and nothing acknowledges it" in (
        settled.message or ""
    )
    exchange.export()
    (settled,) = find(exchange.system(), handed("SC-1", name))
    assert (settled.status, settled.id) == ("confirmed", "SC-1") and getattr(settled.record, "amount", None) == Decimal("1500.50")


@pytest.mark.parametrize(
    ("rows", "status", "told"),
    [
        ([("{}", "", "OK", "", "")], "accepted", "was imported, and what is read of the ERP does not show it yet"),
        ([("{}", MARK.format("SC-1"), "OK", "", "4711")], "confirmed", None),
        ([("imports\\{}", "", "ERROR", "bad vendor", "")], "rejected", "bad vendor"),
        ([("{}", "", "OK", "", ""), ("{}", MARK.format("SC-1"), "REJECTED", "V1 on hold", "")], "rejected", "V1 on hold"),
        ([("{}", MARK.format("SC-1"), "REJECTED", "", "")], "rejected", "the ERP's import answered 'REJECTED'"),
        ([("", MARK.format("SC-1"), "ERROR", "locked", ""), ("", MARK.format("SC-1"), "OK", "", "4711")], "confirmed", None),
        ([("{}", "", "PARTLY", "", "")], "accepted", "was answered 'PARTLY' (ack_001.csv#2), which the mapping does not know"),
        ([("other.csv", "", "ERROR", "", ""), ("{}", MARK.format("SC-9"), "ERROR", "", "")], "accepted", "was not taken yet"),
        ([("{}", "", "ERR")], "accepted", "was not taken yet"),
    ],
)  # fmt: skip
def test_acknowledgements(exchange: Exchange, rows: list[tuple[str, ...]], status: str, told: str | None) -> None:
    post(exchange.system(), order("SC-1"))
    (name,) = exchange.waiting()
    exchange.answer(*((row[0].format(name), *row[1:]) for row in rows))
    erp = exchange.system()
    (settled,) = find(erp, handed("SC-1", name))
    assert settled.status == status and (told is None or told in (settled.message or ""))
    assert status != "confirmed" or settled.id == "4711"
    assert [one for one in erp.check().problems if "is cut off" in one] == [] or len(rows[0]) == 3


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ([[("{}", "M", "OK", "", "4711")], [("{}", "M", "ERROR", "duplicate", "")]], "'OK' as 4711 (ack_001.csv#2), then 'ERR"),
        ([[("{}", "", "OK", "", ""), ("{}", "", "ERROR", "imported already", "")]], "'OK' (ack_001.csv#2), then 'ERROR'"),
        ([[("{}", "M", "REJECTED", "V1 on hold", "")], [("{}", "", "OK", "", "")]], None),
        ([[("{}", "M", "OK", "", "4711"), ("{}", "M", "OK", "", "4712")]], "'OK' as 4711 (ack_001.csv#2), then 'OK' as 4712"),
    ],
    ids=["a refused copy", "a file twice", "taken at the second try", "two numbers"],
)  # fmt: skip
def test_an_import_that_ran_twice_proves_no_absence(
    exchange: Exchange, answers: list[list[tuple[str, ...]]], told: str | None
) -> None:
    """What was entered once is there, whatever is said of the file later: it is not sent again, and a person is asked."""
    post(exchange.system(), order("SC-1"))
    (name,) = exchange.waiting()
    (exchange.root / "imports" / name).unlink()
    for rows in answers:
        exchange.answer(*((row[0].format(name), row[1] and MARK.format("SC-1"), *row[2:]) for row in rows))
    (settled,) = find(exchange.system(), handed("SC-1", name))
    assert (settled.status, settled.id) == ("accepted", name)
    assert (told is None) == (settled.field is None) and (told or "was imported") in (settled.message or "")
    assert [one.status for one in post(exchange.system(), order("SC-1"))] == ["accepted"] and exchange.waiting() == []


def test_a_file_that_was_refused_as_a_whole_may_have_been_entered_in_part(exchange: Exchange) -> None:
    """The import entered the first document and gave up at the second. Which are there, an export after it shows."""
    post(exchange.system(), order("SC-1"), order("SC-2"))
    (first,) = exchange.take()
    exchange.answer((first, "", "ERROR", "row 5: bad vendor", ""))
    both = handed("SC-1", first), handed("SC-2", first)
    found = find(exchange.system(), *both)
    assert [one.status for one in found] == ["accepted"] * 2 and "is too old to show" in (found[1].message or "")
    assert [one.status for one in post(exchange.system(), order("SC-1"), order("SC-2"))] == ["accepted"] * 2
    assert exchange.waiting() == []

    exchange.now += timedelta(days=1)
    exchange.contracts = [row for row in exchange.contracts if row["NO"] == "SC-1"]
    exchange.lines = [row for row in exchange.lines if row["NO"] == "SC-1"]
    exchange.put("exports/vendors.csv", "CO,VENDOR,NAME,ACTIVE\r\n01,V1,Acme,Y\r\n")
    exchange.export("20260903")
    assert [one.status for one in find(exchange.system(), *both)] == ["confirmed", "rejected"]
    assert [one.status for one in post(exchange.system(), order("SC-1"), order("SC-2"))] == ["confirmed", "accepted"]
    assert [row[2] for row in exchange.dropped() if row[0] == "H"] == ["SC-2"]


def test_what_was_refused_is_sent_again_under_another_name(exchange: Exchange) -> None:
    post(exchange.system(), order("SC-1"), order("SC-2"))
    (first,) = exchange.waiting()
    (exchange.root / "imports" / first).unlink()
    exchange.answer(("", MARK.format("SC-1"), "ERROR", "V1 on hold", ""))
    (refused,) = find(exchange.system(), item(order("SC-1")))
    assert (refused.status, refused.message) == ("rejected", "V1 on hold")
    assert [one.status for one in post(exchange.system(), order("SC-1"), order("SC-2"))] == ["accepted"] * 2
    (second,) = exchange.waiting()
    assert second != first and [row[2] for row in exchange.dropped() if row[0] == "H"] == ["SC-1"]
    # The old answer is not about the new file; a new one is.
    assert find(exchange.system(), handed("SC-1", second))[0].status == "accepted"
    exchange.answer(("", MARK.format("SC-1"), "OK", "", "4711"))
    assert find(exchange.system(), handed("SC-1", second))[0].status == "confirmed"
    (note,) = (path for path in (exchange.root / "sent").iterdir() if second in path.name)
    assert json.loads(note.read_text())["documents"][0]["attempt"] == 2


def test_what_nobody_noted_is_asked_about(exchange: Exchange) -> None:
    (settled,) = find(exchange.system(), handed("SC-1", "contracts_lost.csv"))
    assert settled.status == "absent"


def test_what_the_export_shows_otherwise_is_told(exchange: Exchange) -> None:
    post(exchange.system(), order("SC-1"))
    exchange.take()
    exchange.lines[1]["AMOUNT"] = "250.25"
    exchange.export()
    (outcome,) = find(exchange.system(), item(order("SC-1")))
    lines = getattr(outcome.record, "lines", ())
    assert outcome.status == "confirmed" and [one.amount for one in lines] == [Decimal("1000.00"), Decimal("250.25")]


# -- the file


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (HEAD, "        - template: \"{% include 'x' %}\"\n", "is no template: line 1: it takes nothing from other files"),
        (HEAD, '        - template: "{{ range(9) }}{{ marker }}"\n', "parameter 'range' is not known"),
        ("max_age: 26 hours\n", "", "max_age: is required and missing"),
        ("26 hours", "soon", "'soon' is no age; write it as 26 hours, 90 minutes or 2 days"),
        ("format: import}", "format: imprt}", "write.file.format: there is no format 'imprt'; did you mean 'import'?"),
        ("TITLE: title, TOTAL", "TITEL: title, TOTAL", "columns.TITEL: the format has no such column; did you mean 'TITLE'?"),
        ("record: L\n", "record: M\n", "create.2.record: the format has no lines 'M'"),
        ("- record: L\n          each", "- each", "create.2.record: is required: the format has several kinds of lines"),
        ("TITLE: title, TOTAL", "TITLE: titel, TOTAL", "parameter 'titel' is not known; did you mean 'title'?"),
        (", MARK: marker}", "}", "write.create: nothing in the file holds the marker"),
        ("{create: true}", "{create: true, update: true}", "capabilities.update: cannot be done by a file"),
        ("_{tag}.csv", ".csv", "needs {tag}"),
        ("{tag}.csv", "{tag}/x.csv", "is no name of a file"),
        ("{company}_{run}", "{job}_{run}", "has {job}. Allowed: {entity}, {company}, {run}, {sequence}, {tag}"),
        ("    scope: JOB\n", "    scope: JOB\n    changed_since: X\n", "changed_since: means nothing here"),
        ("max_age:", "folders: {sent: ../x}\nmax_age:", "is a folder within that of the connection"),
        ("formats:", "formats:\n  other: {encoding: utf-99}", "'utf-99' is no encoding"),
        (FORMAT, PLACES.replace("start: 7", "start: 6"), "`NO` and `TITLE` both have character 6"),
        ("      join: {CO: CO, NO: NO}\n", "", "`join` goes with `from`"),
        ("refused: [ERROR, REJECTED]", "refused: [ERROR, OK]", "one word cannot mean done and refused"),
    ],
)  # fmt: skip
def test_faults_are_found_when_the_file_is_loaded(exchange: Exchange, old: str, new: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        exchange.system((old, new))
    assert said in str(refused.value), refused.value


def test_a_place_that_renames_nothing_takes_nothing(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Folder, "protocol", "s3")
    with pytest.raises(ConfigurationError, match="nothing is dropped over s3"):
        post(exchange.system(), order("SC-1"))


def test_an_address_is_a_path_or_put_together_from_a_connection(tmp_path: Path) -> None:
    (tmp_path / "sent").mkdir()
    (tmp_path / "sent" / "half.json.part").write_text("x")
    # What a connection with nothing but a path becomes.
    for address in (str(tmp_path), f"file://{tmp_path}", tmp_path, sa.URL.create("sqlite", database=str(tmp_path))):
        assert Folder(address).has("sent") and Folder(address).files("sent") == []
    with pytest.raises(ConfigurationError, match="cannot be opened") as refused:
        Folder(sa.URL.create("nosuch", "sync", "s3cret", "erp", 2222, "exchange")).has("sent")
    assert "s3cret" not in str(refused.value)


class SSHException(Exception):
    """As paramiko's: no OSError."""

    __module__ = "paramiko.ssh_exception"


class AuthenticationException(SSHException):
    __module__ = "paramiko.ssh_exception"


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (SSHException("gone"), RetryLater),
        (EOFError(), RetryLater),
        (OSError(5, "Input/output error"), RetryLater),
        (PermissionError(13, "denied"), NotPermitted),
        (AuthenticationException("no"), ConfigurationError),
    ],
)
def test_what_could_not_be_asked_is_not_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, raised: type[Exception]
) -> None:
    folder = Folder(tmp_path)

    def fails(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(folder.root.fs, "info", fails)
    for ask in (lambda: folder.has("sent"), lambda: folder.exists("sent/x"), lambda: folder.prepared("imports/x")):
        with pytest.raises(raised):
            ask()


def test_the_password_of_the_address_is_never_shown() -> None:
    assert without_password("sftp://sync:s3cret@erp:22/exchange?key=x") == "sftp://sync:***@erp:22/exchange"


def test_nobody_else_may_write_to_what_is_dropped(tmp_path: Path) -> None:
    """Amounts that another user of the machine changes before the import would be posted as they are."""
    before = os.umask(0)
    try:
        Folder(tmp_path).write("invoices.csv", b"100.00\n")
    finally:
        os.umask(before)
    mode = stat.S_IMODE((tmp_path / "invoices.csv").stat().st_mode)
    assert (mode & 0o022, mode & 0o444) == (0, 0o444)
