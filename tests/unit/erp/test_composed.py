"""A mapping whose kind reads and whose ``writes`` takes the documents: the keys of both, and an address for each."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from include.erp import registry
from include.erp.acceptance.running import accept
from include.erp.acceptance.suite import Options
from include.erp.mapping.loading import mapping_path
from include.erp.registry import connected, erp_system, load_mapping
from include.erp.tools.dry import dry
from include.erp.transport import Receipt
from include.financials.billing import InvoiceLine
from include.financials.entities.changes import ChangeLine
from include.financials.exceptions import ConfigurationError
from include.financials.record import Record
from include.provider.hooks.erp import ErpHook
from tests.unit.erp import shelf
from tests.unit.erp.office import Office
from tests.unit.erp.strangers import change, commitment, invoice, item, line, post

DAY = datetime(2026, 9, 2, 6, tzinfo=UTC)
SKIPPED = {
    "company 01 has no closed period of AP",
    "documents go by a way of their own, which the login does not open",
    "the ERP does not keep the lines.tax_code of commitments",
    "the ERP does not keep the tax of subcontractor_invoices",
    "the ERP has no vendor on hold",
    "the mapping has no call for such a document, and refuses it by its field",
}
"""What the acceptance suite does not try, beside what the clerk does not do."""
CODE = {"cost_code": "J-1//03-3000", "cost_type": "M"}


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path / "office", DAY)


def order(number: str = "SC-1", **more: Any) -> Any:
    lines = tuple(line(at, amount, description=f"part {at}", **CODE) for at, amount in ((1, "1000.00"), (2, "-0.50")))
    given = {"project": "J-1", "vendor": "V-1", "lines": lines, "amount": sum(one.amount for one in lines)}
    return commitment(number, **(given | more))


def find(office: Office, *records: Record, handed: str | None = "") -> list[Any]:
    erp = office.system()
    (step,) = erp.steps(records[0].entity, "create")
    return erp.find(step, [replace(item(one), handed=handed) for one in records])


# -- the file


MARKED = "Procore_Marker: marker}\n        - record: JCCI"
FAULTS = (
    ("writes: files", "writes: flies", "writes: 'flies' is no kind of adapter; did you mean 'files'?"),
    ("writes: files", "writes: sql", "writes: 'sql' takes documents only where it reads as well: make it the `kind`"),
    ("kind: sql", "kind: files", "writes: 'files' and 'files' do not go together: both have the key acknowledgements, folders"),
    ("folders: {imports", "folders: {imprts", "folders.imprts: unknown key; did you mean 'imports'?"),
    ("JC_{company}_{run}_{sequence}_{tag}.txt\", format: jc_import", "JC_{tag}.txt\", format: jc_inport",
     "entities.commitments.write.file.format: there is no format 'jc_inport'; did you mean 'jc_import'?"),
    ("{Commitment: number, Type", "{Commitment: numbr, Type",
     "entities.commitments.write.create.1.columns: parameter 'numbr' is not known; did you mean 'number'?"),
    (MARKED, MARKED.replace("marker}", "title}"), "entities.commitments.write.create: nothing in the file holds the marker"),
    ("key_columns: [Data_Folder_Id, Commitment]\n", "key_columns: [Data Folder, Commitment]\n", "is not a column name"),
    ("file_date: {<<: *day, field: change_date}}\n    capabilities:\n", "file_date: {<<: *day, field: change_date}}\n"
     "    capabilities:\n      update: true\n", "commitment_change_orders.capabilities.update: cannot be done by a file"),
)  # fmt: skip


@pytest.mark.parametrize(("old", "new", "fault"), FAULTS)
def test_a_fault_is_named_with_its_place(old: str, new: str, fault: str, tmp_path: Path) -> None:
    text = mapping_path("sage_300_cre").read_text(encoding="utf-8")
    assert text.count(old) == 1, text.count(old)
    path = tmp_path / "own.yaml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_mapping(path)
    assert fault in str(caught.value)


def test_any_kind_may_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Names of the file are the file's: they need not be names where the mapping reads."""
    known = {**registry.kinds(), "shelf": EntryPoint("shelf", "tests.unit.erp.shelf:ADAPTER", registry.GROUP)}
    monkeypatch.setattr(registry, "kinds", lambda: known)
    start, end = shelf.MAPPING.index("      create:"), shelf.MAPPING.index("    parameters:")
    own = (
        "      file: {name: 'c_{tag}.csv'}\n      create:\n"
        "        - {columns: {Order No: number, 'Job #': project, Mark: marker}}\n"
    )
    text = shelf.MAPPING[:start] + own + shelf.MAPPING[end:]
    path = tmp_path / "own.yaml"
    path.write_text(text.replace("system: acme", "system: acme\nwrites: files").replace("update: true, void: true, ", ""))
    for name in ("imports", "sent"):
        (tmp_path / name).mkdir()
    erp = connected("shelf://", load_mapping(path), origin_system="procore:8089", writes=tmp_path)
    (outcome,) = post(erp, commitment("SC-1", project="25-104"))
    (dropped,) = (tmp_path / "imports").iterdir()
    assert (outcome.status, outcome.id) == ("accepted", dropped.name)
    assert dropped.read_text() == "Order No,Job #,Mark\nSC-1,25104,procore:8089:commitments:p-SC-1\n"


def test_each_half_has_an_address(office: Office) -> None:
    with pytest.raises(ConfigurationError, match="documents go to an address of their own \\(files\\), and none is given"):
        erp_system(office.engine.url, "sage_300_cre", origin_system="procore:1")
    with pytest.raises(ConfigurationError, match="the mapping writes where it reads"):
        erp_system(office.engine.url, "sandbox_erp", origin_system="procore:1", writes="/srv/drop")


def test_a_second_connection_is_where_documents_go(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.system()
    mapping = {"mapping": str(office.folder / "sage.yaml")}
    office.run(f"UPDATE replicated SET shown = '{datetime.now(UTC):%Y-%m-%d %H:%M:%S}'")
    for name, schema, extra in (
        ("ERP", f"{office.folder}/replica.sqlite", {**mapping, "writes": "sage_files"}),
        ("LACKING", f"{office.folder}/replica.sqlite", mapping),
        ("SAGE_FILES", str(office.folder), {}),
    ):
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps({"conn_type": "procore_erp", "schema": schema, "extra": extra}))
    ok, told = ErpHook("erp").test_connection()
    assert ok and f"documents to {office.folder}" in told, told
    ok, told = ErpHook("lacking").test_connection()
    assert not ok and "Connection lacking: its extra lacks writes, the id of the connection by which documents go" in told


# -- both halves


def test_what_is_missing_in_either_half_is_told(office: Office) -> None:
    assert office.system().check().problems == ()
    (office.folder / "journals").rmdir()
    office.run("DROP TABLE JCM_MASTER__EXTRA")
    problems = office.system().check().problems
    assert len(problems) == 2
    assert "entities.sub_jobs.from" in problems[0] and "there is no folder journals" in problems[1]


def test_what_is_read_reads_well(office: Office) -> None:
    erp = office.system()
    found = {name: [one for page in erp.read(name) for one in page.shown] for name in erp.capabilities()}
    assert {name: [one.id for one in records] for name, records in found.items() if records} == {
        "vendors": ["V-1"], "projects": ["J-1"], "cost_types": ["L", "M"], "cost_codes": ["J-1//03-3000"], "direct_costs": ["88"],
    }  # fmt: skip


def test_documents_go_out_by_file_and_come_back_from_the_replica(office: Office) -> None:
    first, second = order(), order("SC-2")
    outcomes = post(office.system(), first, second)
    (name,) = office.waiting()
    assert [(one.status, one.id) for one in outcomes] == [("accepted", name)] * 2
    assert [one.status for one in post(office.system(), first, second)] == ["accepted"] * 2 and office.waiting() == [name]
    office.take()
    assert [(one.status, one.id) for one in find(office, first, second)] == [("accepted", name)] * 2
    office.refresh()
    assert [(one.status, one.id, one.message) for one in find(office, first, second)] == [
        ("confirmed", "SC-1", None), ("confirmed", "SC-2", None),
    ]  # fmt: skip
    assert [one.status for one in post(office.system(), first, second)] == ["confirmed"] * 2 and office.waiting() == []
    held, gross = Decimal("10.00"), Decimal("300.00")
    sent: list[tuple[Any, str]] = [
        (change(project="J-1", lines=(line(1, "10.00", ChangeLine, line=1, **CODE),), amount=Decimal("10.00")), "SC-1/001"),
        (
            invoice(
                project="J-1", vendor="V-1", posting_date=DAY.date(), amount=gross, held=held,
                lines=(line(1, "300.00", InvoiceLine, line=1, held=held, **CODE),),
            ),
            "V-1/INV-1",
        ),
    ]  # fmt: skip
    for record, ident in sent:
        assert post(office.system(), record)[0].status == "accepted"
        office.take()
        office.refresh()
        assert [(one.status, one.id, one.message) for one in find(office, record)] == [("confirmed", ident, None)]
    assert len(office.imported) == len(set(office.imported)) == 4


def test_an_acknowledgement_with_an_id_is_no_proof_of_the_books(office: Office) -> None:
    sent = order()
    erp: Any = office.system()
    (waits,) = post(erp, sent)
    (step,) = erp.steps("commitments", "create")
    acknowledged = [Receipt("intent-p-SC-1", "done", "SC-1")]
    erp.transport.outbox.settle = lambda entity, handed, shown: acknowledged
    (found,) = erp.find(step, [replace(item(sent), handed=waits.id)])
    assert (found.status, found.id) == ("accepted", waits.id)
    office.take()
    office.refresh()
    assert [(one.status, one.id) for one in erp.find(step, [replace(item(sent), handed=waits.id)])] == [("confirmed", "SC-1")]


def test_a_twin_in_the_replica_is_found_before_anything_is_sent(office: Office) -> None:
    sent = order()
    post(office.system(), sent)
    office.take()
    office.refresh()
    for path in (office.folder / "procore-sent").iterdir():
        path.unlink()
    assert post(office.system(), sent)[0].status == "confirmed" and office.waiting() == []


@pytest.mark.parametrize(("hours", "said"), [(27, "27 hours ago, and may be 26 hours old"), (-25, "which is yet to come")])
def test_a_replica_that_stands_still_says_nothing(office: Office, hours: int, said: str) -> None:
    erp = office.system()
    office.shown += timedelta(hours=hours)
    (step,) = erp.steps("commitments", "create")
    for ask in (lambda: list(erp.read("vendors")), lambda: post(erp, order()), lambda: erp.find(step, [item(order())])):
        with pytest.raises(ConfigurationError, match=said):
            ask()
    assert office.waiting() == []


def test_nothing_is_sent_to_see_what_would_be(office: Office) -> None:
    office.system()
    office.run(f"UPDATE replicated SET shown = '{datetime.now(UTC):%Y-%m-%d %H:%M:%S}'")
    told = list(dry(Options(str(office.folder / "sage.yaml"), office.engine.url, writes=office.folder), "commitments", None))
    assert told[-1] == "  not sent: an ERP of kind files cannot undo" and office.waiting() == []
    assert '"cost_code__Job": "J-1"' in "".join(told)


def test_the_acceptance_suite_passes_with_a_clerk_who_imports_every_night(office: Office) -> None:
    def clerk(action: str, _: Any) -> None:
        if action != "post":
            raise LookupError("people do that in the ERP")
        office.take()
        office.refresh()
        office.run("UPDATE APM_MASTER__INVOICE SET Status = 'Posted'")

    office.system()
    office.refresh(datetime.now(UTC))
    post(office.system(), order("SC-0"))
    clerk("post", None)
    path = str(office.folder / "sage.yaml")
    options = Options(path, office.engine.url, allow_writes=True, clerk=clerk, writes=office.folder)
    result = accept(options)
    assert [(one.entity, one.label, one.told) for one in result.checks if one.verdict == "failed"] == []
    assert {
        one.told for one in result.checks if one.verdict == "skipped" and not one.told.startswith("the clerk does not")
    } == SKIPPED
    assert sum(one.verdict == "passed" for one in result.checks) >= 60
    assert len(office.imported) == len(set(office.imported)), "nothing was imported twice"
