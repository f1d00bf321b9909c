"""What to do with a record that passed: the plan of its work, from its match alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from include.financials.entity import Entity
from include.financials.identity import canonical_json, content, differing, known
from include.financials.judging.changes import joined
from include.financials.judging.subject import Subject
from include.financials.record import Record

if TYPE_CHECKING:
    from include.financials.ledger import Link


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


def both_ended(number: str, link: Link | None) -> dict[str, Any]:
    """Outcome of a record that is over in Procore and in the ERP: the load closes this link of it."""
    work = canonical_json({"link": link.version if link is not None else None})
    return {"action": "close", "state": "skipped", "rule": None, "message": ended_on_both_sides(number), "work": work}


def plan(row: Entity, subject: Subject) -> dict[str, Any]:
    """What to do with a record that passed: nothing, adopt, link, update or create."""
    match, record = subject.match, subject.record
    after = content(record, row.content)
    if match.how == "link" and match.link is not None:
        if match.link.status == "pending":
            return _work("create", subject, (), agreed=match.link.content, finished=match.finished)
        before = known(match.link.content or {}, row.content)
        changed = tuple(name for name in differing(before, after) if name not in row.frozen)
        changed += tuple(name for name in drifted(row, subject) if name not in changed)
        return _work("update", subject, changed) if changed else {"action": "unchanged", "state": "linked"}
    if match.decision is not None and match.target is not None:
        changed = differing(content(match.target, row.content), after)
        action = "link" if match.how == "marker" else "adopt"
        return _work(action, subject, changed if action == "link" else (), agreed=joined(row, record, match.target))
    if match.how == "external_id":
        return _work("adopt", subject, ())
    if match.how == "marker":
        held = content(match.target, row.content) if match.target else None
        changed = differing(held, after) if held is not None else ()
        # Linking writes external ids only: what the target holds is what is agreed, the rest is the next run's update.
        return _work("link", subject, changed, agreed=held)
    return _work("create", subject, ())


def drifted(row: Entity, subject: Subject) -> tuple[str, ...]:
    """What somebody changed on the target of a record that the ERP owns: the owner's content is written again. Compared with the
    target as this run has read it, for what was agreed on may be there no longer."""
    target = subject.match.target
    if subject.side != "erp" or target is None or not row.restored:
        return ()
    names = tuple(name for name in row.restored if name in row.content)
    there, here = content(target, row.content), content(subject.record, row.content)
    return tuple(name for name in differing(there, here) if name in names)


def _work(
    action: str, subject: Subject, changes: tuple[str, ...], agreed: Mapping[str, Any] | None = None, *, finished: bool = False
) -> dict[str, Any]:
    """``agreed``: contents that the target holds already, where that is not what the record says by now. ``link``: the link that
    this was decided on; a load that finds another one leaves the record to the next run."""
    link = subject.match.link
    work = {
        "record": subject.record.model_dump(mode="json"),
        "changes": list(changes),
        "level": getattr(subject.record, "level", None) or getattr(subject.record, "sequence", 0),
        "agreed": agreed,
        "finished": finished,
        "link": link.version if link is not None else None,
    }
    return {"action": action, "state": "linked", "work": canonical_json(work)}
