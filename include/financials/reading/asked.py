"""What workflows in Procore ask our account about documents: asked when these are extracted, answered when they are loaded."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import asdict, replace

from include.financials.asking import Asked, Question
from include.financials.entity import Entity
from include.financials.exceptions import ContractBroken, NotPermitted, Refused, RetryLater
from include.financials.ledger import Seen, key_of
from include.financials.record import PROJECTS
from include.financials.view import Sync

log = logging.getLogger(__name__)

Memory = Mapping[tuple[str, str], Seen]


def ask_what_is_asked(sync: Sync, entity: str, shard: int, scopes: list[str] | None, known: Memory) -> list[tuple[str, str]]:
    """Documents about which a workflow asks our account, by (project, id): read whatever their last change was, for the answer is
    what this run finds. Noted for the load; a project that does not tell is asked again by the next run."""
    if not sync.settings.workflow.answered(entity):
        return []
    found: dict[str, Question] = {}
    linked, procore = sync.links(PROJECTS).by_procore, sync.systems["procore"]
    for project in [scope for scope in scopes or () if scope in linked]:
        try:
            found |= procore.questions(entity, project)
        except (NotPermitted, Refused, ContractBroken, RetryLater) as error:
            log.warning("what workflows ask us about %s of project %s is not known: %s", entity, project, error)
    told = {ident: asdict(question) for ident, question in found.items()}
    sync.note(entity, shard, replace(sync.noted(entity, shard), questions=told))
    numbers = {ident: known[key].number for ident in found if (key := key_of("procore", "", ident)) in known}
    return [(q.project, ident) for ident, q in found.items() if ident not in numbers or sync.run.wants(numbers[ident])]


def note_steps(sync: Sync, row: Entity, shard: int, waiting: Mapping[str, Collection[str]]) -> None:
    """At which step a document is that waits and is under a workflow: there it moves on. ``waiting``: ids by project."""
    found: dict[str, Asked] = {}
    for project, ids in waiting.items():
        try:
            found |= sync.systems["procore"].asked(row.name, project, ids)
        except (NotPermitted, Refused, ContractBroken) as error:
            log.warning("which workflows the %ss of project %s are under is not known: %s", row.label, project, error)
    under = {ident: str(asked) for ident, asked in found.items()}
    sync.note(row.name, shard, replace(sync.noted(row.name, shard), under=under))


def asked_of_us(sync: Sync, entity: str, shard: int) -> dict[str, Question]:
    """What a workflow asked our account about documents when they were extracted, by document id."""
    found = sync.noted(entity, shard).questions
    return {
        ident: Question(**{**one, "options": tuple((key, name) for key, name in one["options"])}) for ident, one in found.items()
    }
