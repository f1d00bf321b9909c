"""Documents as a server shows them whose every reply is written down here: what is joined, what is asked for, what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from socketserver import StreamRequestHandler
from typing import Any

import pytest

from include.financials.exceptions import ContractBroken, NotPermitted, RetryLater
from include.financials.port import Header, Invalid, Page, Window
from include.procore.client import ProcoreClient
from include.procore.reading.base import Documents, Listed
from include.procore.system import ProcoreSystem
from tests.unit.procore.fake import Answer, Call, FakeProcore

OLD, NEW = "2026-07-10T08:00:00Z", "2026-09-01T08:00:00Z"
RECENT = Window(since=datetime(2026, 8, 1, tzinfo=UTC))
PROJECTS = "/rest/v1.0/projects/9"
WBS = f"{PROJECTS}/work_breakdown_structure"
ALL = tuple(
    "vendor_insurances tax_codes sub_jobs budgets budget_changes direct_costs commitments commitment_change_orders"
    " subcontractor_invoices payments_issued prime_contracts prime_change_orders owner_invoices payments_received".split()
)


def line(ident: int, position: int, amount: str, **more: Any) -> dict[str, Any]:
    codes = {"cost_code": {"id": 601}, "line_item_type": {"id": 41}}
    return {"id": ident, "position": position, "amount": amount, "extended_type": "manual", **codes, **more}


def item(ident: int, of_line: int, **money: str) -> dict[str, Any]:
    """A row of a G703; ``money`` by the letters of docs/domain-rules.md 3."""
    letters = {
        "sv": "scheduled_value",
        "p": "work_completed_from_previous_application",
        "w": "work_completed_this_period",
        "mv": "materials_moved",
        "s": "materials_presently_stored",
        "s0": "materials_presently_stored_from_previous_progress",
        "rp": "work_completed_retainage_from_previous_application",
        "rw": "work_completed_retainage_retained_this_period",
        "rr": "work_completed_retainage_released_this_period",
        "rs": "materials_stored_retainage_currently_retained",
    }
    figures = {letters[name]: amount for name, amount in money.items()}
    return {"id": ident, "item_type": "contract_item", "line_item_id": of_line, "position": ident % 100, **figures}


class World:
    """A company with one project (9), two commitments (70 and 80) and a prime contract (90). Lists are answered in one page."""

    def __init__(self, fake: FakeProcore, client: ProcoreClient) -> None:
        self.fake = fake
        self.client = client
        self.lists: dict[str, list[Any]] = {}
        self._master()
        self._contracts()
        self._billing()
        for path in self.lists:
            self._serve(path)

    def system(self) -> ProcoreSystem:
        return ProcoreSystem(self.client, erp_system="sandbox")

    def put(self, path: str, rows: list[Any]) -> None:
        self.lists[path] = rows
        self._serve(path)

    def show(self, path: str, row: Any) -> None:
        self.fake.script(path, Answer(row))

    def _serve(self, path: str) -> None:
        self.fake.route(path)(lambda call: Answer(self._rows(path, call)))

    def _rows(self, path: str, call: Call) -> Any:
        """The list as filtered by ids and, for payments, by contract; other filters are ignored, as a server may."""
        rows = self.lists[path]
        ids = {value for name, value in call.query if name == "filters[id][]"}
        contract = dict(call.query).get("contract_id")
        if ids:
            rows = [row for row in rows if not isinstance(row, dict) or str(row["id"]) in ids]
        if contract:
            rows = [row for row in rows if not isinstance(row, dict) or str(row["contract_id"]) == contract]
        return {"data": rows} if path in (f"{PROJECTS}/budget_changes",) or path.startswith("/rest/v2.0") else rows

    def _master(self) -> None:
        own = {"erp_key": "25-104", "budget_owner": "procore"}
        project = {
            "id": 9,
            "name": "Medical office",
            "project_number": "25-104",
            "origin_id": "sandbox:01:projects:25-104",
            "origin_data": str(own).replace("'", '"'),
        }
        self.lists |= {
            "/rest/v1.1/projects": [project],
            "/rest/v1.0/companies/8089/insurances": [
                {
                    "id": 5,
                    "vendor_id": 31,
                    "policy_number": "GL-1",
                    "insurance_provider": "Mutual",
                    "insurance_type": "General liability",
                    "limit": "1,000,000",
                    "effective_date": "2026-01-01",
                    "expiration_date": "2026-12-31",
                    "origin_id": "sandbox:G1:vendor_insurances:V-1042/GL-1",
                },
                {"id": 6, "vendor_id": 31, "policy_number": None},
            ],
            "/rest/v1.0/tax_codes": [
                {"id": 3, "code": "NY", "description": "Sales", "rate1": 7.25, "archived": False},
                {"id": 4, "code": "OLD", "rate1": None, "archived": True},
            ],
            "/rest/v1.0/sub_jobs": [{"id": 77, "code": "B", "name": "Building"}],
            "/rest/v1.0/line_item_types": [{"id": 41, "code": "C", "name": "Commitment"}, {"id": 42, "code": "L", "name": "L"}],
            f"{WBS}/segments": [{"id": 71, "type": "cost_code"}, {"id": 72, "type": "line_item_type"},
                                {"id": 73, "type": "sub_job"}],
            f"{WBS}/wbs_codes": [self.code(801, "03-3000", "C"), self.code(802, "03-3000", "L", status="inactive")],
            "/rest/v1.0/budget_views": [{"id": 91}, {"id": 92}],
            "/rest/v1.0/budget_views/91/detail_rows": [
                {"id": 1, "cost_code_id": 601, "category_id": 41, "original_budget_amount": "1018000.0"},
                {"id": 2, "cost_code_id": 601, "category_id": 42, "original_budget_amount": "0.0"},
                {"id": 3, "cost_code_id": 602, "category_id": 41, "biller_type": "SubJob", "biller_id": 77,
                 "original_budget_amount": "-5.5"},
            ],
            f"{PROJECTS}/budget_changes": [{"id": 21, "number": 1, "status": "approved", "title": "Overtime", "amount": 0}],
            "/rest/v1.1/projects/9/direct_costs": [
                {"id": 31, "direct_cost_type": "payroll", "vendor_id": None, "grand_total": "24186.40", "status": "approved",
                 "origin_id": "sandbox:01:direct_costs:JC-000123", "direct_cost_date": "2026-07-10", "updated_at": OLD},
                {"id": 32, "direct_cost_type": "invoice", "vendor": "Lumber", "vendor_id": 31, "invoice_number": "77",
                 "grand_total": "10.0", "status": "draft", "origin_data": '{"erp_key": "JC-000124"}', "updated_at": NEW},
            ],
            f"{PROJECTS}/direct_costs/line_items": [
                line(311, 2, "24000.00", holder={"id": 31}, origin_id="sandbox:01:direct_costs:JC-000123#1"),
                line(312, 1, "186.40", holder={"id": 31}, origin_id="sandbox:01:direct_costs:JC-000123#7"),
                line(321, 1, "10.0", holder={"id": 32}, origin_id=None),
            ],
        }  # fmt: skip
        self.show(f"{PROJECTS}/budget", {"locked": True})
        self.change(801, 802)

        @self.fake.route("/rest/v1.0/cost_codes")
        def cost_codes(call: Call) -> Answer:
            sub_job = dict(call.query).get("sub_job_id")
            code = {"id": 602, "biller_type": "SubJob", "biller_id": 77} if sub_job else {"id": 601, "biller_type": "Project"}
            return Answer([{**code, "code": "3000", "full_code": "03-3000", "name": "Cast", "parent": {"id": None}}])

    @staticmethod
    def code(ident: int, full: str, kind: str, *, status: str = "active", sub_job: str | None = None) -> dict[str, Any]:
        parts = {"cost_code": full, "line_item_type": kind} | ({"sub_job": sub_job} if sub_job else {})
        items = [{"id": ident * 10, "path_code": code, "segment": {"type": role}} for role, code in parts.items()]
        return {"id": ident, "status": status, "segment_items": items}

    def change(self, *wbs_codes: int, updated_at: str = NEW) -> None:
        """Budget change 21: 18,000 from the last of these codes to the first."""
        lines = [
            {"id": 211, "wbs_code_id": wbs_codes[0], "adjustment_number": 1, "amount": 18000, "description": "Overtime"},
            {"id": 212, "wbs_code_id": wbs_codes[-1], "adjustment_number": 1, "amount": -18000},
        ]
        row = {"id": 21, "number": 1, "status": "approved", "title": "Overtime", "updated_at": updated_at}
        self.show(f"{PROJECTS}/budget_changes/21", {"data": {**row, "adjustment_line_items": lines}})

    def _contracts(self) -> None:
        work = {
            "id": 70,
            "number": "104-SC-003",
            "title": "Steel",
            "status": "Approved",
            "vendor": {"id": 31},
            "grand_total": "100.00",
            "approved_change_orders": "38.25",
            "total_payments": "47.7",
            "currency_configuration": {"currency_iso_code": "USD"},
            "updated_at": OLD,
        }
        package = {"status": "approved", "reviewed_at": "2026-08-06T15:00:00Z", "updated_at": NEW}
        embeds = {**package, "id": 51, "contract_id": 70, "number": "001", "title": "Embeds", "grand_total": "38.25"}
        pending = {**package, "id": 52, "contract_id": 70, "number": "002", "status": "pending", "grand_total": "1.0",
                   "reviewed_at": None, "updated_at": OLD}  # fmt: skip
        owner = {**package, "id": 53, "contract_id": 90, "number": "001", "title": "Extra", "grand_total": "52.30"}
        gone = {**pending, "id": 54, "number": "003", "updated_at": NEW, "deleted_at": NEW}
        prime = {"id": 90, "number": "104-PC-001", "status": "Approved", "vendor": {"id": 35}, "grand_total": "1000.0",
                 "origin_code": "104-PC-001", "updated_at": OLD}  # fmt: skip
        self.lists |= {
            "/rest/v1.0/work_order_contracts": [work],
            "/rest/v1.0/purchase_order_contracts": [
                {**work, "id": 80, "number": "104-PO-001", "total_payments": "0.0", "updated_at": NEW}
            ],
            "/rest/v1.0/work_order_contracts/70/line_items": [line(701, 1, "60.0"), line(702, 2, "40.0", tax_code_id=3)],
            "/rest/v1.0/purchase_order_contracts/80/line_items": [line(801, 1, "100.0")],
            "/rest/v1.0/change_order_packages": [embeds, pending, owner, gone],
            f"{PROJECTS}/commitment_change_orders": [
                {"id": 7051, "legacy_package_id": 51},
                {"id": 7052, "legacy_package_id": 52},
            ],
            "/rest/v2.0/companies/8089/projects/9/commitment_change_orders/7051/line_items": [
                {"id": "511", "commitment_line_item_id": "702", "extended_type": "calculated", "tax_code_id": "3"},
                {"id": "512", "commitment_line_item_id": None},
            ],
            "/rest/v2.0/companies/8089/projects/9/commitment_change_orders/7052/line_items": [],
            "/rest/v1.0/prime_contracts": [prime],
        }
        nested = [
            {**line(511, 1, "26.75"), "amount": None, "extended_amount": "26.75", "total_amount": "28.00"},
            {**line(512, 2, "11.5"), "amount": None, "extended_amount": "11.5"},
            {**line(513, 3, "0.0"), "amount": None, "extended_amount": "0.0"},
        ]
        self.show("/rest/v1.0/change_order_packages/51", {**embeds, "line_items": nested})
        self.show("/rest/v1.0/change_order_packages/52", {**pending, "line_items": [line(521, 1, "1.0")]})
        markup = [{"id": 1, "amount": "2.0"}, {"id": 2, "amount": "0.30"}]
        twice = [line(531, 1, "30.0", markup_line_items=markup), line(532, 1, "20.0", markup_line_items=[])]
        self.show("/rest/v1.0/change_order_packages/53", {**owner, "line_items": twice})
        shown = {**prime, "total_payments": "1143.9", "line_items": [line(901, 1, "1000.0")]}
        self.show("/rest/v1.0/prime_contract/90", {name: value for name, value in shown.items() if name != "origin_code"})

    def _billing(self) -> None:
        """Draws 1 and 2 of one line: 612,000 with stored materials (docs/domain-rules.md 3, vector 2), and a change order."""
        first = [item(1, 701, w="183600.0", s="122400.0", rw="18360.0", rs="12240.0")]
        second = [
            item(11, 701, p="183600.0", w="367200.0", s="30600.0", s0="122400.0", rp="18360.0", rw="36720.0", rs="3060.0"),
            {**item(12, 511, sv="26.75", w="26.75", rw="2.68"), "item_type": "change_order_item", "taxes": [{"amount": "1.94"}]},
        ]
        stated = {
            "total_completed_and_stored_to_date": "581426.75",
            "total_retainage": "58142.68",
            "less_previous_certificates_for_payment": "275400.0",
            "current_payment_due": "247884.07",
            "contract_sum_to_date": "612026.75",
        }
        one = {"id": 61, "commitment_id": 70, "number": 1, "invoice_number": "4417-01", "status": "approved", "vendor_id": 31,
               "billing_date": "2026-07-25", "updated_at": OLD, "items": first, "previous_requisition_id": None}  # fmt: skip
        two = {**one, "id": 62, "number": 2, "invoice_number": "", "updated_at": NEW, "items": second, "summary": stated,
               "previous_requisition_id": 61, "billing_date": "2026-08-25"}  # fmt: skip
        payment = {"contract_id": 70, "date": "2026-08-28", "amount": "47.7", "check_number": "004512", "payment_number": 7,
                   "invoice_number": "4417-01", "requisition_id": 61, "updated_at": NEW}  # fmt: skip
        bill = {"contract": {"id": 90}, "status": "approved", "updated_at": NEW, "invoice_number": "104-OI-01", "origin_id": None}
        self.lists |= {
            "/rest/v1.1/requisitions": [one, two],
            "/rest/v1.0/requisitions/62/change_order_items": [{"id": 12, "line_item_id": 511, "change_order_package_id": 51}],
            "/rest/v1.0/contract_payments": [
                {**payment, "id": 41},
                {**payment, "id": 42, "contract_id": 90, "check_number": None, "requisition_id": None, "draw_request_number": 1,
                 "invoice_number": "104-OI-01"},
            ],
            "/rest/v1.0/payment_applications": [
                {**bill, "id": 81, "number": 1, "updated_at": OLD},
                {**bill, "id": 82, "number": 2, "invoice_number": "104-OI-02"},
            ],
        }  # fmt: skip
        for ident, number, rows in ((81, 1, first), (82, 2, second[:1])):
            g703 = [{**row, "origin_id": 7_000_000_001, "origin_type": "PrimeContract::LineItem"} for row in rows]
            shown = {**bill, "id": ident, "number": number, "g702": stated, "g703": g703, "invoice_number": f"104-OI-0{number}"}
            self.show(f"/rest/v1.0/payment_applications/{ident}", {**shown, "updated_at": OLD if number == 1 else NEW})

    def asked(self, path: str) -> list[Call]:
        return self.fake.asked(path)


@pytest.fixture
def world(fake: FakeProcore, client: ProcoreClient, monkeypatch: pytest.MonkeyPatch) -> World:
    # The fake writes head and body apart: else each of many small replies waits 40 ms for the acknowledgement of the first part.
    monkeypatch.setattr(StreamRequestHandler, "disable_nagle_algorithm", True)
    return World(fake, client)


def records(pages: Iterator[Page]) -> list[Any]:
    return [record for page in pages for record in page.records]


def invalid(pages: Iterator[Page]) -> list[Invalid]:
    return [bad for page in pages for bad in page.invalid]


def read(world: World, entity: str, **options: Any) -> list[Any]:
    return records(world.system().read(entity, scopes=["9"], **options))


def every(header: Header) -> bool:
    return True


# ---------------------------------------------------------------------- all entities alike


def test_everything_is_read_once(world: World) -> None:
    system = world.system()
    found = {entity: list(system.read(entity, scopes=["9"])) for entity in ALL}
    assert not [bad for pages in found.values() for page in pages for bad in page.invalid]
    assert all(any(page.records for page in pages) for pages in found.values())
    calls = [(call.path, str(call.query)) for call in world.fake.calls if call.path.startswith("/rest")]
    assert len(calls) == len(set(calls)), "nothing is fetched twice in one task"


@pytest.mark.parametrize("entity", ALL)
def test_records_by_id_are_those_of_the_list(world: World, entity: str) -> None:
    everything = read(world, entity)
    scoped = [(getattr(record, "project", None), record.id) for record in everything]
    again = records(world.system().read_ids(entity, [*scoped, (scoped[0][0], "999")]))
    assert sorted(again, key=lambda record: record.id) == sorted(everything, key=lambda record: record.id)
    some = records(world.system().read_ids(entity, scoped[-1:]))
    assert some == everything[-1:]


@pytest.mark.parametrize("entity", ALL)
def test_the_keys_are_the_ids_of_what_is_not_deleted(world: World, entity: str) -> None:
    expected = sorted(record.id for record in read(world, entity) if not record.deleted)
    assert sorted(world.system().keys(entity, ["9"])) == expected


@pytest.mark.parametrize("entity", [entity for entity in ALL if entity not in ("budgets", "vendor_insurances", "tax_codes")])
def test_a_hidden_project_is_told(world: World, fake: FakeProcore, entity: str) -> None:
    for path in world.lists:
        fake.script(path, Answer({"code": 403, "message": "tool is off"}, 403))
    with pytest.raises(NotPermitted, match="every project"):
        list(world.system().read(entity, scopes=["9"]))
    with pytest.raises(NotPermitted):
        list(world.system().keys(entity, ["9"]))


BROKEN: list[tuple[str, str, dict[str, Any], str]] = [
    ("vendor_insurances", "/rest/v1.0/companies/8089/insurances", {"expiration_date": "31/12/2026"}, "expiration_date"),
    ("tax_codes", "/rest/v1.0/tax_codes", {"rate1": "7 %"}, "rate1"),
    ("sub_jobs", "/rest/v1.0/sub_jobs", {"code": None}, "code"),
    ("budget_changes", f"{PROJECTS}/budget_changes", {"number": None}, "number"),
    ("direct_costs", "/rest/v1.1/projects/9/direct_costs", {"direct_cost_type": "journal"}, "direct_cost_type"),
    ("direct_costs", "/rest/v1.1/projects/9/direct_costs", {"grand_total": "1,0"}, "grand_total"),
    ("commitments", "/rest/v1.0/work_order_contracts", {"retainage_percent": "ten"}, "retainage_percent"),
    ("commitment_change_orders", "/rest/v1.0/change_order_packages", {"contract_id": None}, "contract_id"),
    ("subcontractor_invoices", "/rest/v1.1/requisitions", {"number": "1st", "invoice_number": "A"}, "number"),
    ("subcontractor_invoices", "/rest/v1.1/requisitions", {"items": None}, "items"),
    ("subcontractor_invoices", "/rest/v1.1/requisitions", {"items": [{"id": 1, "scheduled_value": "x"}]},
     "items[1].scheduled_value"),
    ("subcontractor_invoices", "/rest/v1.1/requisitions", {"commitment_id": 4711}, "contract"),
    ("payments_issued", "/rest/v1.0/contract_payments", {"contract_id": 70, "amount": None}, "amount"),
    ("prime_contracts", "/rest/v1.0/prime_contracts", {"number": None}, "number"),
    ("owner_invoices", "/rest/v1.0/payment_applications", {"contract": {"id": 4711}}, "contract"),
    ("payments_received", "/rest/v1.0/contract_payments", {"contract_id": 90, "draw_request_number": "one"},
     "draw_request_number"),
    ("payments_received", "/rest/v1.0/contract_payments", {"contract_id": 90, "draw_request_number": 10**20}, "draw_number"),
]  # fmt: skip


@pytest.mark.parametrize(("entity", "path", "changes", "field"), BROKEN, ids=[f"{row[0]}-{row[3]}" for row in BROKEN])
def test_a_row_that_does_not_fit_is_named_and_the_others_go_on(
    world: World, entity: str, path: str, changes: dict[str, Any], field: str
) -> None:
    good = read(world, entity)
    world.put(path, [*world.lists[path], {**world.lists[path][0], "id": 666, **changes}])
    pages = list(world.system().read(entity, scopes=["9"]))
    assert records(iter(pages)) == good
    (bad,) = invalid(iter(pages))
    assert (bad.entity, bad.id, bad.field) == (entity, "666", field)
    again = list(world.system().read_ids(entity, [("9", "666")]))
    assert (records(iter(again)), [one.field for one in invalid(iter(again))]) == ([], [field])


@pytest.mark.parametrize(
    "entity", ["direct_costs", "commitments", "commitment_change_orders", "subcontractor_invoices", "owner_invoices"]
)
def test_documents_resume_at_their_cursor(world: World, entity: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for reader in (
        Documents,
        *Documents.__subclasses__(),
        *(sub for own in Documents.__subclasses__() for sub in own.__subclasses__()),
    ):
        monkeypatch.setattr(reader, "page_size", 1)
    whole = list(world.system().read(entity, scopes=["9"]))
    assert len(whole) > 1
    for index, page in enumerate(whole[:-1]):
        assert page.cursor
        rest = records(world.system().read(entity, scopes=["9"], cursor=page.cursor))
        assert rest == [record for later in whole[index + 1 :] for record in later.records]


@pytest.mark.parametrize(
    ("entity", "recent"),
    [
        ("direct_costs", ["32"]),
        ("commitments", ["80"]),
        ("commitment_change_orders", ["51", "54"]),
        ("subcontractor_invoices", ["62"]),
        ("owner_invoices", ["82"]),
        ("prime_contracts", []),
    ],
)
def test_the_window_and_what_is_asked_for_outside_of_it(world: World, entity: str, recent: list[str]) -> None:
    assert [record.id for record in read(world, entity, window=RECENT)] == recent
    seen: list[Header] = []

    def remember(header: Header) -> bool:
        seen.append(header)
        return True

    everything = read(world, entity, window=RECENT, also=remember)
    assert everything == read(world, entity)
    assert {header.id for header in seen} == {record.id for record in everything}
    assert {header.scope for header in seen} == {"9"}
    by_id = {record.id: record for record in everything}
    for header in seen:
        record = by_id[header.id]
        assert (header.number, header.updated_at, header.deleted) == (record.number, record.updated_at, record.deleted)
        assert header.amount in (None, record.amount)


@pytest.mark.parametrize(
    ("entity", "path", "filtered"),
    [
        ("direct_costs", "/rest/v1.1/projects/9/direct_costs", True),
        ("commitment_change_orders", "/rest/v1.0/change_order_packages", True),
        ("subcontractor_invoices", "/rest/v1.1/requisitions", True),
        ("owner_invoices", "/rest/v1.0/payment_applications", False),
    ],
)
def test_procore_filters_by_time_where_it_can(world: World, entity: str, path: str, filtered: bool) -> None:
    read(world, entity, window=RECENT)
    read(world, entity, window=RECENT, also=every)
    sent = [dict(call.query).get("filters[updated_at]") for call in world.asked(path) if "filters[id][]" not in dict(call.query)]
    since = "2026-08-01T00:00:00Z...2100-01-01T00:00:00Z"
    assert sent == [since if filtered else None, since if entity == "subcontractor_invoices" else None]


# ---------------------------------------------------------------------- stage 1 and 2


def test_an_insurance_names_its_provider(world: World) -> None:
    first, second = read(world, "vendor_insurances")
    assert (first.number, first.vendor, first.provider, first.company) == ("GL-1", "31", "Mutual", "G1")
    assert (first.effective_date, first.expiration_date) == (date(2026, 1, 1), date(2026, 12, 31))
    assert second.number == "6", "a policy without a number"


def test_tax_codes_and_sub_jobs(world: World) -> None:
    first, second = read(world, "tax_codes")
    assert (first.number, first.rate, first.active) == ("NY", Decimal("7.25"), True)
    assert (second.rate, second.active) == (0, False)
    (sub_job,) = read(world, "sub_jobs")
    assert (sub_job.number, sub_job.project, sub_job.name) == ("B", "9", "Building")


def test_a_budget_is_one_record_of_its_project(world: World) -> None:
    (budget,) = read(world, "budgets")
    assert (budget.id, budget.project, budget.number, budget.company) == ("9", "9", "25-104", "01")
    assert (budget.owner, budget.locked, budget.amount) == ("procore", True, Decimal("1017994.50"))
    assert [(one.cost_code, one.cost_type, one.sub_job, str(one.amount)) for one in budget.lines] == [
        ("601", "41", None, "1018000.00"),
        ("602", "41", "77", "-5.50"),
    ]
    assert not world.asked("/rest/v1.0/budget_views/92/detail_rows"), "the standard view only"


def test_a_project_without_original_amounts_has_no_budget(world: World) -> None:
    rows = "/rest/v1.0/budget_views/91/detail_rows"
    for left in ([], [world.lists[rows][1]]):
        world.put(rows, left)
        assert read(world, "budgets") == []
        assert list(world.system().keys("budgets", ["9"])) == []
    world.put("/rest/v1.0/budget_views", [])
    assert read(world, "budgets") == []
    assert not world.asked(f"{PROJECTS}/budget"), "the lock of no budget is not asked for"


@pytest.mark.parametrize("origin_data", [None, "", "exported 2026-07-01", "[1]", '{"erp_key": "25-104"}'])
def test_an_owner_that_nothing_tells(world: World, origin_data: str | None) -> None:
    world.put("/rest/v1.1/projects", [{**world.lists["/rest/v1.1/projects"][0], "origin_data": origin_data}])
    (budget,) = read(world, "budgets")
    assert budget.owner is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"original_budget_amount": "1.005"}, "lines[2].original_budget_amount"),
        ({"original_budget_amount": "1.0", "category_id": 41}, "lines"),
    ],
)
def test_a_budget_with_a_bad_row_is_whole_or_not_at_all(world: World, change: dict[str, Any], field: str) -> None:
    path = "/rest/v1.0/budget_views/91/detail_rows"
    rows = world.lists[path]
    world.put(path, [rows[0], {**rows[1], **change}, rows[2]])
    (bad,) = invalid(world.system().read("budgets", scopes=["9"]))
    assert (bad.id, bad.number, bad.field) == ("9", "25-104", field)


def test_a_budget_change_is_told_in_cost_codes(world: World) -> None:
    (change,) = read(world, "budget_changes")
    assert (change.number, change.title, change.status, change.amount) == ("1", "Overtime", "approved", 0)
    assert [(one.key, one.cost_code, one.cost_type, str(one.amount), one.adjustment) for one in change.lines] == [
        ("1", "601", "41", "18000.00", 1),
        ("2", "601", "42", "-18000.00", 1),
    ]
    statuses = [value for call in world.asked(f"{WBS}/wbs_codes") for name, value in call.query if name == "filters[status][]"]
    assert statuses == ["active", "inactive"], "a change may name a code that is inactive by now"


def test_a_budget_change_in_a_sub_job(world: World) -> None:
    world.put(f"{WBS}/wbs_codes", [world.code(801, "03-3000", "C"), world.code(803, "03-3000", "C", sub_job="B")])
    world.change(803, 801)
    (change,) = read(world, "budget_changes")
    assert [(one.cost_code, one.sub_job) for one in change.lines] == [("602", "77"), ("601", None)]


def test_a_code_that_is_new_is_looked_up_again(world: World) -> None:
    system = world.system()
    records(system.read("cost_codes", scopes=["9"]))
    world.put(f"{WBS}/wbs_codes", [world.code(801, "03-3000", "C"), world.code(899, "03-3000", "L")])
    world.change(801, 899)
    (change,) = records(system.read("budget_changes", scopes=["9"]))
    assert change.lines[1].cost_type == "42"
    world.change(801, 4711)
    (bad,) = invalid(system.read("budget_changes", scopes=["9"]))
    assert (bad.field, bad.number) == ("adjustment_line_items[2].wbs_code_id", "1")


def test_a_time_that_only_the_document_tells_counts(world: World) -> None:
    assert read(world, "budget_changes", window=RECENT)
    world.change(801, 802, updated_at=OLD)
    assert read(world, "budget_changes", window=RECENT) == []
    assert read(world, "budget_changes", window=RECENT, also=every)


def test_direct_costs_with_their_lines(world: World) -> None:
    payroll, invoice = read(world, "direct_costs")
    assert (payroll.number, payroll.kind, payroll.status, payroll.amount) == (
        "JC-000123", "payroll", "posted", Decimal("24186.40"))  # fmt: skip
    assert [(one.id, one.position) for one in payroll.lines] == [("311", 1), ("312", 7)], "numbered as in the ERP"
    assert payroll.cost_date == date(2026, 7, 10)
    assert (invoice.number, invoice.vendor, invoice.invoice_number, invoice.status) == ("JC-000124", "31", "77", "unposted")
    assert [one.position for one in invoice.lines] == [1]
    assert len(world.asked(f"{PROJECTS}/direct_costs/line_items")) == 1
    assert not read(world, "direct_costs", window=Window(since=datetime(2030, 1, 1, tzinfo=UTC)))
    assert len(world.asked(f"{PROJECTS}/direct_costs/line_items")) == 1, "no lines are read for no document"


def test_a_direct_cost_of_each_kind_can_be_read(world: World) -> None:
    """Also of the one that only Procore has: a company's own subcontractor invoices are no unreadable records."""
    one = world.lists["/rest/v1.1/projects/9/direct_costs"][1]
    kinds = ["invoice", "expense", "payroll", "subcontractor_invoice"]
    world.put(
        "/rest/v1.1/projects/9/direct_costs", [{**one, "id": i, "direct_cost_type": kind} for i, kind in enumerate(kinds, 1)]
    )
    assert [cost.kind for cost in read(world, "direct_costs")] == kinds


def test_many_direct_costs_by_id_share_their_lines(world: World) -> None:
    one = world.lists["/rest/v1.1/projects/9/direct_costs"][1]
    world.put("/rest/v1.1/projects/9/direct_costs", [{**one, "id": ident} for ident in range(1000, 1250)])
    found = records(world.system().read_ids("direct_costs", [("9", str(ident)) for ident in range(1000, 1250)]))
    assert len(found) == 250
    assert len(world.asked("/rest/v1.1/projects/9/direct_costs")) == 3
    assert len(world.asked(f"{PROJECTS}/direct_costs/line_items")) == 1


# ---------------------------------------------------------------------- stage 3


def test_commitments_with_payments_and_taxes(world: World) -> None:
    steel = read(world, "commitments")[1]
    assert (steel.payments, steel.approved_changes) == (Decimal("47.70"), Decimal("38.25"))
    assert [one.tax_code for one in steel.lines] == [None, "3"]


def test_a_commitments_change_order(world: World) -> None:
    embeds, pending, gone = read(world, "commitment_change_orders")
    assert (embeds.number, embeds.change_number, embeds.commitment, embeds.project) == ("104-SC-003/001", "001", "70", "9")
    assert (embeds.status, embeds.amount, embeds.change_date, embeds.currency) == (
        "approved", Decimal("38.25"), date(2026, 8, 6), "USD")  # fmt: skip
    assert [one.line_told for one in embeds.lines] == [True, True, False]
    assert [(one.position, str(one.amount), one.line, one.extended_type, one.tax_code) for one in embeds.lines] == [
        (1, "26.75", 2, "calculated", "3"),
        (2, "11.50", None, "manual", None),
        (3, "0.00", None, "manual", None),
    ]
    assert (pending.status, pending.change_date, gone.deleted, gone.lines) == ("pending", None, True, ())
    assert len(world.asked(f"{PROJECTS}/commitment_change_orders")) == 1
    assert len(world.asked("/rest/v1.0/work_order_contracts/70/line_items")) == 1
    assert not world.asked("/rest/v1.0/prime_contracts/90"), "an owner's change order is none of these"


def test_a_changed_line_that_the_contract_lacks_is_not_guessed(world: World) -> None:
    path = "/rest/v2.0/companies/8089/projects/9/commitment_change_orders/7051/line_items"
    world.put(path, [{"id": "511", "commitment_line_item_id": "799"}])
    (bad,) = invalid(world.system().read("commitment_change_orders", scopes=["9"]))
    assert (bad.id, bad.field) == ("51", "line_items[1].commitment_line_item_id")


def test_a_prime_change_order_with_its_mark_up(world: World) -> None:
    (change,) = read(world, "prime_change_orders")
    assert (change.number, change.prime_contract, change.amount, change.markup) == (
        "104-PC-001/001", "90", Decimal("52.30"), Decimal("2.30"))  # fmt: skip
    assert [(one.key, str(one.amount)) for one in change.lines] == [("1", "30.00"), ("2", "20.00")], "of two potential changes"


@pytest.mark.parametrize(
    ("lines", "parts", "amount", "markup"),
    [
        (("1000.0", "0.0"), ("33.333", "16.667"), "1050.00", "50.00"),
        (("30.0", "20.0"), ("33.3333333333", "33.3333333333", "33.3333333334"), "150.00", "100.00"),
        (("30.0", "20.0"), ("0.004", "0.004"), "50.01", "0.01"),  # each part rounded by itself would be nothing
        (("100.0", "0.0"), ("-0.005",), "100.00", "0.00"),  # half away from zero of what it adds up to, not of the part
        (("30.0", "20.0"), ("-2.3456", "0.0456"), "47.70", "-2.30"),
    ],
)
def test_parts_of_a_mark_up_are_not_rounded_and_their_sum_is_once(
    world: World, lines: tuple[str, str], parts: tuple[str, ...], amount: str, markup: str
) -> None:
    path = "/rest/v1.0/change_order_packages/53"
    entries = [{"id": n, "amount": part} for n, part in enumerate(parts, 1)]
    nested = [line(531, 1, lines[0], markup_line_items=entries[:1]), line(532, 1, lines[1], markup_line_items=entries[1:])]
    (owner,) = (row for row in world.lists["/rest/v1.0/change_order_packages"] if row["id"] == 53)
    world.show(path, {**owner, "grand_total": amount, "line_items": nested})
    (change,) = read(world, "prime_change_orders")
    assert (str(change.markup), change.amount) == (markup, Decimal(amount))
    assert sum((one.amount for one in change.lines), change.markup) == change.amount


@pytest.mark.parametrize(
    ("kind", "entity"),
    [("CommitmentContractChangeOrder", "commitment_change_orders"), ("PrimeContractChangeOrder", "prime_change_orders")],
)
def test_a_change_order_of_no_known_contract_is_told_once(world: World, kind: str, entity: str) -> None:
    path = "/rest/v1.0/change_order_packages"
    lost = {**world.lists[path][0], "id": 59, "contract_id": 4711}
    world.put(path, [*world.lists[path], lost])
    world.show(f"{path}/59", {**lost, "type": kind, "line_items": []})
    found = {
        name: invalid(world.system().read(name, scopes=["9"])) for name in ("commitment_change_orders", "prime_change_orders")
    }
    assert {name: [bad.field for bad in bads] for name, bads in found.items()} == {
        name: ["contract_id"] if name == entity else [] for name in found
    }
    (bad,) = found[entity]
    assert bad.behind in ("commitments", "prime_contracts") and "not visible to us" in bad.message and "4711" not in bad.message


def test_a_contract_that_its_list_misses_is_asked_for_by_its_id(world: World) -> None:
    """A row deleted between two pages pushes another one out of the list."""
    path = "/rest/v1.0/work_order_contracts"
    good = read(world, "commitment_change_orders")
    (row,) = world.lists[path]
    world.put(path, [])
    world.show(f"{path}/{row['id']}", row)
    assert read(world, "commitment_change_orders") == good
    answer = list(world.system().read_ids("commitments", [("9", str(row["id"])), ("9", "4711")]))
    assert [r.id for page in answer for r in page.records] == [str(row["id"])]
    assert [one for page in answer for one in page.hidden] == ["4711"], "a 404 proves no deletion of what may be private"


def test_a_deleted_change_order_of_a_contract_that_is_gone_too_is_left_out(world: World) -> None:
    path = "/rest/v1.0/change_order_packages"
    world.put(path, [*world.lists[path], {**world.lists[path][0], "id": 59, "contract_id": 4711, "deleted_at": NEW}])
    assert not invalid(world.system().read("commitment_change_orders", scopes=["9"]))
    assert not invalid(world.system().read("prime_change_orders", scopes=["9"]))
    assert not world.asked(f"{path}/59")


@pytest.mark.parametrize("entity", ["commitment_change_orders", "subcontractor_invoices", "payments_issued"])
def test_documents_of_a_contract_whose_own_figures_do_not_fit_are_read(world: World, entity: str) -> None:
    good = read(world, entity)
    path = "/rest/v1.0/work_order_contracts"
    world.put(path, [{**row, "grand_total": None} for row in world.lists[path]])
    assert len(invalid(world.system().read("commitments", scopes=["9"]))) == len(world.lists[path]) > 0
    assert read(world, entity) == good, "the contract is known, and it is judged by itself"


@pytest.mark.parametrize("entity", ["commitment_change_orders", "subcontractor_invoices"])
def test_documents_of_a_contract_that_nobody_knows_wait_for_it(world: World, entity: str) -> None:
    path = "/rest/v1.0/work_order_contracts"
    world.put(path, [{**row, "number": None} for row in world.lists[path]])
    bads = [bad for bad in invalid(world.system().read(entity, scopes=["9"])) if bad.behind]
    assert bads and {(bad.behind, bad.message) for bad in bads} == {("commitments", "cannot be read: number is missing or empty")}


@pytest.mark.parametrize("name", ["approved_change_orders", "total_payments"])
@pytest.mark.parametrize("value", ["250.005", "n/a", {}, True])
def test_a_derived_sum_never_makes_its_parent_unreadable(world: World, name: str, value: Any) -> None:
    path = "/rest/v1.0/work_order_contracts"
    good = [(r.id, r.number, r.amount) for r in read(world, "commitments")]
    world.put(path, [{**row, name: value} for row in world.lists[path]])
    assert [(r.id, r.number, r.amount) for r in read(world, "commitments")] == good
    assert read(world, "payments_issued"), "and its payments are asked for"


def test_one_bad_line_stops_its_change_order_alone_and_is_named(world: World) -> None:
    path = "/rest/v1.0/change_order_packages"
    contract = "/rest/v1.0/work_order_contracts"
    good = read(world, "commitment_change_orders")
    sister = {**world.lists[path][0], "id": 59, "number": "009", "grand_total": "250.005", "updated_at": OLD}
    world.put(path, [*world.lists[path], sister])
    world.put(contract, [{**row, "approved_change_orders": "250.005"} for row in world.lists[contract]])
    world.show(f"{path}/59", {**sister, "line_items": [line(7, 1, "250.005")]})
    pages = list(world.system().read("commitment_change_orders", scopes=["9"], window=RECENT, also=lambda header: False))
    assert len(records(iter(pages))) <= len(good)
    (bad,) = invalid(iter(pages))
    assert (bad.number, bad.field) == ("104-SC-003/009", "line_items[1].amount"), "by its full number, by its line"
    assert bad.shown["amount"] == "250.005" and bad.shown["commitment"] == str(sister["contract_id"])
    assert read(world, "commitments"), "the contract goes on"


ODD: dict[str, Any] = {"null": None, "no data": {"data": None}, "a number": 5, "a text": "none", "a list of nothing": [None]}
"""What answers where a list or a record belongs."""
LINES_OF = "/rest/v2.0/companies/8089/projects/9/commitment_change_orders/{}/line_items"
OWN = [
    ("commitment_change_orders", LINES_OF.format(7051), "104-SC-003/001"),
    ("commitment_change_orders", "/rest/v1.0/change_order_packages/51", "104-SC-003/001"),
    ("prime_change_orders", "/rest/v1.0/change_order_packages/53", "104-PC-001/001"),
    ("commitments", "/rest/v1.0/work_order_contracts/70/line_items", "104-SC-003"),
    ("prime_contracts", "/rest/v1.0/prime_contract/90", "104-PC-001"),
    ("subcontractor_invoices", "/rest/v1.0/requisitions/62/change_order_items", "2"),
    ("owner_invoices", "/rest/v1.0/payment_applications/82", "104-OI-02"),
    ("budget_changes", f"{PROJECTS}/budget_changes/21", "1"),
]
"""Entity, what is asked for one of its documents alone, and what people call that one."""


@pytest.mark.parametrize("amount", ["1e400", "1e99999999", "9" * 30, "NaN", "-Infinity"])
@pytest.mark.parametrize(
    ("entity", "place"),
    [
        ("prime_change_orders", "line_items[1].markup_line_items[1].amount"),
        ("prime_change_orders", "line_items[1].amount"),
        ("commitments", "grand_total"),
    ],
)
def test_a_number_beyond_all_money_stops_its_record_alone(
    world: World, fake: FakeProcore, entity: str, place: str, amount: str
) -> None:
    markup = b'[{"id": 1, "amount": %s}]' % (amount.encode() if "markup" in place else b"2.0")
    own = amount.encode() if place == "line_items[1].amount" else b"30.0"
    if entity == "commitments":
        path = "/rest/v1.0/work_order_contracts"
        row = json.dumps(world.lists[path][0]).replace('"100.00"', amount)
        fake.script(path, Answer(f"[{row}]".encode()))
    else:
        row = json.dumps(world.lists["/rest/v1.0/change_order_packages"][2])[:-1].encode()
        line = b'{"id": 1, "position": 1, "amount": %s, "cost_code": {"id": 601}, "line_item_type": {"id": 41}, ' % own
        body = row + b', "line_items": [' + line + b'"markup_line_items": ' + markup + b"}]}"
        fake.script("/rest/v1.0/change_order_packages/53", Answer(body))
    pages = list(world.system().read(entity, scopes=["9"]))
    assert [bad.field for bad in invalid(iter(pages))] == [place]
    assert entity != "commitments" or records(iter(pages)), "the rest goes on"


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(("entity", "path", "number"), OWN)
def test_an_odd_answer_about_one_document_stops_that_one_alone(
    world: World, entity: str, path: str, number: str, odd: str
) -> None:
    good = read(world, entity)
    world.show(path, ODD[odd])
    pages = list(world.system().read(entity, scopes=["9"]))
    (bad,) = invalid(iter(pages))
    assert bad.number == number and bad.id in {one.id for one in good}
    assert records(iter(pages)) == [one for one in good if one.id != bad.id], "the rest goes on"
    assert bad.field != "project" and bad.message
    again = list(world.system().read_ids(entity, [("9", one.id) for one in good]))
    assert {one.id for page in again for one in page.shown} == {one.id for one in good}, "and it is there"


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("entity", ["payments_issued", "payments_received"])
def test_payments_of_a_contract_that_answers_oddly_are_there(world: World, entity: str, odd: str) -> None:
    ident = read(world, entity)[0].id
    world.show("/rest/v1.0/contract_payments", ODD[odd])
    found = invalid(world.system().read(entity, scopes=["9"]))
    assert found and not any("origin_id" in bad.shown or bad.id.isdecimal() for bad in found)
    pages = world.system().read_ids(entity, [("9", ident)])
    assert [one for page in pages for one in page.hidden] == [ident], "it may be there all the same"


@pytest.mark.parametrize("odd", ["null", "no data", "a number", "a text"])
def test_a_project_that_answers_oddly_is_told_and_the_others_go_on(world: World, odd: str) -> None:
    for path in ("/rest/v1.1/projects/10/direct_costs", "/rest/v1.0/projects/10/direct_costs/line_items"):
        world.put(path, [])
    world.show("/rest/v1.1/projects/9/direct_costs", ODD[odd])
    pages = list(world.system().read("direct_costs", scopes=["9", "10"]))
    (bad,) = invalid(iter(pages))
    assert (bad.id, bad.field) == ("9", "project") and "GET /rest/v1.1/projects/9/direct_costs answered" in bad.message
    (page,) = world.system().read_ids("direct_costs", [("9", "31")])
    assert page.hidden == ["31"]
    with pytest.raises(ContractBroken, match="where a list belongs"):
        list(world.system().read("direct_costs", scopes=["9"]))


@pytest.mark.parametrize(
    ("entity", "path"),
    [
        ("direct_costs", f"{PROJECTS}/direct_costs/line_items"),
        ("commitment_change_orders", f"{PROJECTS}/commitment_change_orders"),
        ("budgets", "/rest/v1.0/budget_views"),
    ],
)
def test_of_what_records_are_made_of_nothing_is_left_out(world: World, entity: str, path: str) -> None:
    """Without a line of the newer resource a change of a contract's line would be a new line, without a view no budget there."""
    world.put(path, [None, *world.lists[path]])
    with pytest.raises(ContractBroken, match="null for one of them"):
        list(world.system().read(entity, scopes=["9"]))


# ---------------------------------------------------------------------- stage 4


def test_a_prime_contract_in_full(world: World) -> None:
    (prime,) = read(world, "prime_contracts")
    assert (prime.number, prime.customer, prime.amount, prime.payments) == ("104-PC-001", "35", 1000, Decimal("1143.90"))
    assert prime.origin_code == "104-PC-001", "of the list row; showing the contract leaves it out"
    assert [one.id for one in prime.lines] == ["901"]


def test_an_invoice_by_movements(world: World) -> None:
    first, second = read(world, "subcontractor_invoices")
    assert (first.number, first.sequence, first.previous, first.commitment, first.vendor) == ("4417-01", 1, None, "70", "31")
    assert (first.amount, first.held, first.released) == (306000, 30600, 0)
    assert second.number == "104-SC-003-02", "without the vendor's own number"
    assert (second.previous, second.billing_date) == ("61", date(2026, 8, 25))
    # G 275,400 + 26.75 of the change order; R 30,600 -> 58,140 and 2.68 (docs/domain-rules.md 3)
    assert (second.amount, second.held, second.tax) == (Decimal("275426.75"), Decimal("27542.68"), Decimal("1.94"))
    assert (second.completed, second.retainage, second.certified) == (
        Decimal("581426.75"), Decimal("58142.68"), Decimal("275400.00"))  # fmt: skip
    assert second.due == second.due_stated
    assert [(one.line, one.change_order) for one in second.items] == [("701", None), ("511", "51")]


def test_the_invoice_before_is_fetched_when_the_window_leaves_it_out(world: World, fake: FakeProcore) -> None:
    both = world.lists["/rest/v1.1/requisitions"]

    @fake.route("/rest/v1.1/requisitions")
    def requisitions(call: Call) -> Answer:
        return Answer(both[:1] if ("filters[id][]", "61") in call.query else both[1:])

    (second,) = read(world, "subcontractor_invoices", window=RECENT)
    assert second.held == Decimal("27542.68")
    assert len(world.asked("/rest/v1.1/requisitions")) == 2


def test_an_invoice_without_the_one_before_is_not_guessed(world: World) -> None:
    path = "/rest/v1.1/requisitions"
    world.put(path, world.lists[path][1:])
    (bad,) = invalid(world.system().read("subcontractor_invoices", scopes=["9"]))
    assert (bad.id, bad.field) == ("62", "previous_requisition_id")
    assert "61" in bad.message


def test_the_figures_may_be_called_g702(world: World) -> None:
    path = "/rest/v1.1/requisitions"
    second = dict(world.lists[path][1])
    world.put(path, [world.lists[path][0], {**second, "g702": second.pop("summary")}])
    assert read(world, "subcontractor_invoices")[1].completed == Decimal("581426.75")


def test_an_items_change_order_is_asked_for_once(world: World) -> None:
    """Draw 3 bills the change order of draw 2: what draw 3 tells holds for draw 2 too."""
    path = "/rest/v1.1/requisitions"
    third = {**world.lists[path][1], "id": 63, "number": 3, "previous_requisition_id": 62}
    world.put(path, [*world.lists[path], third])
    world.put("/rest/v1.0/requisitions/63/change_order_items", world.lists["/rest/v1.0/requisitions/62/change_order_items"])
    assert len(read(world, "subcontractor_invoices")) == 3
    assert len(world.asked("/rest/v1.0/requisitions/63/change_order_items")) == 1
    assert not world.asked("/rest/v1.0/requisitions/62/change_order_items")


def test_an_item_of_an_unknown_change_order_is_told(world: World) -> None:
    world.put("/rest/v1.0/requisitions/62/change_order_items", [])
    (bad,) = invalid(world.system().read("subcontractor_invoices", scopes=["9"]))
    assert (bad.id, bad.field) == ("62", "items[2].change_order_package_id")


def test_an_owner_invoice_is_shown_and_its_origin_ids_are_left_alone(world: World) -> None:
    first, second = read(world, "owner_invoices")
    assert (first.number, first.prime_contract, first.customer, first.origin_id) == ("104-OI-01", "90", "35", None)
    assert (second.previous, second.amount, second.held) == ("81", 275400, Decimal("27540.00"))
    assert second.contract_sum == Decimal("612026.75")
    for ident in (81, 82):
        assert len(world.asked(f"/rest/v1.0/payment_applications/{ident}")) == 1


def test_an_owner_invoice_that_is_listed_in_full_is_not_shown(world: World, fake: FakeProcore) -> None:
    path = "/rest/v1.0/payment_applications"
    rows = [{**row, "g703": [item(1, 901, w="10.0")], "g702": {}} for row in world.lists[path]]
    world.put(path, rows)
    assert [record.amount for record in read(world, "owner_invoices")] == [10, 10]
    assert not world.asked(f"{path}/81")


def test_payments_are_asked_for_where_there_are_some(world: World) -> None:
    (issued,) = read(world, "payments_issued")
    assert (issued.number, issued.payment_number, issued.invoice, issued.invoice_number) == (
        "004512/4417-01", "004512", "61", "4417-01")  # fmt: skip
    assert (issued.commitment, issued.pay_date, issued.amount, issued.currency) == (
        "70",
        date(2026, 8, 28),
        Decimal("47.70"),
        "USD",
    )
    assert [dict(call.query)["contract_id"] for call in world.asked("/rest/v1.0/contract_payments")] == ["70", "80"]
    (received,) = read(world, "payments_received")
    assert (received.number, received.draw_number, received.invoice) == ("7/104-OI-01", 1, None)
    assert received.prime_contract == "90"


@pytest.mark.parametrize(
    ("status", "listed"),
    [
        *(
            (status, ["41", "43", "44"])
            for status in ("Approved", "Partially Received", "Received", "Closed", "Complete", "Void")
        ),
        *((status, ["41"]) for status in ("Draft", "Out For Bid", "Out For Signature", "Processing", "Submitted")),
    ],
)
def test_payments_that_add_up_to_zero_are_payments(world: World, status: str, listed: list[str]) -> None:
    rows, path = world.lists["/rest/v1.0/contract_payments"], "/rest/v1.0/purchase_order_contracts"
    world.put(path, [{**world.lists[path][0], "status": status}])
    offset = [{**rows[0], "id": 43, "contract_id": 80}, {**rows[0], "id": 44, "contract_id": 80, "amount": "-47.7"}]
    world.put("/rest/v1.0/contract_payments", [*rows, *offset])
    assert sorted(record.id for record in read(world, "payments_issued")) == listed
    assert [record.id for record in records(world.system().read_ids("payments_issued", [("9", "44")]))] == ["44"]
    assert sorted(world.system().keys("payments_issued", ["9"])) == ["41", "43", "44"]


def test_a_second_read_of_payments_looks_at_the_contracts_again(world: World) -> None:
    system = world.system()
    path = "/rest/v1.0/purchase_order_contracts"
    records(system.read("commitments", scopes=["9"]))
    assert len(records(system.read("payments_issued", scopes=["9"]))) == 1
    assert len(world.asked(path)) == 1
    world.put(path, [{**world.lists[path][0], "total_payments": "5.0"}])
    rows = world.lists["/rest/v1.0/contract_payments"]
    world.put("/rest/v1.0/contract_payments", [*rows, {**rows[0], "id": 45, "contract_id": 80}])
    assert len(records(system.read("payments_issued", scopes=["9"]))) == 2


@pytest.mark.parametrize(
    ("entity", "address"),
    [
        ("vendor_insurances", "/8089/company/directory/vendors/31"),
        ("tax_codes", "/8089/company/admin/taxes"),
        ("budgets", "/9/project/budget"),
        ("direct_costs", "/9/project/direct_costs/31"),
        ("commitment_change_orders", "/9/project/change_orders/change_order_packages/51"),
        ("prime_contracts", "/9/project/prime_contracts/90"),
        ("payments_issued", None),
    ],
)
def test_pages_in_the_browser(world: World, entity: str, address: str | None) -> None:
    record = read(world, entity)[0]
    assert world.system().web_url(record) == (address and world.fake.url + address)


@pytest.mark.parametrize(
    "entity",
    ["commitments", "commitment_change_orders", "subcontractor_invoices", "payments_issued", "prime_contracts", "owner_invoices"],
)
def test_a_read_ends_however_small_the_call_budget(world: World, entity: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each try may make a few calls only, and goes on at the cursor of the one before."""
    good = read(world, entity)
    asked, left = ProcoreClient.get, [0]
    pages_of = ProcoreClient.pages

    def spend() -> None:
        if left[0] <= 0:
            raise RetryLater("the hour's budget is used up", 60.0)
        left[0] -= 1

    def get(self: ProcoreClient, *args: Any, **options: Any) -> Any:
        spend()
        return asked(self, *args, **options)

    def pages(self: ProcoreClient, *args: Any, **options: Any) -> Any:
        spend()
        return pages_of(self, *args, **options)

    monkeypatch.setattr(ProcoreClient, "get", get)
    monkeypatch.setattr(ProcoreClient, "pages", pages)
    found: dict[str, Any] = {}
    cursor: Any = None
    for _ in range(12):
        left[0] = 9 if entity == "commitment_change_orders" else 6
        try:
            for page in world.system().read(entity, scopes=["9"], cursor=cursor):
                found |= {record.id: record for record in page.records}
                cursor = page.cursor
            break
        except RetryLater:
            continue
    else:
        pytest.fail("no progress")
    assert sorted(found) == sorted(record.id for record in good)


def test_the_row_of_a_contract_that_is_kept_is_what_was_read() -> None:
    row = {"id": 7, "grand_total": Decimal("10.50"), "odd": Decimal("NaN"), "vendor": {"id": 3}, "notes": "x" * 400}
    one = Listed(Header("7", "SC-1", "1"), row, "subcontract").pack()
    assert repr(one.row) == repr(row) and one.row is not row and one.order == ("subcontract", 7)
    assert repr(one.pack().row) == repr(row)
