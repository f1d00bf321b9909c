"""The acceptance suite on a good mapping, what is kept of it, and the tools beside it. A bad one: test_mutants."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.erp.__main__ import main
from include.erp.acceptance import sent
from include.erp.acceptance.result import Check, Result, acceptance, beside, digest
from include.erp.acceptance.running import accept
from include.erp.acceptance.suite import Options
from include.erp.mapping.checks import is_mappable, line_fields
from include.erp.mapping.loading import MAPPINGS
from include.erp.registry import erp_system, load_mapping
from include.erp.tools import canonical
from include.financials.entities import OF_ERP
from include.financials.exceptions import ConfigurationError
from tests.unit.erp.strangers import MAPPING as STRANGE
from tests.unit.erp.strangers import commitment, database, post, system
from tests.unit.erp.trial import Clerk, build

SKIPPED = {
    "its number has parts, each with a limit of its own, which is looked at before it is sent",
    "the ERP books a document at once: there is nothing to refuse afterwards",
}
"""What a good mapping of the sandbox's ERP leaves out, beside what its clerk does not do."""


@pytest.fixture(scope="session")
def books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("books") / "erp.sqlite"
    build(f"sqlite:///{path}")
    return path


@pytest.fixture
def erp(books: Path, tmp_path: Path) -> str:
    shutil.copyfile(books, tmp_path / "erp.sqlite")
    return f"sqlite:///{tmp_path}/erp.sqlite"


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str]]:
    code = main(list(arguments))
    return code, capsys.readouterr().out.splitlines()


def count(url: str, table: str) -> int:
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        found: int = connection.exec_driver_sql(f"SELECT COUNT(*) FROM {table}").scalar_one()
    engine.dispose()
    return found


# -- the suite


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_good_mapping_passes_whole(erp: str, tmp_path: Path) -> None:
    path = tmp_path / "good.yaml"
    shutil.copyfile(MAPPINGS / "sandbox_erp.yaml", path)
    reader = f"sqlite:///file:{tmp_path}/erp.sqlite?mode=ro&uri=true"
    result = accept(Options(str(path), erp, allow_writes=True, clerk=Clerk(erp), reader=reader))
    assert [(one.entity, one.label, one.told) for one in result.checks if one.verdict == "failed"] == []
    skipped = {one.told for one in result.checks if one.verdict == "skipped"}
    assert {one for one in skipped if not one.startswith("the clerk does not")} == SKIPPED
    assert result.accepted and {one.entity for one in result.checks} == {"", *OF_ERP}
    assert {"payments_issued", "payments_received"} <= {*result.empty}, "said loudly"
    assert any("ZERO RECORDS: the ERP shows no payments issued" in line for line in result.lines())
    result.save(beside(path))
    with_words = erp_system(erp, path, origin_system="procore:1")
    assert with_words.check().notes == (f"The mapping good.yaml is accepted on {result.on} for stages 1 to 4.",)
    with_words.close()


def test_without_leave_nothing_is_written(erp: str) -> None:
    before = count(erp, "audit_log")
    result = accept(Options("sandbox_erp", erp, entities=("vendors", "commitments"), stage=3))
    assert count(erp, "audit_log") == before
    assert {one.verdict for one in result.checks if one.entity == "vendors"} == {"passed"}
    assert {one.told for one in result.checks if one.verdict == "skipped"} == {
        "nothing is written without --allow-writes, into a copy of the books or onto a job for tests"
    }
    assert result.partial and not result.accepted


def test_a_stage_has_its_entities(erp: str) -> None:
    result = accept(Options("sandbox_erp", erp, stage=1), "test_unique")
    assert {one.entity for one in result.checks} == {
        "vendors", "vendor_insurances", "customers", "projects", "sub_jobs", "tax_codes", "users"
    }  # fmt: skip
    with pytest.raises(ConfigurationError, match="no check is called 'tset'"):
        accept(Options("sandbox_erp", erp), "tset")


def test_a_person_chooses_the_job(erp: str) -> None:
    accept(Options("sandbox_erp", erp, allow_writes=True, use={"project": "25-320"}), "test_stored[commitments-plain]")
    engine = sa.create_engine(erp)
    with engine.connect() as connection:
        jobs = connection.exec_driver_sql("SELECT job FROM commitments WHERE marker IS NOT NULL").scalars().all()
    engine.dispose()
    assert jobs == ["25-320"]
    (check,) = accept(
        Options("sandbox_erp", erp, allow_writes=True, use={"project": "no"}), "test_stored[commitments-plain]"
    ).checks
    assert check.verdict == "skipped" and "choose with --use project=" in check.told


def test_an_erp_that_trusts_everybody_is_told_from_one_that_refuses(tmp_path: Path) -> None:
    """Masters that its mapping leaves out are taken from its documents; what it takes and should not is noted, and no failure."""
    url = f"sqlite:///{tmp_path}/jobbook.sqlite"
    strange = system(database(url), tmp_path, text=STRANGE)
    post(strange, commitment("SC-1", "100.00", "50.00"))
    strange.close()
    result = accept(
        Options(str(tmp_path / "jobbook.yaml"), url, allow_writes=True), "test_stored[commitments-plain,test_bad_among"
    )
    assert {one.verdict for one in result.checks} == {"passed"}, list(result.lines())
    assert any("takes a cost code that does not exist" in note for one in result.checks for note in one.notes)


# -- what is kept


def result(mapping: Path, **more: object) -> Result:
    values: dict[str, object] = {
        "mapping": str(mapping), "sha256": digest(mapping), "erp": "x", "version": "1", "on": "2026-10-02", "stage": 2,
        "writes": False, "partial": False, "checks": [Check("one id", "vendors", "", "passed", 0.1)], "empty": [],
    }  # fmt: skip
    return Result(**(values | more))  # type: ignore[arg-type]


def test_an_acceptance_is_of_the_mapping_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "our_erp.yaml"
    path.write_text("kind: sql\n")
    assert acceptance(path) == "not accepted yet: python -m include.erp accept"
    result(path).save(beside(path))
    assert acceptance(path) == "accepted on 2026-10-02 for stages 1 to 2, reading only"
    assert json.loads(beside(path).read_text())["accepted"] is True
    path.write_text("kind: sql\n# changed\n")
    assert acceptance(path).endswith(", and was changed since")
    result(path, checks=[Check("one id", "vendors", "", "failed", 0.1, "two")]).save(beside(path))
    assert acceptance(path) == "not accepted: the suite failed on 2026-10-02"
    beside(path).write_text("{")
    assert acceptance(path) == "not known to be accepted: our_erp.accepted.json cannot be read"
    assert not result(path, partial=True).accepted and not result(path, checks=[]).accepted


def test_the_command_keeps_the_result_and_fails_where_it_is_bad(
    erp: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "our_erp.yaml"
    shutil.copyfile(MAPPINGS / "sandbox_erp.yaml", path)
    code, lines = told(capsys, "accept", "--mapping", str(path), "--url", erp, "--stage", "1")
    assert code == 0 and lines[-1] == f"kept in {beside(path)}"
    kept = json.loads(beside(path).read_text())
    assert (kept["accepted"], kept["stage"], kept["writes"]) == (True, 1, False) and kept["sha256"] == digest(path)
    code, lines = told(capsys, "check", str(path), erp)
    assert code == 0 and "The mapping our_erp.yaml is accepted on 2026-10-02 for stage 1, reading only." in lines
    code, lines = told(capsys, "accept", "--mapping", str(path), "--url", erp, "--only", "test_unique[vendors")
    assert code == 1 and lines[-1] == "problem: not accepted: only some of the checks were run"


# -- dry


def test_dry_shows_what_would_be_sent_and_leaves_nothing(erp: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    before = [count(erp, table) for table in ("commitments", "ap_invoices", "audit_log")]
    code, lines = told(capsys, "dry", "sandbox_erp", erp)
    assert code == 0, lines
    assert sum("the ERP would take it as" in line for line in lines) == 6, "of each but a budget change: no job has a budget"
    assert any(line.startswith("budget_changes: no document can be made") for line in lines)
    assert [count(erp, table) for table in ("commitments", "ap_invoices", "audit_log")] == before
    code, lines = told(capsys, "sample", "sandbox_erp", erp, "commitments", "-n", "1")
    records = tmp_path / "records.jsonl"
    record = json.loads(lines[0]) | {"id": "77", "number": "104-SC-777", "marker": None, "status": "Approved"}
    bad = record | {"id": "78", "number": "104-SC-778", "vendor": "V-1043"}
    records.write_text("".join(json.dumps(one) + "\n" for one in (record, bad)))
    code, lines = told(capsys, "dry", "sandbox_erp", erp, "--entity", "commitments", "--records", str(records))
    assert code == 1 and "  the ERP would take it as 104-SC-777, stored as it was sent; undone" in lines
    assert '"amount": "70000"' in lines[1], "in the ERP's own unit"
    assert any(line.startswith("problem: commitments 104-SC-778: the ERP would refuse it: VENDOR_HOLD") for line in lines)
    assert count(erp, "commitments") == before[0]


# -- init


def test_a_skeleton_loads_once_it_is_filled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{tmp_path}/small.sqlite"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE contract (co TEXT, no TEXT, kind TEXT, job TEXT, vendor TEXT, title TEXT, status TEXT,"
            " amount TEXT, PRIMARY KEY (co, no))"
        )
        connection.exec_driver_sql("CREATE TABLE contract_line (co TEXT, no TEXT, position INTEGER, code TEXT, amount INTEGER)")
        connection.exec_driver_sql("INSERT INTO contract VALUES ('01', 'A-1', 'S', 'J1', 'V1', 'Roof', 'O', '12.50')")
        connection.exec_driver_sql("INSERT INTO contract_line VALUES ('01', 'A-1', 1, '03', 1250)")
    engine.dispose()
    code, lines = told(
        capsys, "init", url, "--system", "small", "--entity", "commitments=contract", "--lines", "commitments=contract_line"
    )
    text = "\n".join(lines)
    assert code == 0 and "    key_columns: [co, no]" in text and "one of open, closed, void" in text
    assert "        amount: {column: amount, type: minor_units, scale: 2}" in text, "a whole number may be cents"
    path = tmp_path / "small.yaml"
    for line, filled in (
        ("    id: TODO", "    id: no"), ("    company: TODO", "    company: co"), ("    number: TODO", "    number: no"),
        ("      project: TODO", "      project: job"), ("TODO_subcontract: ", "S: "), ("TODO_purchase_order: ", "P: "),
        ("TODO_open: ", "O: "), ("TODO_closed: ", "C: "), ("TODO_void: ", "V: "),
        ("join: {TODO: TODO}", "join: {co: co, no: no}"),
        ("order: [TODO]", "order: [position]"), ("        id: TODO", '        id: "{no}/{position}"'),
        ("cost_code: TODO", "cost_code: code"), ("cost_type: TODO", "cost_type: {constant: M}"),
    ):  # fmt: skip
        assert line in text, line
        text = text.replace(line, filled, 1)
    path.write_text(text + "\n", encoding="utf-8")
    assert [*load_mapping(path).spec.entities] == ["commitments"]
    code, lines = told(capsys, "check", str(path), url)
    assert code == 0 and "commitments: 1 records, sum 12.50" in lines, lines


def test_a_skeleton_of_everything_names_each_field_once(erp: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = told(capsys, "init", erp)
    assert code == 0
    for entity in OF_ERP:
        at = lines.index(next(line for line in lines if line.startswith(f"  {entity}:")))
        rest = lines[at + 1 :]
        block = rest[: next((i for i, line in enumerate(rest) if line and line[:3].strip() and line.endswith("only")), len(rest))]
        for one in canonical.fields(entity):
            if one.place.startswith("fields."):
                assert any(f"{one.name}: " in line and one.meaning in line for line in block), (entity, one.name)
    code, lines = told(capsys, "init", erp, "--entity", "commitments=comitments")
    assert code == 1 and "did you mean 'commitments'?" in lines[0]
    code, lines = told(capsys, "init", erp, "--entity", "contracts=commitments")
    assert code == 1 and "contracts is no entity" in lines[0]


# -- the page of fields


def test_every_field_that_can_be_mapped_has_a_meaning() -> None:
    named = {one.name for entity in OF_ERP for one in canonical.fields(entity)}
    for entity, model in OF_ERP.items():
        wanted = {name for name, info in model.model_fields.items() if is_mappable(info)} - {*canonical._INTERNAL}
        assert {one.name for one in canonical.fields(entity) if not one.line} == wanted
        assert {one.name for one in canonical.fields(entity) if one.line} == {*line_fields(model)}
    assert {*canonical.MEANINGS} == named, "no meaning of a field that is gone"
    places = {f"{one.entity}.{'lines.' if one.line else ''}{one.name}" for e in OF_ERP for one in canonical.fields(e)}
    assert {*canonical.SPECIAL} <= places


def test_the_page_of_fields_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    page = Path(__file__).resolve().parents[4] / "docs" / "canonical-fields.md"
    assert told(capsys, "fields") == (0, page.read_text(encoding="utf-8").splitlines())


# -- what the suite found


def test_a_document_that_no_call_is_made_for_is_refused_by_itself(tmp_path: Path) -> None:
    text, only = STRANGE, "if: {kind: subcontract}\n          "
    for old, new in (
        ("- >\n          INSERT INTO contract (", f"- {only}sql:\n            INSERT INTO contract ("),
        ("\n          VALUES (:company, :number, :kind", "\n            VALUES (:company, :number, :kind"),
        ("- each: lines\n          ", f"- each: lines\n          {only}"),
    ):
        text = text.replace(old, new, 1)
    erp = system(database(f"sqlite:///{tmp_path}/jobbook.sqlite"), tmp_path, text=text)
    (outcome,) = post(erp, commitment("PO-1", kind="purchase_order"))
    assert (outcome.status, outcome.field) == ("rejected", "kind")


def test_limits_that_were_not_tried_are_named() -> None:
    """A mapping may limit amounts only, which are tried on commitments."""
    assert sent.untried({"lines.amount", "amount"}).startswith("none of its limits was tried (amount, lines.amount)")
    assert "names no limits" in sent.untried(set())
