"""What to do with a record that passed: the plan of its work, from its match alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from include.financials.entity import Entity
from include.financials.identity import content, differing, known
from include.financials.judging.changes import joined
from include.financials.judging.subject import Subject
from include.financials.ledger import Judged, Link
from include.financials.record import Record
from include.financials.work import Work


def half_made(row: Entity, record: Record, target: Record) -> dict[str, Any] | None:
    """Contents of a record of ours in Procore that shows by itself that its creation was not finished, also to a ledger that
    knows nothing: the first step's are there and equal, all that is missing is what a later one brings. None: it is finished."""
    if not row.later or (row.document and target.origin_id):  # the external id of a document comes last
        return None
    there, wanted = content(target, row.content), content(record, row.content)
    missing = [name for name in differing(there, wanted) if name in row.later]
    if missing != list(differing(there, wanted)) or any(_more_there(there[n], wanted[n]) for n in missing):
        return None
    if not row.document and not missing and ("origin_code" not in row.later or target.origin_code):
        return None
    return {**there, **{name: wanted[name] for name in missing}}


def _more_there(there: Any, wanted: Any) -> bool:
    """Whether people have added to a set on the target: then nothing is missing there."""
    return isinstance(wanted, list) and bool(set(there or ()) - set(wanted))


def ended_on_both_sides(number: str) -> str:
    return f"{number} ended on both sides; its link is closed"


def both_ended(judged: Judged, number: str, link: Link | None) -> Judged:
    """Of a record that is over in Procore and in the ERP: the load closes this link of it."""
    work = Work(link.version if link is not None else None).text()
    return judged._replace(action="close", state="skipped", message=ended_on_both_sides(number), work=work)


def planned(judged: Judged, row: Entity, subject: Subject) -> Judged:
    """What to do with a record that passed: nothing, adopt, link, update or create."""

    def work(
        action: str, changes: tuple[str, ...] = (), *, agreed: Mapping[str, Any] | None = None, finished: bool = False
    ) -> Judged:
        level: int = getattr(record, "level", None) or getattr(record, "sequence", None) or 0
        link = match.link.version if match.link is not None else None
        todo = Work(link, record.model_dump(mode="json"), changes, level, agreed, finished)
        return judged._replace(action=action, work=todo.text())

    match, record = subject.match, subject.record
    after = content(record, row.content)
    if match.how == "link" and match.link is not None:
        if match.link.status == "pending":
            return work("create", agreed=match.link.content, finished=match.finished)
        before = known(match.link.content or {}, row.content)
        changed = tuple(name for name in differing(before, after) if name not in row.frozen)
        changed += tuple(name for name in drifted(row, subject) if name not in changed)
        return work("update", changed) if changed else judged._replace(action="unchanged")
    if match.decision is not None and match.target is not None:
        changed = differing(content(match.target, row.content), after)
        action = "link" if match.how == "marker" else "adopt"
        return work(action, changed if action == "link" else (), agreed=joined(row, record, match.target))
    if match.how == "external_id":
        return work("adopt")
    if match.how == "marker":
        held = content(match.target, row.content) if match.target else None
        changed = differing(held, after) if held is not None else ()
        # Linking writes external ids only: what the target holds is what is agreed, the rest is the next run's update.
        return work("link", changed, agreed=held)
    return work("create")


def drifted(row: Entity, subject: Subject) -> tuple[str, ...]:
    """What somebody changed on the target of a record that the ERP owns: the owner's content is written again. Compared with the
    target as this run has read it, for what was agreed on may be there no longer."""
    target = subject.match.target
    if subject.side != "erp" or target is None or not row.restored:
        return ()
    names = tuple(name for name in row.restored if name in row.content)
    there, here = content(target, row.content), content(subject.record, row.content)
    return tuple(name for name in differing(there, here) if name in names)
