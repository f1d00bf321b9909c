"""The usual plans of an entity, and the words that its steps are told with."""

from __future__ import annotations

from collections.abc import Callable

from include.financials.port import Action, Item
from include.procore import payloads
from include.procore.entity import Plan, Write
from include.procore.resources import Resource
from include.procore.writing.single import Noted, Single
from include.procore.writing.sync import Sync
from include.procore.writing.way import always, company, project_of

CREATED, UPDATED, LINKED = "created in Procore", "updated in Procore", "linked in Procore"
GIVEN_LINES, GIVEN_ID = "given their lines in Procore", "given their external ids in Procore"


def records(
    resource: Resource,
    fields: payloads.Fields,
    *,
    created: payloads.Build | None = None,
    kind: type[Sync] = Sync,
    place: payloads.Name = company,
    numbered: bool = False,
) -> dict[Action, tuple[Write, ...]]:
    """Records whose sync action takes all of their content. ``created``: what a new one is given, if not just ``fields``."""
    link = payloads.numbered if numbered else payloads.nothing
    create = kind(resource, created or payloads.created(fields), place, creates=True)
    update = kind(resource, payloads.changed(fields), place, payloads.is_changed(fields), by_content=True)
    return {
        "create": (Write("create", create, CREATED),),
        "update": (Write("update", update, UPDATED),),
        "link": (Write("link", kind(resource, link, place), LINKED),),
    }


def linked(resource: Resource, build: payloads.Build = payloads.external, contract: str | None = None) -> Plan:
    """Documents that are born in Procore and only take our external ids, one call each."""
    return {"link": (Write("link", Single(resource, build, project_of, contract), LINKED, batch=1),)}


def noted(resource: Resource, contract: str | None = None, wanted: Callable[[Item], bool] = always, name: str = "final") -> Write:
    """The state that is final in the ERP, shown in what the integration notes."""
    way = Noted(resource, payloads.noted, project_of, contract, wanted)
    return Write(name, way, "shown as final in Procore", batch=1)
