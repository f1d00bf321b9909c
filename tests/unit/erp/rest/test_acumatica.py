"""The shipped mapping for Acumatica on a stand-in of its public API: what the port promises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from include.erp.mapping.loading import mapping_path
from include.erp.registry import connected, load_mapping
from include.erp.system import MappedSystem
from include.financials.billing import InvoiceLine
from include.financials.entities.invoices import SubcontractorInvoice
from include.financials.exceptions import ConfigurationError, LeaseLost, OutcomeUnknown, RetryLater
from include.financials.port import Item, Outcome, Window
from include.financials.record import Line
from tests.unit.erp.rest.acumatica import FIELDS, Acumatica
from tests.unit.erp.rest.standin import Fault, body_of
from tests.unit.erp.strangers import commitment, item

Erp = tuple[MappedSystem, Acumatica]


def system_on(standin: Acumatica, password: str | None = None, **options: Any) -> MappedSystem:
    secret = quote(standin.password if password is None else password, safe="")
    return connected(
        f"http://{standin.login}:{secret}@127.0.0.1/site",
        load_mapping(mapping_path("acumatica")),
        origin_system="procore:8089",
        wire=httpx.MockTransport(standin),
        pause=lambda _: None,
        **options,
    )


@pytest.fixture
def erp() -> Iterator[Erp]:
    standin = Acumatica()
    system = system_on(standin)
    yield system, standin
    system.close()


@pytest.fixture
def releasing() -> Iterator[Erp]:
    """An installation that releases what it enters."""
    standin = Acumatica()
    system = system_on(standin, settings={"commitments": "released", "bills": "released"})
    yield system, standin
    system.close()


def line(position: int, amount: str, code: str = "03-1000", **more: Any) -> Line:
    return Line(
        id=str(position), position=position, description=f"Line {position}", cost_code=f"25-104/01/{code}", sub_job="01",
        cost_type="SUBCONTRACT", amount=Decimal(amount), **more,
    )  # fmt: skip


def order(number: str = "SC-1", **more: Any) -> Any:
    given = {
        "project": "25-104", "vendor": "V1", "company": "MAIN", "contract_date": date(2026, 9, 1), "currency": "USD",
        "lines": (line(1, "1000.00"), line(2, "500.50", "03-2000")), "amount": Decimal("1500.50"),
    }  # fmt: skip
    return commitment(number, **(given | more))


def bill(number: str = "INV-1", **more: Any) -> SubcontractorInvoice:
    given: dict[str, Any] = {
        "id": f"p-{number}", "company": "MAIN", "number": number, "project": "25-104", "vendor": "V1", "commitment": "SC-1",
        "sequence": 1, "status": "Approved", "currency": "USD", "billing_date": date(2026, 9, 30), "amount": Decimal("800.00"),
        "held": Decimal("80.00"),
        "lines": (
            InvoiceLine(
                id="1", position=1, line=1, cost_code="25-104/01/03-1000", cost_type="SUBCONTRACT", amount=Decimal("800.00"),
                held=Decimal("80.00"),
            ),
        ),
    }  # fmt: skip
    return SubcontractorInvoice(**(given | more))


def of(record: Any, **more: Any) -> Item:
    return replace(item(record), company="MAIN", **more)


def post(system: MappedSystem, *items: Item, action: Any = "create") -> list[Outcome]:
    (step,) = system.steps(items[0].record.entity, action)
    return system.post(step, items)


def find(system: MappedSystem, *items: Item, action: Any = "create") -> list[Outcome]:
    (step,) = system.steps(items[0].record.entity, action)
    return system.find(step, items)


def everything(system: MappedSystem, entity: str, **more: Any) -> list[str]:
    pages = list(system.read(entity, **more))
    assert all(not page.invalid for page in pages), [one.message for page in pages for one in page.invalid]
    return [one.id for page in pages for one in page.records]


# -- reading


def test_the_mapping_fits_the_service(erp: Erp) -> None:
    system, _ = erp
    health = system.check()
    assert health.problems == () and health.now == datetime(2026, 9, 1, 12, 0, 2, tzinfo=UTC)
    assert "p@ss" not in health.description and "sync" in health.description


def test_a_field_that_the_service_does_not_have_is_found_by_check(erp: Erp, monkeypatch: pytest.MonkeyPatch) -> None:
    system, _ = erp
    monkeypatch.setitem(FIELDS, "Bill", FIELDS["Bill"] - {"ProcoreMarker"})
    (problem,) = system.check().problems
    assert "subcontractor_invoices.from.ask.marker: cannot be asked" in problem and "ProcoreMarker" in problem


def test_master_data(erp: Erp) -> None:
    system, _ = erp
    assert everything(system, "vendors") == ["V1", "V2"]
    assert [(one.hold, one.active) for one in next(system.read("vendors")).records] == [("none", True), ("all", True)]  # type: ignore[attr-defined]
    assert everything(system, "projects") == ["25-104", "25-105"]
    assert everything(system, "cost_codes", scopes=["25-105"]) == ["25-105/01/03-1000", "25-105/01/03-2000"]
    (found,) = list(system.read_ids("cost_codes", [("25-104", "25-104/01/03-2000"), ("25-104", "25-104/01/none")]))
    assert [one.id for one in found.records] == ["25-104/01/03-2000"]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_pages_of_every_size_give_the_same(releasing: Erp, size: int) -> None:
    system, _ = releasing
    orders = [order(f"SC-{n}") for n in range(7)] + [order(f"PO-{n}", kind="purchase_order") for n in range(4)]
    post(system, *map(of, orders))
    system.page_size = size
    expected = [one.number for one in orders]
    assert everything(system, "commitments") == expected == list(system.keys("commitments"))
    first = next(system.read("commitments"))
    rest = [one.id for page in system.read("commitments", cursor=first.cursor) for one in page.records]
    assert [one.id for one in first.records] + rest == expected


def test_a_record_that_goes_away_between_two_pages_takes_no_other_with_it(releasing: Erp) -> None:
    system, standin = releasing
    post(system, *(of(order(f"SC-{n}")) for n in range(7)))
    pages = system.read("commitments")
    seen = [one.id for one in next(pages).records]
    del standin.records["Subcontract"][0]
    seen += [one.id for page in pages for one in page.records]
    assert set(seen) == {f"SC-{n}" for n in range(7)}


def test_a_window_and_projects(releasing: Erp) -> None:
    system, standin = releasing
    post(system, of(order("SC-1")))
    standin.time = datetime(2026, 9, 2, tzinfo=UTC)
    post(system, of(order("SC-2")), of(order("SC-3", kind="purchase_order")))
    since = Window(datetime(2026, 9, 2, tzinfo=UTC), None)
    assert everything(system, "commitments", window=since) == ["SC-2", "SC-3"]
    assert everything(system, "commitments", scopes=["25-104"]) == ["SC-1", "SC-2", "SC-3"]
    assert everything(system, "commitments", scopes=["25-105", "it's"]) == []


def test_a_list_that_leaves_its_lines_out_is_no_document_without_lines(releasing: Erp, monkeypatch: pytest.MonkeyPatch) -> None:
    system, standin = releasing
    post(system, of(order()))
    shown = Acumatica._shown
    monkeypatch.setattr(standin, "_shown", lambda record, expand: shown(record, ""))
    (page, _) = list(system.read("commitments"))[:2]
    assert [(one.id, one.field) for one in page.invalid] == [("SC-1", "lines")] and page.records == []


# -- writing


def test_what_is_entered_waits_and_is_read_once_it_is_released(erp: Erp) -> None:
    system, standin = erp
    (outcome,) = post(system, of(order()))
    assert (outcome.status, outcome.message) == ("accepted", None)
    assert everything(system, "commitments") == []
    handed = of(order(), handed="")
    assert find(system, handed)[0].status == "accepted" == post(system, of(order()))[0].status
    assert len(standin.sent("PUT", "/Subcontract$")) == 1
    standin.records["Subcontract"][0]["Status"] = "Open"
    (settled,) = find(system, handed)
    assert (settled.status, settled.id) == ("confirmed", "SC-1")


def test_a_document_as_it_was_sent(releasing: Erp) -> None:
    system, standin = releasing
    (outcome,) = post(system, of(order()))
    assert (outcome.status, outcome.id, outcome.message) == ("confirmed", "SC-1", None)
    (record,) = next(system.read("commitments")).records
    assert (record.amount, [one.amount for one in record.lines]) == (Decimal("1500.50"), [Decimal("1000.00"), Decimal("500.50")])  # type: ignore[attr-defined]
    assert record.lines[1].cost_code == "25-104/01/03-2000" and record.marker == "procore:8089:commitments:p-SC-1"  # type: ignore[attr-defined]
    assert standin.records["Subcontract"][0]["Status"] == "Open"
    assert b'"ExtendedCost":{"value":500.50}' in standin.sent("PUT", "/Subcontract$")[0].content, "digit by digit, no float"


def test_the_same_again_is_one_document(releasing: Erp) -> None:
    system, standin = releasing
    post(system, of(bill()))
    (again,) = post(system, of(bill()))
    assert again.status == "confirmed" and len(standin.records["Bill"]) == 1
    assert find(system, of(bill()))[0].id == "000001"


def test_every_list_of_an_entity_is_looked_at(releasing: Erp) -> None:
    system, standin = releasing
    post(system, of(order("PO-1", kind="purchase_order")))
    assert post(system, of(order("PO-1", kind="purchase_order")))[0].status == "confirmed"
    assert len(standin.sent("PUT", "/PurchaseOrder$")) == 1


def test_without_the_look_there_would_be_two(releasing: Erp) -> None:
    """The stand-in makes a second bill of the same request: what keeps it from that is our look, not the server."""
    system, standin = releasing
    standin.rules = False
    post(system, of(bill()))
    request = standin.sent("PUT", "/Bill$")[0]
    standin(request)
    assert len(standin.records["Bill"]) == 2
    standin.records["Bill"][1]["Status"] = "Open"
    assert "more than one" in (find(system, of(bill()))[0].message or "")


@pytest.mark.parametrize("how", [503, 500, 504, httpx.ReadTimeout, httpx.RemoteProtocolError])
def test_nobody_knows_and_it_is_found(releasing: Erp, how: Any) -> None:
    system, standin = releasing
    standin.faults.append(Fault("PUT", "/Bill$", "after", how, {"Retry-After": "1"} if how == 503 else {}))
    with pytest.raises(OutcomeUnknown):
        post(system, of(bill()))
    (found,) = find(system, of(bill()))
    assert (found.status, len(standin.records["Bill"])) == ("accepted", 1), "entered, and its release was never asked for"
    assert post(system, of(bill()))[0].status == "accepted" and len(standin.records["Bill"]) == 1


def test_a_late_effect_is_found_before_it_is_sent_again(releasing: Erp) -> None:
    system, standin = releasing
    standin.faults.append(Fault("PUT", "/Subcontract$", "late", 504))
    with pytest.raises(OutcomeUnknown):
        post(system, of(order()))
    assert find(system, of(order()))[0].status == "absent"
    standin.arrive()
    assert find(system, of(order()))[0].status == "accepted"
    post(system, of(order()))
    assert len(standin.records["Subcontract"]) == 1


@pytest.mark.parametrize("how", [503, httpx.ReadTimeout])
def test_nobody_knows_and_it_is_not_there(releasing: Erp, how: Any) -> None:
    system, standin = releasing
    standin.faults.append(Fault("PUT", "/Bill$", "before", how))
    with pytest.raises(OutcomeUnknown):
        post(system, of(bill()))
    assert find(system, of(bill()))[0].status == "absent"
    assert post(system, of(bill()))[0].status == "confirmed" and len(standin.records["Bill"]) == 1


def test_killed_between_the_document_and_its_release(releasing: Erp) -> None:
    system, standin = releasing
    (step,) = system.steps("subcontractor_invoices", "create")
    beats = iter([None])

    def beat() -> None:
        if next(beats, "killed") == "killed":
            raise LeaseLost("another task took over")

    with pytest.raises(LeaseLost):
        system.post(step, [of(bill())], beat)
    assert [one["Status"] for one in standin.records["Bill"]] == ["Balanced"]
    assert find(system, of(bill()))[0].status == "accepted" == post(system, of(bill()))[0].status
    assert len(standin.records["Bill"]) == 1, "a person releases it; it is never sent again"


def test_two_companies_do_not_mix(releasing: Erp) -> None:
    system, _ = releasing
    post(system, of(order()))
    elsewhere = replace(of(order(title="New"), changes=("title",), erp_key="SC-1"), company="OTHER")
    (outcome,) = post(system, elsewhere, action="update")
    assert outcome.message == "SC-1: the ERP has no such record to update in company OTHER."


def test_what_never_went_out_may_be_sent_again(releasing: Erp) -> None:
    system, standin = releasing
    standin.faults.append(Fault("PUT", "/Bill$", "before", httpx.ConnectError))
    with pytest.raises(RetryLater):
        post(system, of(bill()))
    assert post(system, of(bill()))[0].status == "confirmed"


def test_a_limit_is_a_wait(releasing: Erp) -> None:
    system, standin = releasing
    standin.faults.append(Fault("PUT", "/Bill$", "before", 429, {"Retry-After": "17"}))
    with pytest.raises(RetryLater) as later:
        post(system, of(bill()))
    assert later.value.seconds == 17 and standin.records["Bill"] == []
    standin.faults.append(Fault("GET", "/Bill$", "before", 429, {"Retry-After": "9"}))
    with pytest.raises(RetryLater) as reading:
        list(system.read("subcontractor_invoices"))
    assert reading.value.seconds == 9
    standin.faults.append(Fault("GET", "/Bill$", "before", 503))
    assert list(system.read("subcontractor_invoices")), "a read is tried again at once where the ERP names no time"


def test_one_bad_among_good(releasing: Erp) -> None:
    system, standin = releasing
    outcomes = post(system, of(bill("A")), of(bill("B", vendor="V2")), of(bill("C")))
    assert [(one.status, one.field) for one in outcomes] == [("confirmed", None), ("rejected", "vendor"), ("confirmed", None)]
    assert "VENDOR" not in (outcomes[1].message or "") and outcomes[1].message == "B: Vendor: The vendor status is 'On Hold'."
    assert [one["VendorRef"] for one in standin.records["Bill"]] == ["A", "C"]


def test_a_number_that_is_taken_is_refused_and_nothing_is_overwritten(releasing: Erp) -> None:
    system, standin = releasing
    standin.put("Subcontract", SubcontractNbr="SC-1", Status="Open", VendorID="V1", Branch="MAIN", Project="25-104", Details=[],
                SubcontractTotal=Decimal("7.00"))  # fmt: skip
    (outcome,) = post(system, of(order()))
    assert outcome.status == "rejected" and "is there already" in (outcome.message or "")
    assert standin.records["Subcontract"][0]["SubcontractTotal"] == Decimal("7.00")
    standin.rules = True
    post(system, of(bill()))
    (twice,) = post(system, of(bill(), procore_id="another"))
    assert (twice.status, twice.field) == ("rejected", "number")


def test_a_release_that_fails_leaves_the_document_accepted(releasing: Erp) -> None:
    system, standin = releasing
    standin.faults.append(Fault("POST", "/ReleaseBill$", "before", 422))
    (outcome,) = post(system, of(bill()))
    assert outcome.status == "accepted" and outcome.message == "INV-1: it is entered, and not released: on demand"
    assert len(standin.records["Bill"]) == 1 and find(system, of(bill()))[0].status == "accepted"


def test_a_release_that_takes_long_is_asked_for_in_the_next_run(releasing: Erp) -> None:
    system, standin = releasing
    standin.slow = 100
    (outcome,) = post(system, of(bill()))
    assert outcome.status == "confirmed", "its row says that it is released, whatever the operation says"
    standin.records["Bill"][0]["Status"] = "Balanced"
    token = next(iter(standin.running))
    place = f"http://127.0.0.1/site/entity/ProcoreSync/26.200.001/Bill/ReleaseBill/status/{token}"
    assert find(system, of(bill(), handed=place))[0].status == "accepted"
    standin.running[token] = 0
    standin.records["Bill"][0]["Status"] = "Open"
    assert find(system, of(bill(), handed=place))[0].status == "confirmed"


def test_an_update_and_a_void(releasing: Erp) -> None:
    system, standin = releasing
    post(system, of(order()), of(order("PO-1", kind="purchase_order")))
    for number, kind in (("SC-1", "subcontract"), ("PO-1", "purchase_order")):
        changed = of(order(number, kind=kind, title="New"), changes=("title",), erp_key=number)
        assert find(system, changed, action="update")[0].status == "absent"
        assert post(system, changed, action="update")[0].message is None
        assert find(system, changed, action="update")[0].status == "confirmed"
    voided = of(order(), erp_key="SC-1")
    assert find(system, voided, action="void")[0].status == "absent"
    assert post(system, voided, action="void")[0].status == "confirmed"
    assert standin.records["Subcontract"][0]["Status"] == "Canceled" and standin.records["PurchaseOrder"][0]["Status"] == "Open"
    assert find(system, voided, action="void")[0].status == "confirmed"
    (gone,) = post(system, of(order("SC-9"), erp_key="SC-9"), action="void")
    assert gone.message == "SC-9: the ERP has no such record to void in company MAIN."


@pytest.mark.parametrize(
    "title", ["O'Brien's ' or 1 eq 1", 'Zoë "quoted" {number} :amount', "tab\tand €", "' or ProcoreMarker ne '"]
)
def test_hostile_values_are_values(releasing: Erp, title: str) -> None:
    system, standin = releasing
    (outcome,) = post(system, of(order(title=title), procore_id=title))
    assert (outcome.status, outcome.message) == ("confirmed", None)
    assert standin.records["Subcontract"][0]["Description"] == title
    assert find(system, of(order(), procore_id=title))[0].id == "SC-1"
    assert find(system, of(order(), procore_id=title + "'"))[0].status == "absent"


def test_what_a_bill_cannot_say_is_not_sent(releasing: Erp) -> None:
    system, standin = releasing
    (outcome,) = post(system, of(bill(released=Decimal("5.00"))))
    assert outcome.status == "rejected" and "none of the mapping's requests" in (outcome.message or "")
    assert standin.records["Bill"] == []


# -- the session


def test_a_session_that_ended_is_renewed_and_every_one_is_given_back(erp: Erp) -> None:
    system, standin = erp
    everything(system, "vendors")
    standin.sessions.clear()
    assert everything(system, "vendors") == ["V1", "V2"]
    standin.sessions.clear()
    assert post(system, of(order()))[0].status == "accepted" and len(standin.records["Subcontract"]) == 1
    system.close()
    assert standin.sessions == set()


def test_log_ins_that_fail() -> None:
    standin = Acumatica(licences=0)
    with pytest.raises(RetryLater, match="lets nobody in"):
        list(system_on(standin).read("vendors"))
    with pytest.raises(ConfigurationError, match="refuses this login or password") as refused:
        list(system_on(standin, password="wr0ng").read("vendors"))
    assert "wr0ng" not in str(refused.value)


def test_the_body_is_what_the_service_describes(releasing: Erp) -> None:
    system, standin = releasing
    post(system, of(bill()))
    body = body_of(standin.sent("PUT", "/Bill$")[0])
    assert body["Vendor"] == {"value": "V1"} and body["Details"][0]["RetainageAmount"] == {"value": Decimal("80.00")}
    assert body_of(standin.sent("POST", "/ReleaseBill$")[0]) == {"entity": {"id": standin.records["Bill"][0]["id"]}}
