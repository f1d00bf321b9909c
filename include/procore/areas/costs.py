"""Direct costs (docs/procore-contract.md 3.9)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, get_args

from include.financials.entities.costs import CostKind, DirectCost
from include.financials.identity import parse_origin
from include.financials.port import Header
from include.procore import payloads
from include.procore.building import currency, lines, our_line
from include.procore.entity import ProcoreEntity, Write
from include.procore.lists import Raw, row_id
from include.procore.parse import Row, common, own_data
from include.procore.payloads import day, party, same
from include.procore.reading.base import ROW_PAGE, Built, Documents, Listed
from include.procore.resources import Resource
from include.procore.writing import plans
from include.procore.writing.lines import Lines
from include.procore.writing.sync import Sync
from include.procore.writing.way import project_of

DIRECT_COSTS = Resource(
    "direct_costs",
    docs="3.9",
    list="/rest/v1.1/projects/{project}/direct_costs",
    show="/rest/v1.1/projects/{project}/direct_costs/{id}",
    project="path",
    wrapper="direct_cost",
    filters=frozenset({"id", "origin_id", "invoice_number", "created_at", "updated_at", "payment_date", "received_date"}),
    create="/rest/v1.1/projects/{project}/direct_costs",
    update="/rest/v1.1/projects/{project}/direct_costs/{id}",
    sync="/rest/v1.0/projects/{project}/direct_costs/sync",
    sync_scope="path",
    lock="origin_id",
    web="/{project}/project/direct_costs/{id}",
    events=("Direct Costs",),
)
COST_LINES = Resource(
    "direct_cost_lines",
    docs="3.9",
    list="/rest/v1.0/projects/{project}/direct_costs/line_items",
    project="path",
    wrapper="line_item",
    filters=frozenset({"direct_cost_id", "id", "created_at", "updated_at", "cost_code_id", "line_item_type_id"}),
    sync="/rest/v1.0/projects/{project}/direct_costs/line_items/sync",
    sync_scope="path",
    lock="origin_id",
    events=("Direct Cost Line Items",),
)
RESOURCES = (DIRECT_COSTS, COST_LINES)

# -- building -----------------------------------------------------------------------------------------------------------------

_COST_STATUS = {"approved": "posted", "draft": "unposted", "pending": "unposted", "revise_and_resubmit": "unposted"}


def cost_number(row: Row, system: str) -> str:
    """The ERP's transaction number, which we keep in Procore from the first call on; else what Procore has."""
    key = own_data(row).get("erp_key")
    origin = parse_origin(row.text("origin_id"), system)
    if isinstance(key, str) and key:
        return key
    return (origin.key if origin else None) or row.text("invoice_number") or row.required_id()


def direct_cost(row: Row, system: str, project_id: str, rows: Iterable[Any]) -> DirectCost:
    own = lines(rows, lambda entry: our_line(entry, system))
    return DirectCost(
        **common(row, system),
        number=cost_number(row, system),
        project=project_id,
        kind=row.choice("direct_cost_type", get_args(CostKind)),
        vendor=row.id("vendor_id"),
        invoice_number=row.text("invoice_number"),
        description=row.text("description"),
        cost_date=row.day("direct_cost_date"),
        status=row.choice("status", _COST_STATUS),
        currency=currency(row),
        amount=row.money("grand_total"),
        lines=own,
    )


# -- reading ------------------------------------------------------------------------------------------------------------------


class DirectCosts(Documents):
    """Headers and lines are two lists of the project; they are joined here, without a call per document."""

    page_size = ROW_PAGE

    def header(self, row: Row, project: str, group: str) -> Header:
        return Header(
            id=row.required_id(),
            number=cost_number(row, self._desk.system),
            scope=project,
            status=row.text("status"),
            amount=row.decimal("grand_total", 2),
            updated_at=row.moment("updated_at"),
            origin_id=row.text("origin_id"),
            deleted=row.moment("deleted_at") is not None,
        )

    def details(self, project: str, chosen: Sequence[Listed]) -> Iterator[Built | None]:
        lines = self._lines(project) if chosen else {}
        for one in chosen:
            own = lines.get(one.header.id, [])
            yield self.fit(one.row, project, direct_cost, self._desk.system, project, own)

    def _lines(self, project: str) -> dict[str, list[Raw]]:
        found: dict[str, list[Raw]] = defaultdict(list)
        for line in self._lists.parts(COST_LINES, project=project):
            holder = line.get("holder")
            found[row_id(holder) if isinstance(holder, dict) else str(line.get("direct_cost_id"))].append(line)
        return found


# -- writing ------------------------------------------------------------------------------------------------------------------

_COST: payloads.Fields = {
    "kind": same("kind", "direct_cost_type"),
    "vendor": party("vendor"),
    "invoice_number": same("invoice_number"),
    "description": same("description"),
    "cost_date": day("cost_date", "direct_cost_date"),
    # Only posted transactions are sent, and a posted cost is a cost whether or not somebody in Procore approves it.
    "status": lambda item: {"status": "approved"},
}
_HEADER = Sync(DIRECT_COSTS, payloads.created(_COST), project_of, key="origin_data", creates=True)

ENTITIES = (
    ProcoreEntity(
        "direct_costs",
        resources=(DIRECT_COSTS,),
        names=("invoice_number", "description"),
        reader=DirectCosts,
        shown={
            "kind": ("direct_cost_type",),
            "vendor": ("vendor_id",),
            "invoice_number": ("invoice_number",),
            "description": ("description",),
            "cost_date": ("direct_cost_date",),
            "amount": ("grand_total",),
        },
        # The external id locks a direct cost, so it comes last (2.4); until then its key in origin_data tells whose it is.
        writes={
            "create": (
                Write("header", _HEADER, plans.CREATED, keyless=True),
                Write("lines", Lines(COST_LINES, payloads.as_number, "direct_cost_id"), plans.GIVEN_LINES),
                Write("external_id", Sync(DIRECT_COSTS, place=project_of), plans.GIVEN_ID),
            ),
            "link": (Write("link", Sync(DIRECT_COSTS, place=project_of), plans.LINKED),),
        },
    ),
)
