"""The template for QuickBooks Online on a stand-in of its API: its query language, versions, and tokens that rotate."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from include.erp.mapping.loading import MAPPINGS
from include.erp.system import MappedSystem
from include.financials.billing import InvoiceLine
from include.financials.entities.invoices import SubcontractorInvoice
from include.financials.exceptions import ConfigurationError, OutcomeUnknown, RetryLater
from include.financials.port import Window
from include.financials.record import Line
from tests.unit.erp.rest import asking
from tests.unit.erp.rest.asking import everything, find, of, post, records
from tests.unit.erp.rest.quickbooks import REALM, TOKENS, QuickBooks
from tests.unit.erp.rest.standin import Fault, body_of
from tests.unit.erp.strangers import commitment

Erp = tuple[MappedSystem, QuickBooks]


def kept(folder: Path, text: str = "first-refresh-token\n") -> Path:
    path = folder / "quickbooks.token"
    path.write_text(text)
    path.chmod(0o600)
    return path


def system_on(standin: QuickBooks, token: Path) -> MappedSystem:
    where = f"127.0.0.1?realm={REALM}&token_file={quote(str(token))}&logins=http://127.0.0.1"
    return asking.system_on(standin, "quickbooks_online", f"http://{standin.client}:{quote(standin.secret, safe='')}@{where}")


@pytest.fixture
def erp(tmp_path: Path) -> Iterator[Erp]:
    standin = QuickBooks()
    system = system_on(standin, kept(tmp_path))
    yield system, standin
    system.close()


def order(number: str = "PO-1", **more: Any) -> Any:
    lines = tuple(
        Line(id=str(n), position=n, description=f"Line {n}", cost_code=code, cost_type=None, amount=Decimal(amount))
        for n, code, amount in ((1, "5", "1000.00"), (2, "6", "500.10"), (3, "6", "-0.05"))
    )
    given = {
        "project": "3", "vendor": "1", "company": REALM, "contract_date": date(2026, 9, 1), "currency": "USD", "lines": lines,
        "amount": Decimal("1500.05"),
    }  # fmt: skip
    return commitment(number, **(given | more))


def bill(number: str = "INV-1", **more: Any) -> SubcontractorInvoice:
    lines = (InvoiceLine(id="1", position=1, line=1, cost_code="5", cost_type=None, amount=Decimal("800.05")),)
    given: dict[str, Any] = {
        "id": f"p-{number}", "company": REALM, "number": number, "project": "3", "vendor": "1", "commitment": "7", "sequence": 2,
        "status": "Approved", "currency": "USD", "billing_date": date(2026, 9, 30), "amount": Decimal("800.05"), "lines": lines,
    }  # fmt: skip
    return SubcontractorInvoice(**(given | more))


def test_it_says_that_it_is_a_template() -> None:
    text = (MAPPINGS / "quickbooks_online.yaml").read_text(encoding="utf-8")
    assert text.startswith("# TEMPLATE, not verified against the vendor's product.")


# -- reading


def test_the_mapping_fits_the_service(erp: Erp) -> None:
    system, _ = erp
    health = system.check()
    assert health.problems == () and health.now.year == 2026
    assert "s3cret" not in health.description and "token" not in health.description


def test_master_data(erp: Erp) -> None:
    system, standin = erp
    assert [(one.id, one.code, one.active) for one in records(system, "vendors")] == [("1", "V1", True), ("2", "V2", False)]
    assert [(one.id, one.number) for one in records(system, "projects")] == [("3", "25-104")]
    assert everything(system, "cost_codes") == ["5", "6"]
    assert all(one.url.params["minorversion"] == "75" for one in standin.log if one.url.path != TOKENS)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_pages_of_every_size_give_the_same(erp: Erp, size: int) -> None:
    system, _ = erp
    post(system, *(of(order(f"PO-{n}")) for n in range(7)))
    system.page_size = size
    found = [one.number for one in records(system, "commitments")]
    assert found == [f"PO-{n}" for n in range(7)] and len([*system.keys("commitments")]) == 7


def test_windows_projects_and_ids(erp: Erp) -> None:
    system, standin = erp
    post(system, of(order("PO-1")))
    standin.time = datetime(2026, 9, 2, tzinfo=UTC)
    post(system, of(order("PO-2")))
    since = Window(datetime(2026, 9, 2, tzinfo=UTC), None)
    assert [one.number for one in records(system, "commitments", window=since)] == ["PO-2"]
    assert len(everything(system, "commitments", scopes=["3"])) == 2
    assert everything(system, "commitments", scopes=["4"]) == [] == everything(system, "projects", scopes=["4"])
    (page,) = list(system.read_ids("commitments", [(None, "8"), (None, "it's"), (None, "\\' or Id > '0")]))
    assert [one.number for one in page.records] == ["PO-2"], "an id is a value, whatever it is made of"


def test_what_was_spent_without_an_order(erp: Erp) -> None:
    system, standin = erp
    post(system, of(order()))
    post(system, of(bill()))
    detail = {"ItemRef": {"value": "5"}, "CustomerRef": {"value": "3"}, "Qty": 1, "UnitPrice": Decimal("12.50")}
    line = {"Id": "1", "Amount": Decimal("12.50"), "Description": "Tape", "ItemBasedExpenseLineDetail": detail}
    other = {"Id": "2", "Amount": Decimal(1), "AccountBasedExpenseLineDetail": {}}
    standin.put("Purchase", TxnDate="2026-09-03", Line=[line, other], TotalAmt=Decimal("13.50"))
    standin.put("Bill", TxnDate="2026-09-04", Line=[line], TotalAmt=Decimal("12.50"), VendorRef={"value": "1"}, DocNumber="X-9")
    found = [(one.id, one.kind, one.project, one.amount, one.invoice_number) for one in records(system, "direct_costs")]
    assert found == [
        ("purchase/9/1", "expense", "3", Decimal("12.50"), None),
        ("bill/10/1", "invoice", "3", Decimal("12.50"), "X-9"),
    ]
    (page,) = list(system.read_ids("direct_costs", [(None, "bill/10/1"), (None, "bill/8/1")]))
    assert [one.id for one in page.records] == ["bill/10/1"], "a bill of an order is that order's"


# -- writing


def test_documents_as_they_were_sent(erp: Erp) -> None:
    system, standin = erp
    (outcome,) = post(system, of(order(kind="subcontract")))
    assert (outcome.status, outcome.id, outcome.message) == ("confirmed", "7", None)
    (stored,) = records(system, "commitments")
    assert (stored.kind, stored.amount, stored.marker) == ("subcontract", Decimal("1500.05"), "procore:8089:commitments:p-PO-1")
    assert b'"Amount":500.10' in standin.sent("POST", "/purchaseorder$")[0].content, "digit by digit, no float"
    (outcome,) = post(system, of(bill()))
    assert (outcome.status, outcome.message) == ("confirmed", None)
    (stored,) = records(system, "subcontractor_invoices")
    assert (stored.commitment, stored.sequence, stored.status, stored.amount) == ("7", 2, "posted", Decimal("800.05"))
    assert post(system, of(order(currency=None, number="PO-2")))[0].message is None, (
        "what is empty is left out, with what wraps it"
    )
    assert "CurrencyRef" not in body_of(standin.sent("POST", "/purchaseorder$")[-1])


def test_the_same_again_is_one_document_and_many_are_looked_for_at_once(erp: Erp) -> None:
    system, standin = erp
    orders = [of(order(f"PO-{n}")) for n in range(3)]
    post(system, *orders)
    standin.log.clear()
    assert [one.status for one in find(system, *orders)] == ["confirmed"] * 3
    asked = [one.url.params["query"] for one in standin.sent("GET", "/query$")]
    assert len(asked) == len({*asked}), "each part of the list once, not once for each document"
    assert [one.status for one in post(system, *orders)] == ["confirmed"] * 3 and len(standin.records["PurchaseOrder"]) == 3


@pytest.mark.parametrize("how", [503, httpx.ReadTimeout])
def test_an_answer_that_is_lost(erp: Erp, how: Any) -> None:
    system, standin = erp
    standin.faults.append(Fault("POST", "/purchaseorder$", "after", how))
    with pytest.raises(OutcomeUnknown):
        post(system, of(order()))
    assert find(system, of(order()))[0].status == "confirmed"
    assert len(standin.records["PurchaseOrder"]) == 1


def test_a_late_effect_has_the_request_id_of_what_is_sent_again(erp: Erp) -> None:
    system, standin = erp
    standin.faults.append(Fault("POST", "/bill$", "late", 504))
    post(system, of(order()))
    with pytest.raises(OutcomeUnknown):
        post(system, of(bill()))
    assert find(system, of(bill()))[0].status == "absent"
    post(system, of(bill()))
    standin.arrive()
    assert len(standin.records["Bill"]) == 1


def test_two_changes_carry_the_version_on_and_a_stale_one_is_refused(erp: Erp) -> None:
    system, standin = erp
    post(system, of(order()))
    both = of(order(title="New", contract_date=date(2026, 9, 2)), changes=("title", "contract_date"), erp_key="7")
    assert post(system, both, action="update")[0].message is None
    record = standin.records["PurchaseOrder"][0]
    assert (record["Memo"], record["TxnDate"], record["SyncToken"], len(record["Line"])) == ("New", "2026-09-02", "2", 3)
    answer = standin.answer

    def meanwhile(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            standin.touch(record)
        return answer(request)

    standin.answer = meanwhile  # type: ignore[method-assign]
    (stale,) = post(system, of(order(title="Newer"), changes=("title",), erp_key="7", intent="2"), action="update")
    assert stale.status == "rejected" and "5010: Stale Object Error" in (stale.message or "") and record["Memo"] == "New"


def test_faults_are_told_in_its_words_and_by_our_field(erp: Erp) -> None:
    system, standin = erp
    post(system, of(order()))
    outcomes = post(system, of(bill("A")), of(bill("A", id="p-another")), of(bill("B", vendor="2")))
    assert [(one.status, one.field) for one in outcomes] == [("confirmed", None), ("rejected", "number"), ("rejected", "vendor")]
    assert outcomes[1].message == "A: 6140: Duplicate Document Number Error : DocNumber is used"
    (held,) = post(system, of(bill("C", held=Decimal("80.00"))))
    assert (held.status, held.field) == ("rejected", "held") and len(standin.records["Bill"]) == 1
    standin.faults.append(Fault("POST", "/bill$", "before", 429))
    with pytest.raises(RetryLater):
        post(system, of(bill("D")))


# -- tokens


def test_a_token_is_exchanged_once_and_kept_for_others(tmp_path: Path) -> None:
    standin, path = QuickBooks(), kept(tmp_path)
    for _ in range(2):
        system = system_on(standin, path)
        everything(system, "vendors")
        system.close()
    assert len(standin.sent("POST", TOKENS)) == 1
    assert path.stat().st_mode & 0o777 == 0o600 and json.loads(path.read_text())["refresh_token"] == standin.refresh[-1]
    standin.access.clear()
    system = system_on(standin, path)
    assert everything(system, "vendors") == ["1", "2"], "an access token that is not taken is exchanged"
    assert json.loads(path.read_text())["refresh_token"] == standin.refresh[-1] and len(standin.refresh) == 3
    system.close()


def test_tasks_that_begin_together_exchange_it_once(tmp_path: Path) -> None:
    standin, path = QuickBooks(), kept(tmp_path)
    systems = [system_on(standin, path) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda system: everything(system, "vendors"), systems))
    for system in systems:
        system.close()
    assert found == [["1", "2"]] * 6 and len(standin.sent("POST", TOKENS)) == 1


def test_a_refresh_token_that_ended_is_told_without_it(tmp_path: Path) -> None:
    system = system_on(QuickBooks(), kept(tmp_path, "0ld-t0ken"))
    with pytest.raises(ConfigurationError, match="authorise the application anew") as refused:
        everything(system, "vendors")
    assert "0ld-t0ken" not in str(refused.value) and "s3cret" not in str(refused.value)


@pytest.mark.parametrize(("text", "mode", "said"), [
    ("first-refresh-token", 0o640, "others may read this file"), ("", 0o600, "is empty"), ("{}", 0o600, "holds no refresh token"),
])  # fmt: skip
def test_a_file_that_is_none(tmp_path: Path, text: str, mode: int, said: str) -> None:
    path = kept(tmp_path, text)
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match=said):
        everything(system_on(QuickBooks(), path), "vendors")
    path.unlink()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        everything(system_on(QuickBooks(), path), "vendors")
