"""The shipped mapping for Business Central on a stand-in of its public API: what the port promises."""

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
from include.financials.exceptions import ConfigurationError, ContractBroken, NotPermitted, OutcomeUnknown, RetryLater
from include.financials.port import Item, Outcome, Window
from include.financials.record import Line
from tests.unit.erp.rest.business_central import COMPANY, TENANT, BusinessCentral
from tests.unit.erp.rest.standin import Fault, Wrong, body_of
from tests.unit.erp.strangers import commitment, item

Erp = tuple[MappedSystem, BusinessCentral]


def system_on(standin: BusinessCentral, secret: str | None = None, address: str = "", **options: Any) -> MappedSystem:
    password = quote(standin.secret if secret is None else secret, safe="")
    where = address or f"?tenant={TENANT}&company={COMPANY}&logins=http://127.0.0.1"
    return connected(
        f"http://{standin.client}:{password}@127.0.0.1/v2.0{where}",
        load_mapping(mapping_path("business_central")),
        origin_system="procore:8089",
        wire=httpx.MockTransport(standin),
        pause=lambda _: None,
        **options,
    )


@pytest.fixture
def erp() -> Iterator[Erp]:
    standin = BusinessCentral()
    system = system_on(standin)
    yield system, standin
    system.close()


@pytest.fixture
def posting() -> Iterator[Erp]:
    """An installation that releases and posts what it enters."""
    standin = BusinessCentral()
    system = system_on(standin, settings={"commitments": "released", "invoices": "posted"})
    yield system, standin
    system.close()


def order(number: str = "SC-1", **more: Any) -> Any:
    lines = tuple(
        Line(id=str(n), position=n, description=f"Line {n}", cost_code=f"25-104/{code}", cost_type="5300", amount=Decimal(amount))
        for n, code, amount in ((1, "03-1000", "1000.00"), (2, "03-2000", "500.10"), (3, "03-2000", "-0.05"))
    )
    given = {
        "project": "25-104", "vendor": "V1", "company": COMPANY, "contract_date": date(2026, 9, 1), "currency": "USD",
        "lines": lines, "amount": Decimal("1500.05"),
    }  # fmt: skip
    return commitment(number, **(given | more))


def invoice(number: str = "INV-1", **more: Any) -> SubcontractorInvoice:
    lines = tuple(
        InvoiceLine(
            id=str(n), position=n, line=n, change_order=change, cost_code="25-104/03-1000", cost_type="5300",
            amount=Decimal(amount), held=Decimal(held), released=Decimal(released),
        )
        for n, change, amount, held, released in ((1, None, "800.00", "80.00", "0.00"), (2, None, "0.00", "0.00", "20.00"),
                                                  (1, "001", "-10.30", "0.00", "0.00"))
    )  # fmt: skip
    given: dict[str, Any] = {
        "id": f"p-{number}", "company": COMPANY, "number": number, "project": "25-104", "vendor": "V1", "commitment": "SC-1",
        "sequence": 1, "status": "Approved", "currency": "USD", "billing_date": date(2026, 9, 30), "amount": Decimal("789.70"),
        "held": Decimal("80.00"), "released": Decimal("20.00"), "lines": lines,
    }  # fmt: skip
    return SubcontractorInvoice(**(given | more))


def of(record: Any, **more: Any) -> Item:
    return replace(item(record), company=COMPANY, **more)


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
    assert health.problems == () and health.now.year == 2026
    assert "s3cret" not in health.description


def test_master_data(erp: Erp) -> None:
    system, _ = erp
    vendors: list[Any] = next(system.read("vendors")).records
    assert [(one.id, one.hold, one.active) for one in vendors] == [
        ("V1", "none", True),
        ("V2", "all", False),
        ("V3", "none", True),
    ]
    assert everything(system, "projects") == ["25-104", "25-105"] and everything(system, "cost_types") == ["5300"]
    codes = [f"{job}/{code}" for job in ("25-104", "25-105") for code in ("03-1000", "03-2000")]
    assert everything(system, "cost_codes") == codes == list(system.keys("cost_codes"))
    (found,) = list(system.read_ids("cost_codes", [(None, "25-105/03-2000"), (None, "25-105/03")]))
    assert [one.id for one in found.records] == ["25-105/03-2000"]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_pages_of_every_size_give_the_same(posting: Erp, size: int) -> None:
    system, _ = posting
    expected = [f"SC-{n}" for n in range(7)]
    post(system, *(of(order(number)) for number in expected))
    system.page_size = size
    assert everything(system, "commitments") == expected == list(system.keys("commitments"))
    first = next(system.read("commitments"))
    rest = [one.id for page in system.read("commitments", cursor=first.cursor) for one in page.records]
    assert [one.id for one in first.records] + rest == expected


def test_a_window_and_projects(posting: Erp) -> None:
    system, standin = posting
    post(system, of(order("SC-1")))
    standin.time = datetime(2026, 9, 2, tzinfo=UTC)
    post(system, of(order("SC-2")))
    since = Window(datetime(2026, 9, 2, tzinfo=UTC), None)
    assert everything(system, "commitments", window=since) == ["SC-2"]
    assert everything(system, "commitments", scopes=["25-105", "it's"]) == []
    assert everything(system, "commitments", scopes=["25-105", "25-104"]) == ["SC-1", "SC-2"]


def test_a_link_that_leads_elsewhere_is_not_followed(posting: Erp, monkeypatch: pytest.MonkeyPatch) -> None:
    system, standin = posting
    answer = BusinessCentral.answer

    def bent(request: httpx.Request) -> httpx.Response:
        reply = answer(standin, request)
        content = reply.content.replace(b'"value":', b'"@odata.nextLink":"http://thief.example/v2.0","value":')
        return httpx.Response(reply.status_code, content=content) if b'"value":' in content else reply

    monkeypatch.setattr(standin, "answer", bent)
    with pytest.raises(ContractBroken, match=r"leads away from the ERP, to http://thief\.example"):
        everything(system, "vendors")
    assert not any(one.url.host == "thief.example" for one in standin.log)


def test_a_page_of_html_is_no_end(erp: Erp, monkeypatch: pytest.MonkeyPatch) -> None:
    system, standin = erp
    monkeypatch.setattr(standin, "_list", lambda *_: httpx.Response(200, content=b"<html>maintenance</html>"))
    with pytest.raises(RetryLater, match="and no JSON"):
        everything(system, "vendors")


def test_a_missing_right_is_named(erp: Erp, monkeypatch: pytest.MonkeyPatch) -> None:
    system, standin = erp

    def forbidden(*_: Any) -> None:
        raise Wrong(403, {"error": {"code": "Authorization_Denied", "message": "Read permission on Vendor"}})

    monkeypatch.setattr(standin, "_list", forbidden)
    with pytest.raises(NotPermitted, match="Authorization_Denied: Read permission on Vendor"):
        everything(system, "vendors")


# -- writing


def test_a_draft_waits_until_it_is_posted(erp: Erp) -> None:
    system, standin = erp
    (outcome,) = post(system, of(invoice()))
    assert (outcome.status, outcome.message) == ("accepted", None)
    assert everything(system, "subcontractor_invoices") == [] == list(system.keys("subcontractor_invoices"))
    assert find(system, of(invoice(), handed=""))[0].status == "accepted"
    standin.records["purchaseInvoices"][0]["status"] = "Open"
    (page,) = list(system.read_ids("subcontractor_invoices", [("25-104", standin.records["purchaseInvoices"][0]["id"])]))
    assert [one.number for one in page.records] == ["INV-1"] and getattr(page.records[0], "posting_date", "") is None
    assert [page.records for page in system.read_ids("subcontractor_invoices", [(None, "no guid")])] == [[]]
    (settled,) = find(system, of(invoice(), handed=""))
    assert (settled.status, settled.id) == ("confirmed", standin.records["purchaseInvoices"][0]["id"])


def test_a_document_as_it_was_sent(posting: Erp) -> None:
    system, standin = posting
    (outcome,) = post(system, of(order()))
    assert (outcome.status, outcome.id, outcome.message) == ("confirmed", "SC-1", None)
    (record,) = next(system.read("commitments")).records
    assert [one.amount for one in record.lines] == [Decimal("1000.00"), Decimal("500.10"), Decimal("-0.05")]  # type: ignore[attr-defined]
    assert b'"directUnitCost":500.10' in standin.sent("POST", "/purchaseOrders$")[0].content, "digit by digit, no float"


def test_retainage_is_a_line_of_its_own(posting: Erp) -> None:
    system, standin = posting
    (outcome,) = post(system, of(invoice()))
    assert (outcome.status, outcome.message) == ("confirmed", None)
    sent = body_of(standin.sent("POST", "/purchaseInvoices$")[0])["purchaseInvoiceLines"]
    assert [(one["procoreLine"], one.get("description2"), one["unitCost"]) for one in sent] == [
        ("#1", None, Decimal("800.00")), ("#1", "held", Decimal("-80.00")), ("#2", None, Decimal("0.00")),
        ("#2", "released", Decimal("20.00")), ("001#1", None, Decimal("-10.30")),
    ]  # fmt: skip
    (record,) = next(system.read("subcontractor_invoices")).records
    assert (record.amount, record.held, record.released) == (Decimal("789.70"), Decimal("80.00"), Decimal("20.00"))  # type: ignore[attr-defined]
    assert standin.records["purchaseInvoices"][0]["totalAmountExcludingTax"] == Decimal("729.70"), "what is due"


def test_a_service_that_stores_something_else_is_told(posting: Erp, monkeypatch: pytest.MonkeyPatch) -> None:
    system, standin = posting
    put = standin.put

    def halved(entity: str, **values: Any) -> Any:
        values["purchaseOrderLines"][0]["amountExcludingTax"] /= 2
        return put(entity, **values)

    monkeypatch.setattr(standin, "put", halved)
    (outcome,) = post(system, of(order()))
    assert (outcome.status, outcome.field) == ("confirmed", "lines[1].amount")
    assert outcome.message == "SC-1: lines[1].amount was sent as 1000.00, and the ERP stored 500.00. It is written so"


def test_the_same_again_is_one_document_and_it_is_the_look_that_makes_it_so(posting: Erp) -> None:
    system, standin = posting
    post(system, of(invoice()))
    assert post(system, of(invoice()))[0].status == "confirmed" and len(standin.records["purchaseInvoices"]) == 1
    standin(standin.sent("POST", "/purchaseInvoices$")[0])
    assert len(standin.records["purchaseInvoices"]) == 2, "the service itself makes another"


@pytest.mark.parametrize("how", [503, 500, 504, httpx.ReadTimeout, httpx.RemoteProtocolError])
def test_nobody_knows_and_it_is_found(posting: Erp, how: Any) -> None:
    system, standin = posting
    standin.faults.append(Fault("POST", "/purchaseInvoices$", "after", how, {"Retry-After": "1"} if how == 503 else {}))
    with pytest.raises(OutcomeUnknown):
        post(system, of(invoice()))
    assert find(system, of(invoice()))[0].status == "accepted"
    assert post(system, of(invoice()))[0].status == "accepted" and len(standin.records["purchaseInvoices"]) == 1


def test_a_late_effect_is_found_before_it_is_sent_again(posting: Erp) -> None:
    system, standin = posting
    standin.faults.append(Fault("POST", "/purchaseInvoices$", "late", 504))
    with pytest.raises(OutcomeUnknown):
        post(system, of(invoice()))
    assert find(system, of(invoice()))[0].status == "absent"
    standin.arrive()
    post(system, of(invoice()))
    assert len(standin.records["purchaseInvoices"]) == 1


@pytest.mark.parametrize("how", [503, httpx.ReadTimeout])
def test_nobody_knows_whether_it_was_posted(posting: Erp, how: Any) -> None:
    system, standin = posting
    standin.faults.append(Fault("POST", "NAV.post$", "after", how))
    (outcome,) = post(system, of(invoice()))
    assert outcome.status == "confirmed" and outcome.id == standin.records["purchaseInvoices"][0]["id"], "its row says it is"
    standin.faults.append(Fault("POST", "NAV.post$", "before", how))
    (waiting,) = post(system, of(invoice("INV-2")))
    assert waiting.status == "accepted" and "it is entered, and not released" in (waiting.message or "")


def test_a_closed_period_leaves_a_draft_with_the_services_words(posting: Erp) -> None:
    system, standin = posting
    standin.closed = True
    (outcome,) = post(system, of(invoice()))
    assert outcome.status == "accepted" and "not within your range of allowed posting dates" in (outcome.message or "")
    assert len(standin.records["purchaseInvoices"]) == 1


def test_a_limit_is_a_wait(posting: Erp) -> None:
    system, standin = posting
    standin.faults.append(Fault("POST", "/purchaseInvoices$", "before", 429, {"Retry-After": "17"}))
    with pytest.raises(RetryLater) as later:
        post(system, of(invoice()))
    assert later.value.seconds == 17 and standin.records["purchaseInvoices"] == []
    hour = {"Retry-After": "Tue, 01 Sep 2026 13:00:00 GMT", "Date": "Tue, 01 Sep 2026 12:59:00 GMT"}
    standin.faults.append(Fault("POST", "/purchaseInvoices$", "before", 429, hour))
    with pytest.raises(RetryLater) as later:
        post(system, of(invoice()))
    assert later.value.seconds == 60


def test_a_limit_after_a_document_was_written_leaves_no_doubt_unsaid(posting: Erp) -> None:
    system, standin = posting
    post(system, of(invoice("A")))
    standin.faults += [Fault("POST", "NAV.post$", "before", 422), Fault("POST", "/purchaseInvoices$", "before", 429)]
    standin.faults.reverse()
    with pytest.raises(RetryLater):
        post(system, of(invoice("B")), of(invoice("C")))
    standin.faults.clear()
    seen = 0

    def second(request: httpx.Request) -> bool:
        nonlocal seen
        seen += request.method == "POST" and request.url.path.endswith("/purchaseInvoices")
        return seen == 2

    answer = standin.answer
    standin.answer = lambda request: httpx.Response(429) if second(request) else answer(request)  # type: ignore[method-assign]
    with pytest.raises(OutcomeUnknown):
        post(system, of(invoice("B")), of(invoice("C")))
    standin.answer = answer  # type: ignore[method-assign]
    assert [one.status for one in find(system, of(invoice("B")), of(invoice("C")))] == ["confirmed", "absent"]


def test_refusals_in_its_own_words(posting: Erp) -> None:
    system, standin = posting
    outcomes = post(system, of(invoice("A")), of(invoice("B", vendor="V2")), of(invoice("C", vendor="V9")))
    assert [(one.status, one.field) for one in outcomes] == [("confirmed", None), ("rejected", "vendor"), ("rejected", None)]
    assert (outcomes[1].message or "").startswith("B: Application_DialogException: You cannot create this type of document")
    assert "The Vendor V9 does not exist." in (outcomes[2].message or "")
    post(system, of(order()))
    (taken,) = post(system, of(order(id="another")))
    assert (taken.status, taken.field) == ("rejected", "number") and len(standin.records["purchaseOrders"]) == 1


def test_an_update_is_of_the_state_that_was_seen(posting: Erp) -> None:
    system, standin = posting
    post(system, of(order()))
    changed = of(order(title="New"), changes=("title",), erp_key="SC-1")
    assert find(system, changed, action="update")[0].status == "absent"
    (outcome,) = post(system, changed, action="update")
    assert (outcome.status, outcome.message) == ("confirmed", None)
    assert standin.sent("PATCH", "/purchaseOrders")[0].headers["If-Match"].startswith('W/"')
    assert find(system, changed, action="update")[0].status == "confirmed"

    both = of(order(title="Both", contract_date=date(2026, 9, 5)), changes=("title", "contract_date"), erp_key="SC-1")
    assert post(system, both, action="update")[0].message is None
    assert [one.headers["If-Match"] for one in standin.sent("PATCH", "/purchaseOrders")] == sorted(
        {one.headers["If-Match"] for one in standin.sent("PATCH", "/purchaseOrders")}, key=lambda tag: int(tag[3:-1])
    )
    assert standin.records["purchaseOrders"][0]["orderDate"] == "2026-09-05"

    answer = standin.answer

    def beside(request: httpx.Request) -> httpx.Response:
        if request.method == "PATCH":  # somebody changes it between our look and our request
            standin.records["purchaseOrders"][0]["postingDescription"] = "Theirs"
            standin.touch(standin.records["purchaseOrders"][0])
        return answer(request)

    standin.answer = beside  # type: ignore[method-assign]
    (conflict,) = post(system, of(order(title="Newer"), changes=("title",), erp_key="SC-1"), action="update")
    assert conflict.status == "rejected" and "Request_EntityChanged" in (conflict.message or "")
    assert standin.records["purchaseOrders"][0]["postingDescription"] == "Theirs"


def test_a_change_between_the_look_and_the_write_is_not_overwritten(posting: Erp) -> None:
    system, standin = posting
    post(system, of(order()))
    answer, record = standin.answer, standin.records["purchaseOrders"][0]

    def beside(request: httpx.Request) -> httpx.Response:
        reply = answer(request)
        if request.method == "GET" and record["postingDescription"] != "Theirs":
            record["postingDescription"] = "Theirs"
            standin.touch(record)
        return reply

    standin.answer = beside  # type: ignore[method-assign]
    (conflict,) = post(system, of(order(title="Ours"), changes=("title",), erp_key="SC-1"), action="update")
    assert conflict.status == "rejected" and record["postingDescription"] == "Theirs"


@pytest.mark.parametrize("title", ["O'Brien's ' or 1 eq 1", 'Zoë "quoted" {number} :amount', "tab\tand €", "' or id ne '"])
def test_hostile_values_are_values(posting: Erp, title: str) -> None:
    system, standin = posting
    (outcome,) = post(system, of(order(title=title), procore_id=title))
    assert (outcome.status, outcome.message) == ("confirmed", None)
    assert standin.records["purchaseOrders"][0]["postingDescription"] == title
    assert find(system, of(order(), procore_id=title))[0].id == "SC-1"
    assert find(system, of(order(), procore_id=title + "'"))[0].status == "absent"


def test_two_hundred_lines(posting: Erp) -> None:
    system, standin = posting
    lines = tuple(
        Line(id=str(n), position=n, description="ü" * 100, cost_code="25-104/03-1000", cost_type="5300", amount=Decimal("0.01"))
        for n in range(1, 201)
    )
    (outcome,) = post(system, of(order(lines=lines, amount=Decimal("2.00"))))
    assert (outcome.status, outcome.message, len(standin.records["purchaseOrders"][0]["purchaseOrderLines"])) == (
        "confirmed",
        None,
        200,
    )


# -- log-in and address


def test_a_token_that_ended_is_renewed_and_the_write_made_once(erp: Erp) -> None:
    system, standin = erp
    everything(system, "vendors")
    standin.tokens.clear()
    assert post(system, of(invoice()))[0].status == "accepted"
    standin.tokens.clear()
    assert post(system, of(invoice("INV-2")))[0].status == "accepted" and len(standin.records["purchaseInvoices"]) == 2
    assert len(standin.sent("POST", "/oauth2/")) == 3


def test_a_wrong_secret_is_named_and_not_shown() -> None:
    with pytest.raises(ConfigurationError, match="refuses client id or secret") as refused:
        everything(system_on(BusinessCentral(), secret="wr0ng"), "vendors")
    assert "wr0ng" not in str(refused.value) and "Invalid client secret provided" in str(refused.value)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (f"?company={COMPANY}", r"the address must say tenant: .*\?tenant=\.\.\."),
        (f"?tenant={TENANT}&compny={COMPANY}", "has no 'compny'; did you mean 'company'"),
        (f"?tenant={TENANT}&company={COMPANY}&logins=http://logins.example", "would send the password in plain text"),
    ],
)
def test_addresses_that_lack_something(address: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as refused:
        system_on(BusinessCentral(), address=address)
    assert "s3cret" not in str(refused.value)
