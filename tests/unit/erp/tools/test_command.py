"""``python -m include.erp``: what a person sees of an ERP before anything is ever run."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.erp import registry
from include.erp.__main__ import main
from include.financials.entities import OF_ERP
from tests.unit.erp import shelf
from tests.unit.erp.strangers import MAPPING, change, commitment, database, invoice, post, system

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def erp(tmp_path: Path) -> tuple[str, str]:
    """Mapping and URL of a small ERP with three contracts, a change order and an invoice."""
    url = f"sqlite:///{tmp_path}/jobbook.sqlite"
    erp = system(database(url), tmp_path)
    post(erp, *(commitment(f"SC-{n}", "14860.00") for n in (1, 2, 3)), commitment("SC-4", "1.00"))
    post(erp, change())
    post(erp, invoice())
    erp.close()
    return str(tmp_path / "jobbook.yaml"), url


def run(erp: tuple[str, str], *sql: str) -> None:
    engine = sa.create_engine(erp[1])
    with engine.begin() as connection:
        for statement in sql:
            connection.exec_driver_sql(statement)
    engine.dispose()


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str]]:
    code = main(list(arguments))
    return code, capsys.readouterr().out.splitlines()


def test_check_shows_counts_sums_and_three_samples(erp: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = told(capsys, "check", *erp)
    assert code == 0 and lines[0].startswith("jobbook: sqlite:///")
    at = lines.index("commitments: 4 records, sum 44,581.00")
    assert [line.split()[0] for line in lines[at + 1 : at + 4]] == ["SC-1", "SC-2", "SC-3"]
    assert "amount 14,860.00" in lines[at + 1] and "status open" in lines[at + 1] and "1 lines" in lines[at + 1]
    assert lines[at + 4].strip().startswith("not kept, not compared: currency, retainage_percent")
    assert "subcontractor_invoices: 1 records, sum 500.00" in lines
    assert any("not kept, not compared: title" in line for line in lines), "change orders have no title here"
    left_out = {line.removesuffix(": left out") for line in lines if line.endswith(": left out")}
    assert left_out == set(OF_ERP) - {"commitments", "commitment_change_orders", "subcontractor_invoices"}


def test_check_names_unreadable_records_with_their_field(erp: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    run(erp, "UPDATE bill SET st = 'Q'", "UPDATE contract SET amount = 'much' WHERE no = 'SC-2'")
    code, lines = told(capsys, "check", *erp)
    assert code == 1
    assert "commitments: 3 records, sum 29,721.00" in lines
    assert [line for line in lines if "problem: commitments SC-2 cannot be read: field amount: " in line]
    assert [line for line in lines if "INV-1 cannot be read: field status: " in line and "is 'Q'" in line]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("      title: title\n", "      titel: title\n", "is no canonical field; did you mean 'title'?"),
        ("    from: bill\n", "    from: bills\n", "no such table: bills"),
        ("released: {column: released, type: minor_units, scale: 2}\n    lines", "released: euros\n    lines", "'euros'"),
        ("system: jobbook\n", "", "system: is required and missing"),
    ],
)  # fmt: skip
def test_check_fails_on_a_bad_mapping_and_goes_on(
    erp: tuple[str, str], capsys: pytest.CaptureFixture[str], old: str, new: str, said: str
) -> None:
    assert MAPPING.count(old) == 1
    Path(erp[0]).write_text(MAPPING.replace(old, new), encoding="utf-8")
    code, lines = told(capsys, "check", *erp)
    assert code == 1 and any(line.startswith("problem: ") and said in line for line in lines), lines
    if "bills" in new:
        assert "commitments: 4 records, sum 44,581.00" in lines and "subcontractor_invoices: cannot be read" in lines


def test_sample_is_canonical_json(erp: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = told(capsys, "sample", *erp, "commitments", "-n", "2")
    records = [json.loads(line) for line in lines]
    assert code == 0 and [record["number"] for record in records] == ["SC-1", "SC-2"]
    model = OF_ERP["commitments"].model_validate(records[0], strict=False)
    assert model.model_dump(mode="json") == records[0] and records[0]["amount"] == "14860.00"
    assert told(capsys, "sample", *erp, "vendors")[0] == 1
    with pytest.raises(SystemExit):
        main(["sample", *erp, "vendrs"])


def test_totals_are_per_company_job_and_currency(erp: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    run(erp, "UPDATE contract SET co = '02' WHERE no = 'SC-4'", "UPDATE contract_line SET co = '02' WHERE no = 'SC-4'")
    code, lines = told(capsys, "totals", *erp)
    assert code == 0
    rows = [line.split() for line in lines]
    assert rows[0] == ["entity", "company", "job", "currency", "records", "amount", "first", "last"]
    days = ["2026-08-03", "2026-08-03"]
    assert ["commitments", "01", "J1", "3", "44,580.00", *days] in rows and [
        "commitments",
        "02",
        "J1",
        "1",
        "1.00",
        *days,
    ] in rows
    assert ["commitments", "all", "4", "44,581.00", *days] in rows, "all jobs together"
    assert ["subcontractor_invoices", "01", "J1", "1", "500.00", "2026-08-31", "2026-08-31"] in rows


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg2://reader:secret-word@127.0.0.1:1/erp",
        "postgresql+psycopg2://127.0.0.1:1/erp?user=reader&password=secret-word",
        "nonsense://reader:secret-word@host/erp",
        "secret-word",
    ],
)
@pytest.mark.parametrize("command", ["check", "totals", "sample"])
def test_the_password_is_never_shown(erp: tuple[str, str], capsys: pytest.CaptureFixture[str], command: str, url: str) -> None:
    code = main([command, erp[0], url, *(["commitments"] if command == "sample" else [])])
    shown = capsys.readouterr()
    assert code == 1 and "problem: " in shown.out
    assert "secret-word" not in shown.out + shown.err


@pytest.mark.parametrize("command", ["check", "sample", "totals", "dry", "accept"])
def test_neither_airflow_nor_procore_is_imported(erp: tuple[str, str], command: str) -> None:
    more = {"sample": ["commitments"], "accept": ["--stage", "3"]}.get(command, [])
    code = (
        "import runpy, sys; sys.argv = ['include.erp', *sys.argv[1:]]\n"
        "try: runpy.run_module('include.erp', run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0, end.code\n"
        "print('LOADED', sorted(name for name in sys.modules if name.split('.')[0] == 'airflow' or"
        " name.startswith(('include.procore', 'sandbox', 'pandas', 'great_expectations'))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, command, *erp, *more], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "LOADED []"
    assert "commitments" in done.stdout or "SC-1" in done.stdout


def test_lines_that_do_not_add_up_are_counted(erp: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    run(erp, "DELETE FROM contract_line WHERE no = 'SC-2'", "UPDATE contract_line SET amount = '1.00' WHERE no = 'SC-3'")
    _, lines = told(capsys, "check", *erp)
    assert "  1 whose lines do not add up to their amount: SC-3" in lines, "one without lines has none to add up"
    assert not any("add up" in line for line in lines if "SC-3" not in line)


def test_any_kind_of_adapter_is_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands know nothing of databases, nor of the adapters that come with the project."""
    path = tmp_path / "shelf.yaml"
    path.write_text(shelf.MAPPING, encoding="utf-8")
    found = EntryPoint("shelf", "tests.unit.erp.shelf:ADAPTER", registry.GROUP)
    monkeypatch.setattr(registry, "kinds", lambda: {"shelf": found})
    for command in (["check"], ["totals"], ["sample", "commitments"]):
        code, lines = told(capsys, command[0], str(path), "shelf://reader:secret@there", *command[1:])
        assert code == 0 and "secret" not in "".join(lines), lines
    code, lines = told(capsys, "check", str(path), "shelf://there")
    assert lines[0] == "acme: a shelf, 1, clock 2026-09-01T12:00:00+00:00" and "commitments: 0 records, sum 0.00" in lines
