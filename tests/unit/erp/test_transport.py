"""The mapper on a transport without transactions: what it sends, what it looks for, and what it says of each answer."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from include.erp import registry
from include.erp.mapping.loading import read_mapping
from include.erp.system import MappedSystem
from include.erp.transport import Document, Receipt
from include.financials.exceptions import ConfigurationError, OutcomeUnknown, RetryLater
from include.financials.port import Item, Outcome
from tests.unit.erp.shelf import MAPPING, Shelf, ShelfMapping, shelf
from tests.unit.erp.strangers import commitment, item, post

Erp = tuple[MappedSystem, Shelf]


@pytest.fixture
def erp(tmp_path: Path) -> Erp:
    return shelf(tmp_path)


def order(number: str = "SC-1", **more: Any) -> Any:
    return commitment(number, **({"project": "25-104", "contract_date": None} | more))


def find(system: MappedSystem, *items: Item, action: Any = "create") -> list[Outcome]:
    (step,) = system.steps("commitments", action)
    return system.find(step, items)


# -- rows and records


def test_paths_and_masks_in_both_directions(erp: Erp) -> None:
    system, on = erp
    (outcome,) = post(system, order())
    assert (outcome.status, outcome.id, outcome.message) == ("confirmed", "SC-1", None)
    (document,) = on.documents
    assert (document["Job"], document["Vendor.Code"], document["Total"]) == ("25104", "V1", Decimal("1500.50"))
    assert [line["Code"] for line in document["Details"]] == ["03-1000", "03-2000"]
    (record,) = next(system.read("commitments", scopes=["25-104"])).records
    assert (record.id, getattr(record, "project", None), len(getattr(record, "lines", ()))) == ("SC-1", "25-104", 2)
    assert [page.records for page in system.read("commitments", scopes=["25-105", "none"])] == [[]]
    ((page,)) = list(system.read_ids("commitments", [("25-104", "SC-1"), ("25-105", "SC-1"), (None, "SC-2")]))
    assert [one.id for one in page.records] == ["SC-1"]


def test_a_value_that_does_not_fill_its_mask_is_its_records_fault(erp: Erp) -> None:
    system, on = erp
    post(system, order("SC-1"), order("SC-2"))
    on.documents[0]["Job"] = "2510"
    page = next(system.read("commitments"))
    assert [one.id for one in page.records] == ["SC-2"]
    assert [(one.id, one.field) for one in page.invalid] == [("SC-1", "project")]
    assert "does not fill the mask ##-###" in page.invalid[0].message
    (refused,) = post(system, order("SC-3", project="25104"))
    assert (refused.status, refused.field) == ("rejected", "project")
    assert on.sent == ["SC-1", "SC-2"]


def test_pages_go_on_at_their_cursor(erp: Erp) -> None:
    system, _ = erp
    post(system, *(order(f"SC-{n}") for n in range(5)))
    pages = list(system.read("commitments"))
    assert [len(page.records) for page in pages] == [2, 2, 1] and pages[-1].cursor is None
    rest = [one.id for page in system.read("commitments", cursor=pages[0].cursor) for one in page.records]
    assert rest == ["SC-2", "SC-3", "SC-4"] and list(system.keys("commitments")) == [f"SC-{n}" for n in range(5)]


def test_a_call_is_made_of_the_records_that_it_is_for(erp: Erp) -> None:
    system, on = erp
    (refused,) = post(system, order(title="a title that is too long for the ERP"))
    assert (refused.field, on.sent) == ("title", [])
    post(system, order("PO-1", kind="purchase_order", title="a title that is not sent", lines=()))
    assert on.documents[0]["Type"] == "PO" and "Title" not in on.documents[0]


# -- what was sent, and what is stored


def test_what_is_there_is_not_sent_again(erp: Erp) -> None:
    system, on = erp
    post(system, order())
    (again,) = post(system, order())
    assert (again.status, again.id, on.sent) == ("confirmed", "SC-1", ["SC-1"])
    assert find(system, item(order()))[0].status == "confirmed"
    assert find(system, item(order("SC-2")))[0].status == "absent"


def test_what_is_stored_otherwise_is_told_and_not_sent_again(erp: Erp) -> None:
    system, on = erp

    def halved(document: Document, made: dict[str, Any]) -> Receipt:
        made["Details"][1]["Amount"] = Decimal("250.25")
        return on.done(document, made)

    on.answer = halved
    (outcome,) = post(system, order())
    assert (outcome.status, outcome.id, outcome.field) == ("confirmed", "SC-1", "lines[2].amount")
    assert outcome.message == "SC-1: lines[2].amount was sent as 500.50, and the ERP stored 250.25. It is written so"
    post(system, order())
    assert on.sent == ["SC-1"]


def test_what_is_done_and_cannot_be_found_is_told(erp: Erp) -> None:
    system, on = erp
    on.answer = lambda document, made: Receipt(document.intent, "done", "4711")
    (outcome,) = post(system, order())
    assert (outcome.status, outcome.id, outcome.field) == ("confirmed", "4711", "marker")
    assert "cannot be read back by its marker" in (outcome.message or "")


def test_an_update_and_a_void_are_looked_at(erp: Erp) -> None:
    system, on = erp
    post(system, order())
    (step,) = system.steps("commitments", "update")
    changed = item(order(title="New"), changes=("title",), erp_key="SC-1")
    assert find(system, changed, action="update")[0].status == "absent"
    assert system.post(step, [changed])[0].status == "confirmed" and on.documents[0]["Title"] == "New"
    assert find(system, changed, action="update")[0].status == "confirmed"
    (missing,) = system.post(step, [replace(changed, erp_key="SC-9")])
    assert (missing.status, missing.message) == ("rejected", "SC-1: the ERP has no such record to update in company 01.")
    voided = item(order(), erp_key="SC-1")
    (step,) = system.steps("commitments", "void")
    assert system.post(step, [voided])[0].status == "confirmed" and on.documents[0]["Status"] == "Void"


# -- answers


def test_a_refusal_is_its_documents_own(erp: Erp) -> None:
    system, on = erp
    on.answer = lambda document, made: (
        document.refused("VENDOR_HOLD: no", "vendor") if document.number == "SC-2" else on.done(document, made)
    )
    outcomes = post(system, *(order(f"SC-{n}") for n in (1, 2, 3)))
    assert [(one.status, one.field) for one in outcomes] == [("confirmed", None), ("rejected", "vendor"), ("confirmed", None)]
    assert outcomes[1].message == "VENDOR_HOLD: no"


def test_nobody_knows(erp: Erp) -> None:
    system, on = erp
    on.answer = lambda document, made: Receipt(document.intent, "unknown", message="timed out")
    with pytest.raises(OutcomeUnknown, match="did not confirm what was sent of commitments: timed out"):
        post(system, order())


@pytest.mark.parametrize(("busy", "raised", "sent"), [("SC-1", RetryLater, ["SC-1"]), ("SC-2", OutcomeUnknown, ["SC-1", "SC-2"])])
def test_later_is_said_only_where_nothing_was_applied(erp: Erp, busy: str, raised: type[Exception], sent: list[str]) -> None:
    system, on = erp

    def later(document: Document, made: dict[str, Any]) -> Receipt:
        if document.number == busy:
            raise RetryLater("busy")
        return on.done(document, made)

    on.answer = later
    with pytest.raises(raised, match="busy"):
        post(system, order("SC-1"), order("SC-2"), order("SC-3"))
    assert on.sent == sent
    on.answer = on.done
    assert [one.status for one in post(system, order("SC-1"), order("SC-2"), order("SC-3"))] == ["confirmed"] * 3
    assert len(on.documents) == 3


def test_an_erp_that_is_away_after_the_call_is_no_proof_that_nothing_was_applied(
    erp: Erp, monkeypatch: pytest.MonkeyPatch
) -> None:
    system, on = erp
    lookup, looks = on.lookup, []

    def away(*given: Any, **asked: Any) -> Any:
        looks.append(asked)
        if len(looks) == 2:
            raise RetryLater("gone home")
        return lookup(*given, **asked)

    monkeypatch.setattr(on, "lookup", away)
    with pytest.raises(OutcomeUnknown, match="could not be read back: gone home"):
        post(system, order())
    assert post(system, order())[0].status == "confirmed" and on.sent == ["SC-1"]


def test_the_same_marker_twice_in_a_call_is_one_document(erp: Erp) -> None:
    system, on = erp
    (step,) = system.steps("commitments", "create")
    outcomes = system.post(step, [item(order()), replace(item(order()), intent="twin"), item(order("SC-2"))])
    assert [(one.intent, one.status, one.id) for one in outcomes] == [
        ("intent-p-SC-1", "confirmed", "SC-1"), ("twin", "confirmed", "SC-1"), ("intent-p-SC-2", "confirmed", "SC-2"),
    ]  # fmt: skip
    assert on.sent == ["SC-1", "SC-2"]


# -- accepted


def waits(on: Shelf) -> Any:
    def accepted(document: Document, made: dict[str, Any]) -> Receipt:
        on.documents.append(made | {"Status": "Hold"})
        return Receipt(document.intent, "accepted", token="batch 7")

    return accepted


def test_what_waits_is_accepted_and_shows_in_no_list(erp: Erp) -> None:
    system, on = erp
    on.answer = waits(on)
    (outcome,) = post(system, order())
    assert (outcome.status, outcome.id, outcome.record) == ("accepted", "batch 7", None)
    assert [page.records for page in system.read("commitments")] == [[]] and list(system.keys("commitments")) == []
    assert [page.records for page in system.read_ids("commitments", [(None, "SC-1")])] == [[]]
    assert find(system, item(order()))[0].status == "accepted"
    assert post(system, order())[0].status == "accepted" and on.sent == ["SC-1"]


def test_what_was_accepted_is_settled(erp: Erp) -> None:
    system, on = erp
    on.answer = waits(on)
    post(system, order())
    handed = replace(item(order()), handed="batch 7")
    assert find(system, handed)[0].status == "accepted"
    assert [(one.marker, one.token) for one in on.asked] == [("procore:8089:commitments:p-SC-1", "batch 7")]
    on.documents[0]["Problem"] = "CLOSED: the period is closed"
    (refused,) = find(system, handed)
    assert (refused.status, refused.message) == ("rejected", "CLOSED: the period is closed")
    on.answer = on.done
    (again,) = post(system, order())
    assert again.status == "confirmed", "what was refused afterwards may be sent again; the row that says so is no twin"
    on.documents[:] = [one | {"Status": "Open"} for one in on.documents[1:]]
    assert find(system, handed)[0].status == "confirmed" and len(on.asked) == 1
    on.documents.clear()
    assert find(system, handed)[0].status == "absent", "nowhere any more: a person is asked"
    on.settled = lambda one: Receipt(one.intent, "refused", message="REJECTED by J. Doe")
    assert (find(system, handed)[0].status, find(system, handed)[0].message) == ("rejected", "REJECTED by J. Doe")


def test_a_change_that_waits_is_no_difference(erp: Erp) -> None:
    system, on = erp
    post(system, order())
    (step,) = system.steps("commitments", "update")
    changed = item(order(title="New"), changes=("title",), erp_key="SC-1")
    on.approvals, on.settled = True, lambda one: Receipt(one.intent, "accepted", token="approval 4")
    (outcome,) = system.post(step, [changed])
    assert (outcome.status, outcome.id, outcome.field) == ("accepted", "approval 3", None)
    handed = replace(changed, handed="approval 3")
    assert [(one.status, one.id) for one in find(system, handed, action="update")] == [("accepted", "approval 4")]
    on.documents[0]["Title"] = "New"
    assert find(system, handed, action="update")[0].status == "confirmed"
    assert system.post(step, [changed])[0].status == "confirmed", "it was approved while it was sent"


def test_a_document_stands_before_what_it_was_posted_from(erp: Erp) -> None:
    system, on = erp
    on.answer = waits(on)
    post(system, order())
    for both in ([0, 1], [1, 0]):
        rows = [on.documents[0], on.documents[0] | {"Status": "Open", "Order.Nbr": "4711"}]
        on.documents[:] = [rows[place] for place in both]
        (found,) = find(system, item(order()))
        assert (found.status, found.id) == ("confirmed", "4711")
        on.documents[:] = rows[:1]
    on.documents.append(dict(on.documents[0]))
    assert find(system, item(order()))[0].status == "accepted", "waiting twice is waiting"


# -- the file


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("company: Branch", "company: Bra nch", "entities.commitments.company: 'Bra nch' is no path of names"),
        ("Title: title, Total", "Title: titel, Total", "parameter :titel is not known; did you mean 'title'?"),
        ("if: {kind: subcontract}", "if: {knd: subcontract}", "create.1.if.knd: is no canonical field; did you mean 'kind'?"),
        ("if: {kind: subcontract}", "if: {kind: [SC]}", "'SC' does not fit the canonical field"),
        ('masks: {Job: "##-###"}', 'masks: {Jb: "##-###"}', "masks.Jb: is no name that the entity reads; did you mean 'Job'?"),
        ('masks: {Job: "##-###"}', "masks: {Job: none}", "masks.Job: String should match pattern '#'"),
        ("system: acme", "system: acme\nsees: no.such:thing", "sees: 'no.such:thing' cannot be imported: No module named 'no'"),
        ("system: acme", "system: acme\nsees: os.path:nothing", "sees: 'os.path:nothing' is no function"),
        ("find: {marker: Note, void: {status: void}}\n", "\n", "is required with `accepted`"),
    ],
)  # fmt: skip
def test_faults_are_found_when_the_file_is_loaded(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "shelf.yaml"
    assert MAPPING.count(old) == 1
    path.write_text(MAPPING.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        read_mapping(path, ShelfMapping)
    assert said in str(refused.value), refused.value


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("sqk", r"x\.yaml:1: kind: 'sqk' is no kind of adapter; did you mean 'sql'\? Allowed: .*sql"),
        ("broken", "the adapter 'broken' cannot be loaded: No module named 'no_such_package'. Install what it needs"),
        ("odd", r"tests\.unit\.erp\.shelf:MAPPING, the adapter 'odd', is no include\.erp\.transport\.Adapter"),
    ],
)
def test_an_adapter_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, kind: str, said: str) -> None:
    more = {"broken": "no_such_package.adapter:ADAPTER", "odd": "tests.unit.erp.shelf:MAPPING"}
    known = {**registry.kinds(), **{name: EntryPoint(name, value, registry.GROUP) for name, value in more.items()}}
    monkeypatch.setattr(registry, "kinds", lambda: known)
    with pytest.raises(ConfigurationError, match=said):
        registry.adapter(kind, "x.yaml:1: kind")


def test_an_environment_without_adapters_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "kinds", dict)
    with pytest.raises(ConfigurationError, match=r"none is installed: run scripts/setup_env\.py"):
        registry.adapter("sql", "x.yaml:1: kind")
