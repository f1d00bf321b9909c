"""Which writes an entity takes: the one table of this package. Capabilities follow from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from include.financials.port import Action, Capability, Item, Step
from include.procore import payloads
from include.procore.resources import CONTRACTS, ENTITY_RESOURCES, RESOURCES
from include.procore.writing.budgets import BudgetLines
from include.procore.writing.codes import Codes, CodeTypes, CostTypes
from include.procore.writing.lines import Lines
from include.procore.writing.once import Once
from include.procore.writing.single import Noted, Single
from include.procore.writing.sync import Sync
from include.procore.writing.way import Way, always, company, project_of


@dataclass(frozen=True, slots=True)
class Write:
    """One step of an action and the way it is written."""

    name: str
    way: Way
    done: str
    batch: int = 1000
    levels: bool = False
    keyless: bool = False


Plan = Mapping[Action, tuple[Write, ...]]

_CREATED, _UPDATED, _LINKED = "created in Procore", "updated in Procore", "linked in Procore"
_GIVEN_LINES, _GIVEN_ID = "given their lines in Procore", "given their external ids in Procore"


def _is_order(item: Item) -> bool:
    return getattr(item.record, "kind", None) == "purchase_order"


def _records(
    resource: str, *, kind: type[Sync] = Sync, place: payloads.Name = company, numbered: bool = False
) -> dict[Action, tuple[Write, ...]]:
    """Records whose sync action takes all of their content."""
    link = payloads.numbered if numbered else payloads.nothing
    create = kind(resource, payloads.created, place, creates=True, whole=True)
    update = kind(resource, payloads.changed, place, payloads.is_changed, by_content=True, whole=True)
    return {
        "create": (Write("create", create, _CREATED),),
        "update": (Write("update", update, _UPDATED),),
        "link": (Write("link", kind(resource, link, place, whole=True), _LINKED),),
    }


def _link(resource: str, build: payloads.Build = payloads.external, contract: str | None = None) -> Plan:
    """Documents that are born in Procore and only take our external ids, one call each."""
    return {"link": (Write("link", Single(resource, build, project_of, contract), _LINKED, batch=1),)}


def _note(resource: str, contract: str | None = None, wanted: Callable[[Item], bool] = always, name: str = "final") -> Write:
    """The state that is final in the ERP, shown in what the integration notes."""
    way = Noted(resource, payloads.noted, project_of, contract, wanted)
    return Write(name, way, "shown as final in Procore", batch=1)


def _payments(contract: str) -> Plan:
    """Header and external id in one request: a payment has no lines that would have to be there before the external id locks it,
    and a request that does all is either there as a whole or not at all. It takes no second one to find out which."""
    create = Once("contract_payments", payloads.payment, contract=contract)
    return {
        "create": (Write("payment", create, _CREATED, batch=1, keyless=True),),
        **_link("contract_payments", contract=contract),
        "final": (_note("contract_payments", contract),),
    }


# projects/sync does not take origin_code (2.1).
_NUMBER = Write(
    "origin_code",
    Single("projects", payloads.numbered, company, looks=True, whole=True),
    "numbered in Procore",
    batch=1,
)
# The sync of cost codes knows no cost types (4).
_TYPES = Write("wbs", CodeTypes(), "given their cost types in Procore")
_OWNER = Write("owner", Sync("projects", by_content=True), "given their owner in Procore")
_BUDGET = (Write("lines", BudgetLines(), _GIVEN_LINES, batch=1), _OWNER)

PLANS: dict[str, Plan] = {
    "vendors": _records("vendors", numbered=True),
    "vendor_insurances": _records("vendor_insurances"),
    "customers": _records("vendors", numbered=True),
    "projects": {action: (*writes, _NUMBER) for action, writes in _records("projects").items()},
    "sub_jobs": _records("sub_jobs", place=project_of),
    "tax_codes": _records("tax_codes"),
    "cost_types": _records("cost_types", kind=CostTypes),
    "cost_codes": {
        "create": (Write("create", Codes("", payloads.created, creates=True), _CREATED, levels=True), _TYPES),
        "update": (Write("update", Codes("", payloads.changed, wanted=payloads.is_changed, by_content=True), _UPDATED), _TYPES),
        # Linking a code writes external ids only; its missing types are content, and content is the next update's.
        "link": (Write("link", Codes(""), _LINKED),),
    },
    "budgets": {"create": _BUDGET, "update": _BUDGET, "link": (_OWNER,)},
    "budget_changes": {},
    # The external id locks a direct cost, so it comes last (2.4); until then its key in origin_data tells whose it is.
    "direct_costs": {
        "create": (
            Write(
                "header",
                Sync("direct_costs", payloads.created, project_of, key="origin_data", creates=True),
                _CREATED,
                keyless=True,
            ),
            Write("lines", Lines("direct_cost_lines", payloads.as_number, "direct_cost_id"), _GIVEN_LINES),
            Write("external_id", Sync("direct_costs", place=project_of), _GIVEN_ID),
        ),
        "link": (Write("link", Sync("direct_costs", place=project_of), _LINKED),),
    },
    "commitments": {
        "link": (
            Write(
                "link",
                Sync("work_order_contracts", payloads.numbered, project_of, lambda item: not _is_order(item)),
                _LINKED,
            ),
            # An entry of the purchase order sync has no id, so it would make a second order (2.2): they are linked one by one.
            Write(
                "link_order",
                Single("purchase_order_contracts", payloads.external_numbered, project_of, wanted=_is_order),
                _LINKED,
                batch=1,
            ),
        ),
        "final": (
            _note("work_order_contracts", wanted=lambda item: not _is_order(item)),
            _note("purchase_order_contracts", wanted=_is_order, name="final_order"),
        ),
    },
    "commitment_change_orders": {
        **_link("change_order_packages", payloads.external_numbered),
        "final": (_note("change_order_packages"),),
    },
    # The external id locks an invoice, and these calls write nothing else.
    "subcontractor_invoices": {**_link("requisitions"), "final": (_note("requisitions"),)},
    "payments_issued": _payments("commitment"),
    "prime_contracts": {
        "create": (
            Write(
                "header",
                Once("prime_contracts", payloads.prime_contract, key="origin_data", numbered=True),
                _CREATED,
                batch=1,
                keyless=True,
            ),
            Write("lines", Lines("prime_contract_lines", payloads.as_text), _GIVEN_LINES, batch=1),
            Write("external_id", Single("prime_contracts", payloads.external, project_of), _GIVEN_ID, batch=1),
        ),
        "update": (
            Write(
                "update",
                Single("prime_contracts", payloads.changed, project_of, wanted=payloads.is_changed),
                _UPDATED,
                batch=1,
            ),
        ),
        **_link("prime_contracts"),
        "final": (_note("prime_contracts"),),
    },
    "prime_change_orders": {
        **_link("change_order_packages", payloads.external_numbered),
        "final": (_note("change_order_packages"),),
    },
    "owner_invoices": {
        **_link("payment_applications", contract="prime_contract"),
        "final": (_note("payment_applications", "prime_contract"),),
    },
    "payments_received": _payments("prime_contract"),
}

STEPS: dict[tuple[str, Action], tuple[Step, ...]] = {
    (entity, action): tuple(
        Step("procore", entity, write.name, batch=write.batch, levels=write.levels, done=write.done, keyless=write.keyless)
        for write in writes
    )
    for entity, plan in PLANS.items()
    for action, writes in plan.items()
}
WAYS: dict[tuple[str, str], Way] = {
    (entity, write.name): write.way for entity, plan in PLANS.items() for writes in plan.values() for write in writes
}


_SHOWN_WHOLE = frozenset(("budget_changes", "commitments", "commitment_change_orders", "prime_change_orders", "owner_invoices"))
"""Documents born in Procore whose read looks through all of their list; that of requisitions is filtered."""


def _capability(entity: str) -> Capability:
    plan = PLANS[entity]
    lists = CONTRACTS.values() if entity == "commitments" else (ENTITY_RESOURCES[entity],)
    return Capability(
        create="create" in plan,
        update="update" in plan,
        link="link" in plan,
        lists_all=entity in _SHOWN_WHOLE,
        changed_since=all("updated_at" in RESOURCES[name].filters for name in lists),
    )


CAPABILITIES: dict[str, Capability] = {entity: _capability(entity) for entity in PLANS}
