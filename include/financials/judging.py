"""What all checks share: from a verdict to an outcome row, a plan of work, and the ledger's memory of the record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from include.financials.entities import ENTITIES, Entity
from include.financials.facts import Row, Subject
from include.financials.figures import figures
from include.financials.identity import canonical_json, content, differing, digest, known, parse_origin, plain
from include.financials.ledger import Link, stamp
from include.financials.matching import Match
from include.financials.models import Project, Record
from include.financials.money import text
from include.financials.port import Capability, Invalid
from include.financials.rules import FIELD_RULE, Finding, Verdict, judge, rules_of
from include.financials.view import Sync

Judge = Callable[[str, Sequence[Row], Sequence[Row]], list[Finding]]
"""(entity, record rows, line rows) -> findings: plain Python, or Great Expectations at a gate."""


def judge_rows(entity: str, records: Sequence[Row], lines: Sequence[Row]) -> list[Finding]:
    rules = rules_of(entity)
    return judge([r for r in rules if r.grain == "record"], records) + judge([r for r in rules if r.grain == "line"], lines)


class Judging:
    """One entity's check in one or all of its shards."""

    def __init__(self, sync: Sync, row: Entity, shard: int) -> None:
        # What the ERP does not keep is nothing that the two sides could agree on.
        self.sync, self.row, self.shard = sync, row.kept(sync.kept_by_erp(row.name)), shard
        self.capability: Capability = sync.systems[row.target].capabilities().get(row.name, Capability())
        self.seen = sync.ledger.seen(row.name, row.source)
        self.decisions = sync.ledger.decisions(row.name)
        self.begun = sync.ledger.begun(row.name)
        self.candidates = sync.ledger.candidates(row.name, sync.run.run_id) if row.gate else set()

    def skip(self, subject: Subject) -> str | None:
        """Why a record that has no counterpart is not due; None: it is."""
        raise NotImplementedError

    def ended(self, subject: Subject) -> bool:
        """Whether a linked record counts for nothing any more on either side: they agree, and the link is over."""
        return False

    def unfinished(self, match: Match, company: str, record: Record) -> Match:
        """A counterpart that carries our external id because an earlier run made it, and ended before it could write the link:
        its steps go on. It is not adopted, which would leave out the steps that are missing."""
        item = self.begun.get((company, record.id))
        if match.how != "external_id" or match.target is None or match.broken or item is None:
            return match
        made = content(self.row.model.model_validate(item["record"], strict=False), self.row.content)
        erp, procore = (record, match.target) if self.row.source == "erp" else (match.target, record)
        link = Link(self.row.name, company, erp.id, procore.id, record.number, content=made, status="pending")
        return Match("link", link=link, target=match.target)

    def left_out(self, own: Record, match: Match) -> Row:
        """The first record it names of an entity that the ERP's mapping leaves out: nobody can say what that is called there.
        What is linked has been placed already."""
        out = self.sync.left_out if match.how != "link" else frozenset()
        for entity in out & set(self.row.waits):
            return {"left_out": f"the {ENTITIES[entity].label}", "left_out_entity": entity.replace("_", " ")}
        for name, entity in self.row.references.items():
            if entity not in out:
                continue
            head, _, rest = name.partition(".")
            value = getattr(own, head)
            values = [getattr(one, rest) for one in value] if rest else value if isinstance(value, tuple) else (value,)
            named = next((one for one in values if one), None)
            if named:
                label = f"{ENTITIES[entity].label} {self.called(entity, named)}"
                return {"left_out": label, "left_out_entity": entity.replace("_", " ")}
        return {"left_out": None, "left_out_entity": None}

    def called(self, entity: str, ident: str) -> str:
        """What people call a record of the source; an ERP's key is what it is called."""
        return ident

    def hash_of(self, record: Record) -> str:
        return source_hash(record)

    def result(self, subject: Subject, verdict: Verdict | None) -> dict[str, Any]:
        reason = self.skip(subject)
        base = self.base(subject)
        if self.ended(subject):
            return {**base, **both_ended(subject.record.number)}
        if reason:
            return {**base, "action": "none", "state": "skipped", "rule": None, "message": reason}
        if verdict is not None and verdict.state != "linked":
            return {
                **base,
                "action": "none",
                "state": verdict.state,
                "rule": verdict.rule,
                "waits_for": verdict.waits_for,
                "message": verdict.message,
            }
        return {**base, **plan(self.row, subject)}

    def base(self, subject: Subject) -> dict[str, Any]:
        own, amount = subject.own, getattr(subject.own, "amount", None)
        hashed = self.hash_of(own)
        known = self.seen.get((subject.company, own.id))
        return blank(self.sync, self.row, self.shard) | {
            "company": subject.company,
            "side": subject.side,
            "id": own.id,
            # An ERP record keeps its own number (a cost type has another one in Procore); Procore's document gets its full one.
            "number": own.number if subject.side == "erp" else subject.record.number,
            "project": getattr(subject.record, "project", None) or (own.number if isinstance(own, Project) else None),
            "amount": text(amount) if amount is not None else None,
            "currency": getattr(own, "currency", None),
            "source_hash": hashed,
            "content_hash": digest(content(subject.record, self.row.content)),
            "how": subject.match.how,
            "procore_id": subject.procore_id,
            "erp_key": subject.erp_key,
            "judged": known is None or known["source_hash"] != hashed or (subject.company, own.id) in self.candidates,
            # Apply mode remembers them with the record; a plan leaves nothing but its own rows.
            "figures": canonical_json(figures(subject.record) | {"own": _own(own)}) if self.sync.run.plan else None,
        }

    def unusable(self, bad: Invalid) -> dict[str, Any]:
        """A record that cannot be read is still the one it was: the ledger goes on remembering its number and its figures."""
        companies = {company for company, record_id in self.seen if record_id == bad.id}
        company = companies.pop() if len(companies) == 1 else bad.scope or ""
        known = self.seen.get((company, bad.id))
        hashed, number = digest([bad.field, bad.message]), known["number"] if known is not None else bad.number
        return blank(self.sync, self.row, self.shard) | {
            "company": company,
            "side": self.row.source,
            "id": bad.id,
            "number": number,
            "state": "quarantined",
            "rule": FIELD_RULE[self.row.name],
            "message": (
                f"{self.row.label.capitalize()} {number}: field {bad.field}: {bad.message}. Correct it in {self.row.source}."
            ),
            "source_hash": hashed,
            "judged": known is None or known["source_hash"] != hashed,
        }

    def remembered(self, result: Mapping[str, Any], subject: Subject) -> dict[str, Any]:
        known = self.seen.get((subject.company, subject.own.id))
        return memory(self.row, result, subject.own, known) | {"figures": canonical_json(figures(subject.record))}


def ended_on_both_sides(number: str) -> str:
    return f"{number} ended on both sides; its link is closed"


def both_ended(number: str) -> dict[str, Any]:
    """Outcome of a record that is over in Procore and in the ERP: the load closes its link."""
    return {"action": "close", "state": "skipped", "rule": None, "message": ended_on_both_sides(number)}


def plan(row: Entity, subject: Subject) -> dict[str, Any]:
    """What to do with a record that passed: nothing, adopt, link, update or create."""
    match, record = subject.match, subject.record
    after = content(record, row.content)
    if match.how == "link" and match.link is not None:
        if match.link.status == "pending":
            return _work("create", subject, (), agreed=match.link.content)
        before = known(match.link.content or {}, row.content)
        changed = tuple(name for name in differing(before, after) if name not in row.frozen)
        changed += tuple(name for name in drifted(row, subject) if name not in changed)
        return _work("update", subject, changed) if changed else {"action": "unchanged", "state": "linked"}
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


def _work(action: str, subject: Subject, changes: tuple[str, ...], agreed: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """``agreed``: contents that the target holds already, where that is not what the record says by now."""
    work = {
        "record": subject.record.model_dump(mode="json"),
        "changes": list(changes),
        "level": getattr(subject.record, "level", None) or getattr(subject.record, "sequence", 0),
        "agreed": agreed,
    }
    return {"action": action, "state": "linked", "work": canonical_json(work)}


def blank(sync: Sync, row: Entity, shard: int) -> dict[str, Any]:
    """An outcome row in which nothing has been said yet."""
    return {
        "run_id": sync.run.run_id,
        "entity": row.name,
        "shard": shard,
        "project": None,
        "action": "none",
        "how": "none",
        "rule": None,
        "waits_for": None,
        "message": None,
        "warnings": None,
        "amount": None,
        "currency": None,
        "source_hash": None,
        "content_hash": None,
        "procore_id": None,
        "erp_key": None,
        "done": False,
        "work": None,
        "figures": None,
        "judged": False,
    }


def _own(record: Record) -> dict[str, Any]:
    """What a plan keeps of a record beside its figures, where an apply has the ledger's columns."""
    return {"origin_id": record.origin_id, "deleted": record.deleted}


def source_hash(record: Record) -> str:
    """Content as the source has it; times and external ids are no content, our own write must not look like a change."""
    return digest(plain(record.model_dump(exclude={"updated_at", "origin_id", "origin_data", "origin_code", "marker"})))


def memory(row: Entity, result: Mapping[str, Any], own: Record, known: Mapping[str, Any] | None) -> dict[str, Any]:
    """The ledger's memory of a source record: its state, and when it was last changed by somebody other than us."""
    seen = time_text(own.updated_at)
    ours = known is not None and known["seen_updated_at"] == seen
    return {
        "entity": row.name,
        "company": result["company"],
        "side": result["side"],
        "id": own.id,
        "number": result["number"],
        "scope": getattr(own, "project", None),
        "state": result["state"],
        "rule": result["rule"],
        "waits_for": result["waits_for"],
        "message": result["message"],
        "source_hash": result["source_hash"],
        "origin_id": own.origin_id,
        "source_changed_at": known["source_changed_at"] if ours and known else seen,
        "seen_updated_at": seen,
        "read_at": stamp(),
        "deleted": own.deleted,
        "amount": result["amount"],
    }


def stopped(row: Entity, result: Mapping[str, Any]) -> dict[str, Any]:
    """The memory of a record that could not be read, or is gone: looked for again in every run, counted at the gate once."""
    kept = ("company", "side", "id", "number", "state", "rule", "waits_for", "message", "source_hash")
    scope = result["project"] or (result["company"] or None if result["side"] == "procore" else None)
    return {"entity": row.name, "scope": scope, "read_at": stamp(), **{name: result[name] for name in kept}}


def procore_row(row: Entity, record: Record, system: str) -> dict[str, Any]:
    """The ledger's memory of a Procore record on the target side: what reconciliation counts."""
    origin = parse_origin(record.origin_id, system)
    return {
        "entity": row.name,
        "company": origin.company if origin else "",
        "side": "procore",
        "id": record.id,
        "number": record.number,
        "scope": getattr(record, "project", None),
        "origin_id": record.origin_id,
        "seen_updated_at": time_text(record.updated_at),
        "read_at": stamp(),
        "deleted": record.deleted,
        "figures": canonical_json(figures(record)),
    }


def time_text(value: datetime | None) -> str | None:
    return stamp(value) if value else None
