"""Requisitions, which people call subcontractor invoices (docs/procore-contract.md §6.2).

A new one has an item per line of its commitment, with the figures of the one before carried. Change orders get onto it as whole
packages. ``move_materials``: stored materials go into previous work at the next requisition (docs/domain-rules.md §3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from sandbox.procore import billing, engine, items, locks, shapes
from sandbox.procore.attributes import Attribute, Wrong, choice, day, flag, moment, plain, whole
from sandbox.procore.billing import CHANGE_ITEM, CONTRACT_ITEM, Item
from sandbox.procore.call import Reply
from sandbox.procore.changes import PACKAGES, package_lines
from sandbox.procore.commitments import HOLDERS
from sandbox.procore.context import Context
from sandbox.procore.contracts import COMMITMENTS, USER, contract_id, contracts_of, find_contract
from sandbox.procore.errors import Invalid, Refused, not_found
from sandbox.procore.figures import ZERO, money
from sandbox.procore.paging import page_of
from sandbox.procore.schema import Paging, Resource
from sandbox.procore.settings import COMPANY_NAME
from sandbox.procore.store import Record
from sandbox.procore.views import dated, picked

KIND, WHAT = "requisitions", "subcontractor invoice"
STATUSES = ("draft", "under_review", "revise_and_resubmit", "approved", "approved_as_noted", "pending_owner_approval")


def rows_of(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise Wrong("must be a list of objects")
    return value


ATTRIBUTES = (
    *plain("invoice_number origin_id origin_data"),
    Attribute("status", choice(*STATUSES), nullable=False),
    Attribute("period_id", whole),
    Attribute("final", flag),
    *plain("billing_date requisition_start requisition_end payment_date", day),
    Attribute("submitted_at", moment),
    Attribute("items", rows_of, store="sent_items", nullable=False, on="cu"),
)
DEFAULTS = {"status": "draft", "final": False}
APPROVED = ("approved", "approved_as_noted")

# -- views -------------------------------------------------------------------------------------------------------------

HEADER = (
    "attachments billing_date commitment_id commitment_type contract_name created_at created_by currency_configuration"
    " custom_fields deletable electronic_signature_id erp_status final id invoice_number invoice_type"
    " move_materials_to_previous_work_completed number origin_data origin_id payment_date percent_complete period_id"
    " previous_requisition_id project_id requisition_end requisition_start status submitted_at summary summary_text"
    " total_claimed_amount updated_at vendor_id vendor_name"
)
ITEM = (
    "accounting_method comment cost_code_id currency_configuration description_of_work gross_amount id item_type line_item_id"
    " line_number materials_moved materials_presently_stored materials_presently_stored_from_previous_progress"
    " materials_presently_stored_quantity materials_previously_stored_quantity materials_retainage_retained_moved"
    " materials_stored_retainage_currently_retained materials_stored_retainage_new_materials"
    " materials_stored_retainage_percent_this_period materials_stored_retainage_released_this_period net_amount position"
    " previous_progress_id scheduled_quantity scheduled_unit_price scheduled_value ssr_manual_override status"
    " subcontractor_claimed_amount taxes total_completed_and_stored_to_date total_completed_and_stored_to_date_from_previous"
    " total_completed_and_stored_to_date_percent uom wbs_code work_completed_from_previous_application"
    " work_completed_from_previous_application_quantity work_completed_retainage_from_previous_application"
    " work_completed_retainage_percent_this_period work_completed_retainage_released_this_period"
    " work_completed_retainage_retained_this_period work_completed_this_period work_completed_this_period_quantity"
)
ITEM_V10 = (
    "cost_code_id currency_configuration description_of_work id materials_moved materials_presently_stored"
    " materials_retainage_retained_moved materials_stored_retainage_currently_retained"
    " materials_stored_retainage_percent_this_period materials_stored_retainage_released_this_period position scheduled_quantity"
    " scheduled_unit_price scheduled_value subcontractor_claimed_amount total_completed_and_stored_to_date"
    " total_completed_and_stored_to_date_percent wbs_code work_completed_from_previous_application"
    " work_completed_from_previous_application_quantity work_completed_retainage_from_previous_application"
    " work_completed_retainage_percent_this_period work_completed_retainage_released_this_period"
    " work_completed_retainage_retained_this_period work_completed_this_period work_completed_this_period_quantity"
)
ITEM_OF = {
    CONTRACT_ITEM: f"{ITEM_V10} comment item_type line_item_id ssr_manual_override status",
    CHANGE_ITEM: f"{ITEM_V10} change_order_package_id commitment_line_item_id commitment_line_item_origin_id line_item_id",
}
DETAIL = (
    "balance_to_finish cost_code_id description_of_work id item_number item_type materials_moved materials_presently_stored"
    " materials_retainage_retained_moved materials_stored_retainage_currently_retained"
    " materials_stored_retainage_from_previous_application materials_stored_retainage_percent_this_period"
    " materials_stored_retainage_released_this_period materials_stored_retainage_retained_this_period scheduled_quantity"
    " scheduled_unit_price scheduled_value total_completed_and_stored_to_date total_completed_and_stored_to_date_percent"
    " total_completed_and_stored_to_date_quantity total_retainage_currently_retained total_retainage_from_previous_application"
    " work_completed_from_previous_application work_completed_from_previous_application_quantity"
    " work_completed_retainage_currently_retained work_completed_retainage_from_previous_application"
    " work_completed_retainage_percent_this_period work_completed_retainage_released_this_period"
    " work_completed_retainage_retained_this_period work_completed_this_period work_completed_this_period_quantity"
)


def details(context: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
    contracts, before = contracts_of(context, list(rows)), items.before_each(context, KIND, rows)
    vendors = context.fetch("vendors", (_vendor_id(row, contracts) for row in rows))
    projects = context.fetch("projects", {row["project_id"] for row in rows})
    order = items.sequences(context, KIND, rows)
    found = []
    for row in rows:
        kind, contract = contracts[row["parent_id"]]
        earlier, vendor = before.get(row["id"]), vendors.get(_vendor_id(row, contracts) or 0) or {}
        form = form_of(row, earlier)
        found.append(
            {
                "number": int(row["number"]),
                "commitment_id": row["parent_id"],
                "commitment_type": HOLDERS[kind],
                "contract_name": contract.get("title"),
                "vendor_id": vendor.get("id"),
                "vendor_name": vendor.get("name"),
                "previous_requisition_id": None if earlier is None else earlier["id"],
                "summary": form,
                "summary_text": _summary_text(row, contract, vendor, projects[row["project_id"]]),
                "percent_complete": f"{billing.percent_complete(form)}%",
                "total_claimed_amount": money(sum((_claimed(item) for item in row["items"]), ZERO)),
                "deletable": deletable(row, order[row["parent_id"]][-1]),
                "erp_status": "synced" if row.get("origin_id") else "not_synced",
                "move_materials_to_previous_work_completed": bool(row.get("move_materials")),
                "final": bool(row.get("final")),
                "invoice_type": "progress",
                "currency_configuration": {
                    "currency_iso_code": contract.get("currency_iso_code"),
                    "base_currency_iso_code": contract.get("currency_iso_code"),
                    "currency_exchange_rate": 1,
                },
                "created_by": {**USER, "company_name": vendor.get("name")},
                "attachments": [],
                "custom_fields": {},
            }
        )
    return found


def _vendor_id(row: Record, contracts: Mapping[int, tuple[str, Record]]) -> int | None:
    id = row.get("vendor_id") or contracts[row["parent_id"]][1].get("vendor_id")
    return None if id is None else int(id)


def _claimed(item: Item) -> Decimal:
    return Decimal(item.get("subcontractor_claimed_amount") or billing.of(item, billing.WORK))


def form_of(row: Record, before: Record | None) -> dict[str, Any]:
    period = items.period_text(row.get("requisition_start"), row.get("requisition_end"))
    form = billing.summary(row["items"], before["items"] if before is not None else [], row.get("stored_summary"), period)
    return {**form, "new_materials_quantity": None, "stored_materials_quantity": None}


def _summary_text(row: Record, contract: Record, vendor: Mapping[str, Any], project: Record) -> dict[str, Any]:
    return {
        "application_number": row.get("invoice_number"),
        "contract_date": contract.get("signed_contract_received_date"),
        "contract_for": contract.get("title"),
        "project_name": project.get("name"),
        "project_number": project.get("project_number"),
        "requisition_period_start": row.get("requisition_start"),
        "requisition_period_end": row.get("requisition_end"),
        "subcontractor_name": vendor.get("name"),
        "subcontractor_street": vendor.get("address"),
        "subcontractor_city": vendor.get("city"),
        "subcontractor_state_code": vendor.get("state_code"),
        "subcontractor_country_code": vendor.get("country_code"),
        "subcontractor_zip": vendor.get("zip"),
        "to_general_contractor": COMPANY_NAME,
    }


def deletable(row: Record, last_id: int) -> bool:
    """Only the last one of its contract, as long as no external id locks it."""
    return bool(last_id == row["id"] and not row.get("origin_id"))


def with_items(context: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
    """The header with its items and the contract and change orders they belong to."""
    found = details(context, rows)
    for row, more, shown in zip(rows, found, all_items(context, rows), strict=True):
        for item in shown:
            item["currency_configuration"] = more["currency_configuration"]
            item["wbs_code"] = item["wbs_code_with_segments"]
        more["items"] = items.named(shown, ITEM)
        more["item_packages"] = _packages(context, row, more)
    return found


def all_items(context: Context, rows: Sequence[Record]) -> list[list[dict[str, Any]]]:
    """Every figure of the items of each document."""
    contracts, before = contracts_of(context, list(rows)), items.before_each(context, KIND, rows)
    lines = items.lines_behind(context, (item for row in rows for item in row["items"]))
    codes = items.codes_behind(context, lines)
    return [items.shown(context, row, before.get(row["id"]), contracts[row["parent_id"]][1], lines, codes) for row in rows]


def _packages(context: Context, row: Record, header: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The contract first, then each change order on the document."""
    packages = context.fetch(PACKAGES, row.get("packages") or ())
    empty = dict.fromkeys(("batch", "change_order_request", "change_order_acronym_number", "change_order_id", "contract_id"))
    found = [{**empty, "id": row["parent_id"], "contract_id": row["parent_id"], "number": None, "status": None, "position": 1}]
    found[0]["title"] = header["contract_name"]
    for position, id in enumerate(row.get("packages") or (), start=2):
        package = packages[id]
        brief = {name: package.get(name) for name in ("id", "number", "status", "title")}
        found.append(
            {
                **empty,
                **brief,
                "change_order_id": id,
                "change_order_acronym_number": f"CO #{package['number']}",
                "position": position,
            }
        )
    return found


DEFAULT_VIEW = dated(picked(details, HEADER), "submitted_at")
ITEMS_VIEW = dated(picked(with_items, f"{HEADER} items item_packages"), "submitted_at")
VIEWS = {"default": DEFAULT_VIEW, "extended": ITEMS_VIEW, "items": ITEMS_VIEW, "action_policy": DEFAULT_VIEW}

# -- writing -----------------------------------------------------------------------------------------------------------


def enter(context: Context) -> None:
    """A new requisition names its commitment beside its attributes; 404 for a prime contract too."""
    if context.call.method == "POST":
        id = contract_id(context.call.json(), "commitment_id")
        if id is None:
            raise Refused(400, "commitment_id is missing", {"commitment_id": ["is missing"]})
        context.scope["contract_kind"], context.parent = find_contract(context, id, COMMITMENTS)
    if context.call.method == "PATCH":
        named = contract_id(context.call.json(), "commitment_id")  # required, as the description says
        invoice = context.store.get(KIND, int(context.call.params.get("id", 0)))
        if named is not None and invoice is not None and invoice["parent_id"] != named:
            raise not_found("Requisition")


def prepare(context: Context, draft: Record, sent: Mapping[str, Any], existing: Record | None) -> None:
    """Items and number of a new requisition; changes of an existing one, refused while an external id locks it."""
    _refuse_without_admin(context, existing)
    given = draft.pop("sent_items", None)
    items.check_period(context, draft, existing)
    kind, contract = find_contract(context, draft["parent_id"], COMMITMENTS)
    if existing is None:
        items.open_document(context, KIND, draft, kind, contract, packages=None)
        draft["vendor_id"] = contract.get("vendor_id")
    if given:
        draft["items"] = items.changed(context, KIND, draft, contract, given)
    locks.refuse_synced(context, draft, existing, WHAT)
    if existing is not None and draft["items"] != existing["items"]:
        items.refuse_earlier(context, KIND, existing)


def _refuse_without_admin(context: Context, existing: Record | None) -> None:
    """Raises 403 for an invoice that only an admin of the commitments tool may change, if this account is none (§14)."""
    settings = context.settings
    if existing is None or context.call.person or settings.commitments_admin or not settings.linked_invoice_needs_admin:
        return
    latest = items.sequences(context, KIND, [existing])[existing["parent_id"]][-1]
    if existing["status"] in APPROVED or existing["id"] != latest:
        raise Refused(
            403, "Only admins of Commitments may update an invoice that is approved or not the latest of its commitment"
        )


def removing(context: Context, row: Record) -> None:
    """Raises 422 unless the requisition is deletable."""
    locks.refuse_synced_delete(context, row, WHAT)
    if not deletable(row, items.sequences(context, KIND, [row])[row["parent_id"]][-1]):
        raise Invalid({"base": ["cannot be deleted: only the last invoice of a commitment can"]}, 422)


# -- calls on one requisition ------------------------------------------------------------------------------------------


def _requisition(context: Context) -> Record:
    """The requisition of the path, in the project of the query."""
    project = contract_id(dict(context.call.args), "project_id")
    if project is None:
        raise Refused(400, "project_id is missing", {"project_id": ["is missing"]})
    context.enter_project(project)
    found = context.store.get(KIND, int(context.call.params["requisition_id"]))
    if found is None or found["project_id"] != context.project_id or found["deleted_at"]:
        raise not_found("Requisition")
    return found


def list_items(item_type: str) -> Callable[[Context], Reply]:
    """GET ``/contract_items`` and ``/change_order_items``, the latter with ``filters[change_order_id]``."""

    def handle(context: Context) -> Reply:
        wanted = context.call.filters().get("change_order_id")
        rows = [
            row
            for row in all_items(context, [_requisition(context)])[0]
            if row["item_type"] == item_type and (wanted is None or str(row["change_order_package_id"]) in wanted)
        ]
        page = page_of(context.call, Paging(), len(rows))
        shown = items.named(rows[page.offset : page.offset + page.size], ITEM_OF[item_type])
        return Reply(200, shown, page.headers(context.call))

    return handle


def detail_items(context: Context) -> Reply:
    """GET ``/contract_detail_items``: no commitment here has a breakdown of the subcontractor's own."""
    _requisition(context)
    return Reply(200, [], page_of(context.call, Paging(), 0).headers(context.call))


def detail(context: Context) -> Reply:
    """GET ``/detail``: the continuation sheet."""
    return Reply(200, items.named(all_items(context, [_requisition(context)])[0], DETAIL))


def update_items(resource: Resource) -> Callable[[Context], Reply]:
    """PATCH ``/bulk_item_update``: all rows or none."""

    def handle(context: Context) -> Reply:
        row = _requisition(context)
        try:
            given = rows_of(context.call.json().get("requisition_items"))
        except Wrong as problem:
            raise Invalid({"requisition_items": [str(problem)]}) from None
        written = engine.write(resource, context, {"items": given}, row, "u")
        return Reply(200, items.named(all_items(context, [written])[0], ITEM))

    return handle


def _package(context: Context, row: Record) -> Record:
    """The package that the query names, of the requisition's commitment, which the query names too."""
    args = dict(context.call.args)
    for name in ("commitment_id", "change_order_package_id"):
        if contract_id(args, name) is None:
            raise Refused(400, f"{name} is missing", {name: ["is missing"]})
    package = context.one(PACKAGES, contract_id(args, "change_order_package_id"))
    if contract_id(args, "commitment_id") != row["parent_id"] or package is None or package["parent_id"] != row["parent_id"]:
        raise not_found("Change order package")
    return package


def add_package(context: Context) -> Reply:
    """POST ``/add_change_order_package``: 201 with the added items. Only approved packages can be billed (422)."""
    row = _requisition(context)
    package = _package(context, row)
    if package["status"] != "approved":
        raise Invalid({"change_order_package_id": [f"is {package['status']}; only approved change orders can be billed"]}, 422)
    if package["id"] in (row.get("packages") or ()):
        raise Invalid({"change_order_package_id": ["is on this invoice already"]}, 422)
    lines = package_lines(context, package["id"], row["parent_id"])
    added = [billing.opened(line, CHANGE_ITEM, None, moving=False) for line in lines]
    changed = {**row, "packages": [*(row.get("packages") or []), package["id"]]}
    changed["items"] = items.numbered(context, [*row["items"], *added])
    _put(context, row, changed)
    rows = [item for item in all_items(context, [changed])[0] if item["change_order_package_id"] == package["id"]]
    return Reply(201, items.named(rows, ITEM_OF[CHANGE_ITEM]))


def remove_package(context: Context) -> Reply:
    """DELETE ``/remove_change_order_package``: its items go with it. Refused (422) once it was billed before."""
    row = _requisition(context)
    package = _package(context, row)
    if package["id"] not in (row.get("packages") or ()):
        raise not_found("Change order package")
    own = [item for item in row["items"] if item.get("change_order_package_id") == package["id"]]
    if any(billing.completed_before(item) for item in own):
        raise Invalid({"change_order_package_id": ["was billed on an earlier invoice"]}, 422)
    changed = {**row, "packages": [id for id in row["packages"] if id != package["id"]]}
    changed["items"] = items.numbered(context, [item for item in row["items"] if item not in own])
    _put(context, row, changed)
    return Reply(200, {"id": row["id"]})


def _put(context: Context, before: Record, changed: Record) -> None:
    """Store a requisition whose change orders changed, if it may be changed."""
    locks.refuse_synced(context, changed, before, WHAT)
    items.refuse_earlier(context, KIND, before)
    context.store.put(KIND, {**changed, "updated_at": context.clock.stamp()})
    context.forget(KIND)


def missing(refused: Refused) -> dict[str, Any]:
    """404 of requisitions and payment applications: ``{message, exception}`` (§1.9)."""
    return refused.body("exception")


def own_shape(handler: Callable[[Context], Reply]) -> Callable[[Context], Reply]:
    return shapes.shaped(handler, {404: missing})
