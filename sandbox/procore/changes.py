"""Change order packages, potential change orders and change order requests (docs/procore-contract.md §5.3 a and b).

The lines of a change order live on its potential change order (PCO). With one tier, as commitments have it, a package is made
with the PCO that holds its lines, and the package's status rules. With two, as prime contracts have it (§13), PCOs are gathered
in a package, which lists their lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from sandbox.procore import locks
from sandbox.procore.attributes import Attribute, choice, day, decimal, flag, mapping, plain, whole
from sandbox.procore.belongings import tiers, tiers_of
from sandbox.procore.call import Reply
from sandbox.procore.commitments import (
    LINE,
    LINE_DEFAULTS,
    company_of,
    complete_line,
    last_position,
    line_references,
)
from sandbox.procore.context import Context
from sandbox.procore.contracts import USER, contracts_of, currency_of, enter_contract, next_number, of_contract
from sandbox.procore.engine import create, new_id
from sandbox.procore.errors import Invalid
from sandbox.procore.figures import ZERO, figure
from sandbox.procore.paging import page_of
from sandbox.procore.schema import Paging, Resource
from sandbox.procore.settings import COMPANY_ID
from sandbox.procore.store import Condition, Record, marks
from sandbox.procore.sums import PRIME, change_sums, package_totals
from sandbox.procore.views import picked

PACKAGES, POTENTIALS, CHANGE_LINES, REQUESTS = (
    "change_order_packages",
    "potential_change_orders",
    "change_lines",
    "change_order_requests",
)
STATUSES = (
    "draft", "not_pricing", "pricing", "pending", "revised", "proceeding", "not_proceeding", "no_charge", "approved", "rejected",
    "void",
)  # fmt: skip
REVIEWED = ("approved", "rejected", "no_charge")
STATUS = Attribute("status", choice(*STATUSES), nullable=False)
ORIGIN = plain("origin_id origin_data")
DATES = plain("due_date invoiced_date paid_date", day)
DEFAULTS = {"status": "draft", "revision": 0, "executed": False, "private": False, "paid": False}


def one_tier(context: Context, kind: str | None) -> bool:
    """Does a change order of this kind of contract have a single tier?"""
    return tiers_of(context, kind) == 1


# -- packages ----------------------------------------------------------------------------------------------------------

PACKAGE_ATTRIBUTES = (
    *plain("title description origin_code"),
    *ORIGIN,
    *DATES,
    *plain("signed_change_order_received_date", day),
    STATUS,
    Attribute("grand_total", decimal),
    Attribute("executed", flag),
    Attribute("schedule_impact_amount", whole),
)

PACKAGE_LIST = (
    "contract_id created_at created_by_id currency_configuration custom_fields deleted_at designated_reviewer due_date executed"
    " grand_total id invoiced_date number origin_code origin_data origin_id paid_date reviewed_at revision"
    " signed_change_order_received_date status title updated_at"
)
PACKAGE_SHOW = (
    "attachments contract_id created_at creator currency_configuration custom_fields deleted_at description"
    " designated_reviewer due_date executed grand_total id invoiced_date line_items number origin_code origin_data origin_id"
    " paid_date position private review_notes reviewed_at reviewer revised_substantial_completion_date revision"
    " schedule_impact_amount signed_change_order_received_date status title type updated_at"
)
TYPES = {True: "PrimeContractChangeOrder", False: "CommitmentContractChangeOrder"}


def package_details(context: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
    """Totals come from the lines, mark-up included; a stored one ("imported from an older system") wins."""
    contracts = contracts_of(context, list(rows))
    totals = package_totals(context, (row["parent_id"] for row in rows))
    found = []
    for row in rows:
        kind, contract = contracts[row["parent_id"]]
        given = row.get("stored_grand_total")
        total = totals.get(row["id"], ZERO) if given is None else Decimal(given)
        found.append(
            {
                "contract_id": row["parent_id"],
                "currency_configuration": currency_of(contract),
                "grand_total": figure(total, row["id"]),
                "type": TYPES[kind == PRIME],
                "revision": row.get("revision") or 0,
                "executed": bool(row.get("executed")),
                "private": bool(row.get("private")),
                "created_by_id": USER["id"],
                "creator": USER,
                "attachments": [],
                "custom_fields": {},
            }
        )
    return found


def package_contents(context: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
    """As Show has it: with the lines of its PCOs, which carry no external ids here."""
    found = package_details(context, rows)
    for row, more in zip(rows, found, strict=True):
        more["line_items"] = nested_lines(context, row, package_lines(context, row["id"], row["parent_id"]), PACKAGE_LINE)
    return found


PACKAGE_VIEWS = {"list": picked(package_details, PACKAGE_LIST), "show": picked(package_contents, PACKAGE_SHOW)}


def potentials_of(context: Context, package_id: int, contract_id: int) -> list[Record]:
    where: list[Condition] = [
        ("parent_id = ?", [contract_id]),
        ("json_extract(doc, '$.package_id') = ?", [package_id]),
        ("deleted_at IS NULL", []),
    ]
    return context.store.query(POTENTIALS, where)


def package_lines(context: Context, package_id: int, contract_id: int) -> list[Record]:
    """The lines of a package, PCO by PCO, mark-up among them."""
    return lines_of(context, [change["id"] for change in potentials_of(context, package_id, contract_id)])


def lines_of(context: Context, change_ids: Sequence[int]) -> list[Record]:
    """The lines of these PCOs in order."""
    where: list[Condition] = [(f"parent_id IN ({marks(change_ids)})", change_ids), ("deleted_at IS NULL", [])]
    return context.store.query(CHANGE_LINES, where, order="parent_id, json_extract(doc, '$.position'), id")


def prepare_package(context: Context, draft: Record, sent: Mapping[str, Any], existing: Record | None) -> None:
    """Number of a new package, the day of its review. External ids are writable whatever the status."""
    if existing is None and context.parent is not None:
        draft["number"] = draft.get("number") or f"{next_number(context, PACKAGES, context.parent['id']):03d}"
        draft["stored_grand_total"] = None
    if draft["status"] in REVIEWED and (existing is None or existing["status"] != draft["status"]):
        draft["reviewed_at"] = context.clock.stamp()


def package_written(potentials: Resource) -> Callable[[Context, Record, Record | None], None]:
    """On a single tier a new package brings its PCO, whose status is then the package's."""

    def written(context: Context, package: Record, existing: Record | None) -> None:
        if not one_tier(context, package.get("contract_kind")):
            return
        if existing is not None:
            for change in potentials_of(context, package["id"], package["parent_id"]):
                if change["status"] != package["status"]:
                    context.store.put(POTENTIALS, {**change, **{name: package[name] for name in ("status", "updated_at")}})
            context.forget(POTENTIALS)
            return
        taken_over = ("company_id", "project_id", "parent_id", "contract_kind", "number", "status", "title", "description")
        draft = {name: package.get(name) for name in (*taken_over, "created_at", "updated_at", "schedule_impact_amount")}
        draft |= {"id": new_id(potentials, context), "package_id": package["id"], "origin_id": None, "deleted_at": None}
        context.store.put(POTENTIALS, draft)
        context.forget(POTENTIALS)

    return written


# -- potential change orders -------------------------------------------------------------------------------------------


def package_of_request(value: Any) -> int | None:
    """``{"change_order_package_id": 5}``: on two tiers the package a PCO is gathered in."""
    given = mapping(value).get("change_order_package_id")
    return None if given is None else whole(given)


POTENTIAL_ATTRIBUTES = (
    *plain("number title description"),
    *ORIGIN,
    *DATES,
    STATUS,
    *plain("schedule_impact_amount commitment_change_event_id prime_change_event_id", whole),
    Attribute("grand_total", decimal, on="c"),
    Attribute("change_order_request_id", whole, on="us"),
    Attribute("change_order_request", package_of_request, store="package_id", on="us"),
)

POTENTIAL_LIST = (
    "change_order_package_acronym_number change_order_package_title change_order_request_acronym_number"
    " change_order_request_id change_order_request_title change_order_tiers change_reason contract_id created_at"
    " created_by_id currency_configuration custom_fields deleted_at due_date executed grand_total id invoiced_date number"
    " paid_date potential_change_order_acronym_number reviewed_at revision schedule_impact_amount status title updated_at"
)
POTENTIAL_NEW = (
    "accounting_method change_order_request_id commitment_change_event_id contract_id created_at creator currency_configuration"
    " custom_fields description due_date field_change grand_total id invoiced_date line_items line_items_extended_total"
    " line_items_total number origin_data origin_id paid paid_date position prime_change_event_id private revision"
    " schedule_impact_amount status title updated_at vendor void"
)
POTENTIAL_SHOW = (
    f"{POTENTIAL_NEW} attachments change_order_change_reason_id deleted_at designated_reviewer location_id reason received_from"
    " reference request_for_quote_id reviewed_at reviewer"
)


def potential_details(context: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
    contracts = contracts_of(context, list(rows))
    packages = context.fetch(PACKAGES, (row.get("package_id") for row in rows))
    totals = change_sums(context, rows)
    found = []
    for row in rows:
        kind, contract = contracts[row["parent_id"]]
        package = packages.get(row.get("package_id") or 0)
        total = figure(totals[row["id"]], row["id"])
        found.append(
            {
                **tiers(context, kind, package),
                "contract_id": row["parent_id"],
                "currency_configuration": currency_of(contract),
                "accounting_method": contract.get("accounting_method"),
                "grand_total": total,
                "line_items_total": total,
                "line_items_extended_total": total,
                "revision": row.get("revision") or 0,
                "executed": bool(row.get("executed")),
                "private": bool(row.get("private")),
                "paid": bool(row.get("paid")),
                "void": row["status"] == "void",
                "field_change": False,
                "created_by_id": USER["id"],
                "creator": USER,
                "attachments": [],
                "custom_fields": {},
            }
        )
    return found


def potential_contents(context: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
    """As Show has it: with lines and vendor."""
    contracts = contracts_of(context, list(rows))
    vendors = context.fetch("vendors", (contract.get("vendor_id") for _, contract in contracts.values()))
    found = potential_details(context, rows)
    for row, more in zip(rows, found, strict=True):
        more["line_items"] = nested_lines(context, row, lines_of(context, [row["id"]]), POTENTIAL_LINE)
        more["vendor"] = company_of(vendors.get(contracts[row["parent_id"]][1].get("vendor_id") or 0), full=False)
    return found


POTENTIAL_VIEWS = {"list": picked(potential_details, POTENTIAL_LIST), "show": picked(potential_contents, POTENTIAL_SHOW)}

SINGLE_TIER = "has a single tier of change orders here: create its change order package, which brings the potential change order"


def prepare_potential(context: Context, draft: Record, sent: Mapping[str, Any], existing: Record | None) -> None:
    """Number of a new PCO, its package. On a single tier it comes with the package, and a status sent for it is ignored."""
    kind = draft.get("contract_kind")
    if existing is None:
        if one_tier(context, kind):
            raise Invalid({"contract_id": [SINGLE_TIER]})
        draft["number"] = draft.get("number") or f"{next_number(context, POTENTIALS, draft['parent_id']):03d}"
    elif one_tier(context, kind):
        draft["status"], draft["package_id"] = existing["status"], existing.get("package_id")
        return
    if draft.get("change_order_request_id") != (existing or {}).get("change_order_request_id"):
        draft["package_id"] = _package_through(context, draft)
    if draft.get("package_id") != (existing or {}).get("package_id"):
        _check_package(context, draft, (existing or {}).get("package_id"))


def _package_through(context: Context, draft: Record) -> int | None:
    """The package that the request of a PCO is gathered in. Raises 422 for a request of another contract."""
    id = draft.get("change_order_request_id")
    request = context.one(REQUESTS, id)
    if id is not None and (request is None or request["parent_id"] != draft["parent_id"] or request["deleted_at"]):
        raise Invalid({"change_order_request_id": ["is no change order request of this contract"]}, 422)
    return None if request is None else request.get("change_order_package_id")


def _check_package(context: Context, draft: Record, before: int | None) -> None:
    """The package is one of the same contract, and neither it nor the one that the PCO leaves is locked. Raises 422."""
    for id in (draft.get("package_id"), before):
        package = context.one(PACKAGES, id)
        if package is not None:
            locks.refuse_change_lines(context, package["status"])
        if id is not None and (package is None or package["parent_id"] != draft["parent_id"] or package["deleted_at"]):
            raise Invalid({"change_order_package_id": ["is no change order package of this contract"]}, 422)


def potential_written(context: Context, change: Record, existing: Record | None) -> None:
    """The lines of a PCO go with it into its package."""
    if existing is None or change.get("package_id") == existing.get("package_id"):
        return
    for line in lines_of(context, [change["id"]]):
        context.store.put(CHANGE_LINES, {**line, "package_id": change.get("package_id")})
    context.forget(CHANGE_LINES)


_enter = enter_contract("GET", "POST", "SYNC")


def enter_potentials(context: Context) -> None:
    """Show, create and sync name the contract; the list may filter by it."""
    if context.call.method != "GET" or "id" in context.call.params:
        _enter(context)


def create_potential(resource: Resource) -> Callable[[Context], Reply]:
    """A new PCO is shown with fewer fields than Show has."""

    def handle(context: Context) -> Reply:
        reply = create(resource, context)
        return Reply(reply.status, {name: reply.body[name] for name in POTENTIAL_NEW.split()}, reply.headers)

    return handle


# -- lines -------------------------------------------------------------------------------------------------------------

CHANGE_LINE_DEFAULTS = {**LINE_DEFAULTS, "is_markup": False, "commitment_line_item_id": None, "prime_line_item_id": None}
PACKAGE_LINE = (
    "cost_code currency_configuration description extended_amount holder id line_item_type markup_line_items position quantity"
    " total_amount unit_cost uom wbs_code"
)
POTENTIAL_LINE = (
    "cost_code cost_code_id currency_configuration description extended_amount id line_item_type markup_line_items position"
    " quantity tax_code_id total_amount unit_cost uom"
)


def change_line_details(context: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
    found = line_references(context, rows)
    changes = context.fetch(POTENTIALS, (row["parent_id"] for row in rows))
    contracts = contracts_of(context, [changes[row["parent_id"]] for row in rows])
    for row, more in zip(rows, found, strict=True):
        _, contract = contracts[changes[row["parent_id"]]["parent_id"]]
        more["holder"] = {"id": row["parent_id"], "holder_type": "PotentialChangeOrder"}
        more["currency_configuration"] = {"currency_iso_code": contract.get("currency_iso_code")}
    return found


change_line_view = picked(change_line_details, LINE)


def nested_lines(context: Context, holder: Record, lines: Sequence[Record], names: str) -> list[dict[str, Any]]:
    """Lines inside a package or a PCO. Mark-up is shown below the line it follows, and is part of that line's total."""
    plain_lines = [line for line in lines if not line.get("is_markup")]
    markup = _markup_by_line(lines)
    found = []
    for line, more in zip(plain_lines, change_line_details(context, plain_lines), strict=True):
        above = markup.get(line["id"], [])
        total = sum((Decimal(row.get("amount") or 0) for row in above), Decimal(line.get("amount") or 0))
        more["total_amount"] = figure(total, line["id"])
        more["markup_line_items"] = [_markup(row, more["currency_configuration"]) for row in above]
        if names == POTENTIAL_LINE:  # the only place where these two are numbers
            more |= {name: None if line.get(name) is None else Decimal(line[name]) for name in ("quantity", "unit_cost")}
        found.append({name: more[name] if name in more else line.get(name) for name in names.split()})
    return found


def _markup_by_line(lines: Sequence[Record]) -> dict[int, list[Record]]:
    """Mark-up rows by the line they follow in their PCO, else by its first line."""
    found: dict[int, list[Record]] = {}
    for row in (line for line in lines if line.get("is_markup")):
        beside = [line for line in lines if line["parent_id"] == row["parent_id"] and not line.get("is_markup")] or [
            line for line in lines if not line.get("is_markup")
        ]
        before = [line for line in beside if line["position"] < row["position"]]
        if beside:
            found.setdefault((before or beside[:1])[-1]["id"], []).append(row)
    return found


def _markup(row: Record, currency: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "amount": figure(row.get("amount"), row["id"]),
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "markup": {"name": row.get("description")},
        "currency_configuration": dict(currency),
    }


def no_markup(_: Context) -> list[Condition]:
    """Mark-up is no line of the line lists."""
    return [("json_extract(doc, '$.is_markup') IS NOT 1", [])]


def prepare_change_line(context: Context, draft: Record, sent: Mapping[str, Any], existing: Record | None) -> None:
    """Cost key, amount, position; refused while the status of the change order locks its lines, external ids excepted."""
    change = context.parent or {}
    complete_line(context, draft, sent, existing)
    if existing is None:
        draft["package_id"], draft["project_id"] = change.get("package_id"), change["project_id"]
        draft["position"] = last_position(context, CHANGE_LINES, change["id"]) + 1
    if locks.changed(draft, existing):
        locks.refuse_change_lines(context, line_status(context, change))


def removing_change_line(context: Context, line: Record) -> None:
    locks.refuse_change_lines(context, line_status(context, context.parent or {}))


def line_status(context: Context, change: Record) -> str:
    """The status that rules over the lines of a PCO: its package's, if it is in one."""
    package = context.one(PACKAGES, change.get("package_id"))
    return str(change["status"] if package is None else package["status"])


# -- requests ----------------------------------------------------------------------------------------------------------

REQUEST_ATTRIBUTES = (
    *plain("title description"),
    *ORIGIN,
    *DATES,
    STATUS,
    Attribute("grand_total", decimal),
    *plain("schedule_impact_amount change_order_package_id", whole),
)
REQUEST_LIST = (
    "change_order_package_id created_at created_by_id currency_configuration deleted_at due_date grand_total id"
    " invoiced_date number paid_date revision schedule_impact_amount status title updated_at"
)
REQUEST_NEW = (
    "contract_id created_at creator currency_configuration description due_date grand_total id invoiced_date number origin_data"
    " origin_id paid_date position private revision schedule_impact_amount status title updated_at"
)
REQUEST_FULL = (
    f"{REQUEST_NEW} attachments batch change_order_package_id contract deleted_at executed signed_change_order_received_date"
)


def request_details(context: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
    contracts = contracts_of(context, list(rows))
    found = []
    for row in rows:
        kind, contract = contracts[row["parent_id"]]
        brief = {name: contract.get(name) for name in ("id", "number", "status", "title")}
        found.append(
            {
                "contract_id": row["parent_id"],
                "contract": {**brief, "type": kind, "vendor": None},
                "currency_configuration": currency_of(contract),
                "grand_total": figure(row.get("grand_total") or "0", row["id"]),
                "created_by_id": USER["id"],
                "creator": USER,
                "attachments": [],
                "batch": None,
            }
        )
    return found


REQUEST_VIEWS = {
    "list": picked(request_details, REQUEST_LIST),
    "new": picked(request_details, REQUEST_NEW),
    "full": picked(request_details, REQUEST_FULL),
}


def prepare_request(context: Context, draft: Record, sent: Mapping[str, Any], existing: Record | None) -> None:
    if existing is None:
        draft["number"] = f"{next_number(context, REQUESTS, draft['parent_id']):03d}"

    before = (existing or {}).get("change_order_package_id")
    if draft.get("change_order_package_id") != before:
        if one_tier(context, draft.get("contract_kind")):
            raise Invalid({"change_order_package_id": [SINGLE_TIER]})
        _check_package(context, {**draft, "package_id": draft.get("change_order_package_id")}, before)


def request_written(context: Context, request: Record, existing: Record | None) -> None:
    """The PCOs of a request, and their lines, go with it into its package (docs/procore-contract.md 5.3, two tiers)."""
    package = request.get("change_order_package_id")
    if existing is None or package == existing.get("change_order_package_id"):
        return
    of_request: list[Condition] = [
        ("parent_id = ?", [request["parent_id"]]),
        ("json_extract(doc, '$.change_order_request_id') = ?", [request["id"]]),
    ]
    for change in context.store.query(POTENTIALS, of_request):
        context.store.put(POTENTIALS, {**change, "package_id": package, "updated_at": request["updated_at"]})
        for line in lines_of(context, [change["id"]]):
            context.store.put(CHANGE_LINES, {**line, "package_id": package})
    context.forget(POTENTIALS)
    context.forget(CHANGE_LINES)


def request_conditions(context: Context) -> list[Condition]:
    """The contract's, without the statuses that ``filters[not_status]`` names."""
    unwanted = context.call.filters().get("not_status", [])
    return [*of_contract(context), *([(f"status NOT IN ({marks(unwanted)})", unwanted)] if unwanted else [])]


# -- lists of the company ----------------------------------------------------------------------------------------------

STATUS_ROWS = [
    {"id": 500 + number, "mapped_to_status": status, "name": status.replace("_", " ").title(), "show_in_select": True}
    for number, status in enumerate(STATUSES)
]
REASONS = ("Allowance", "Client Request", "Design Development", "Existing Condition", "Back Charge")
REASON_ROWS = [
    {"id": 600 + number, "change_reason": reason, "company_id": COMPANY_ID, "show_in_select": True}
    for number, reason in enumerate(REASONS)
]


def company_list(rows: Sequence[dict[str, Any]]) -> Callable[[Context], Reply]:
    """A fixed list of the company named in the query."""

    def listed(context: Context) -> Reply:
        given = context.call.arg("company_id")
        if given is None:
            raise Invalid({"company_id": ["is missing"]})
        context.check_company(given)
        page = page_of(context.call, Paging(), len(rows))
        return Reply(200, list(rows[page.offset : page.offset + page.size]), page.headers(context.call))

    return listed
