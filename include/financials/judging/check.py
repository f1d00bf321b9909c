"""What all checks share: from a verdict to an outcome row, a plan of work, and the ledger's memory of the record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import cache, cached_property
from typing import Any, cast

from include.financials import accepted
from include.financials.entities import ENTITIES
from include.financials.entities.jobs import Project
from include.financials.entity import Entity
from include.financials.existence import Existing, in_erp_keys, money_of, traced
from include.financials.identity import canonical_json, content, digest
from include.financials.judging.books import Books
from include.financials.judging.changes import apart
from include.financials.judging.facts import AcceptedRow, CheckRow, Facts, LeftOutRow, Row, common
from include.financials.judging.matching import finished
from include.financials.judging.memory import blank, memory, own_marks, source_hash, stopped
from include.financials.judging.people import People
from include.financials.judging.plan import both_ended, half_made, planned
from include.financials.judging.rules import Finding, Verdict, filled, judge
from include.financials.judging.subject import Match, Subject, row_id
from include.financials.ledger import STOPPED, Intent, Judged, Link, LinkIndex, Remembered, Seen, decoded, key_of
from include.financials.ledger.records import Remembrance
from include.financials.money import text
from include.financials.port import CALLED, UNSEEN, Capability, Invalid, told
from include.financials.record import PROJECTS, Record, Side
from include.financials.references import References
from include.financials.view import Sync

Judge = Callable[[str, Sequence[Row], Sequence[Row]], list[Finding]]
"""(entity, record rows, line rows) -> findings: plain Python, or Great Expectations at a gate."""


def judge_rows(entity: str, records: Sequence[Row], lines: Sequence[Row]) -> list[Finding]:
    rules = ENTITIES[entity].rules
    return judge([r for r in rules if r.grain == "record"], records) + judge([r for r in rules if r.grain == "line"], lines)


class Judging:
    """One entity's check in one or all of its shards."""

    def __init__(self, sync: Sync, row: Entity, shard: int) -> None:
        # What the ERP does not keep is nothing that the two sides could agree on.
        self.sync, self.row, self.shard = sync, row.kept(sync.kept_by_erp(row.name)), shard
        self.capability: Capability = sync.capabilities(row.target).get(row.name, Capability())
        self.seen = Remembrance(sync.ledger.records, row.name, row.source)
        decisions = sync.ledger.decisions.of(row.name)
        self.people = People(decisions)
        self.approvals = {one.record_id: one for one in decisions if one.decision == "approve"}
        self.begun = sync.begun(row.name)
        self.accepted = {(one.company, one.source_id): one for one in sync.ledger.journal.accepted(row.name)}
        self._broken = cache(sync.broken)
        self.candidates = sync.ledger.outcomes.candidates(row.name, sync.run.run_id) if row.gate else set()

    def skip(self, subject: Subject) -> str | None:
        """Why a record that has no counterpart is not due; None: it is."""
        raise NotImplementedError

    def over(self, subject: Subject) -> bool:
        """Whether a linked record counts for nothing any more on either side: they agree, and the link is over."""
        return False

    def unfinished(self, match: Match, company: str, record: Record) -> Match:
        """A counterpart that carries our external id because an earlier run made it, and ended before it could write the link:
        its steps go on. It is not adopted, which would leave out the steps that are missing."""
        item = self.begun.get((company, record.id))
        if match.how != "external_id" or match.target is None or match.broken or match.decision is not None:
            return match  # a person's word is of a record that no run of ours has made
        if item is not None:
            sent = self.row.model.model_validate(item["record"], strict=False)
            made: Mapping[str, Any] | None = self.sync.as_merged(self.row.name, company, content(sent, self.row.content))
        else:
            made = half_made(self.row, record, match.target)
        if made is None:
            return match
        erp, procore = (record, match.target) if self.row.source == "erp" else (match.target, record)
        link = Link(self.row.name, company, erp.id, procore.id, record.number, content=made, status="pending")
        return Match("link", link=link, target=match.target, finished=finished(self.row, match.target))

    def annotated(self, subject: Subject, *, approved: bool = False, approval_ended: str = "") -> Row:
        """All that the rules look at of one record."""
        own: CheckRow = {
            **self.left_out(subject.own, subject.match),
            "parent_unread": self.parent_unread(subject),
            "parent_gone": self.parent_gone(subject),
            "approval_ended": approval_ended,
            "again": self.again(subject),
            **self.waits(subject),
        }
        return {**common(self.row, subject, subject.match.target), **self.facts.header(subject, approved), **own}

    def again(self, subject: Subject) -> bool:
        """An earlier run stopped it as it is. What it waits for may be there by now: it is judged anew all the same."""
        known = self.seen.last(key_of(subject.side, subject.company, subject.own.id))
        if known is None or known.state not in STOPPED:
            return False
        return known.source_hash == self.hash_of(subject.own)

    def handed(self, subject: Subject) -> Intent | None:
        """What was sent of a document that the ERP has accepted and not posted; None once it is found there."""
        match = subject.match
        found = match.how != "none" or match.proposal or match.ambiguous or match.parted
        return None if found or subject.side != "procore" else self.accepted.get((subject.company, subject.own.id))

    def waits(self, subject: Subject) -> AcceptedRow:
        """What a person is to know of it: it waits for the ERP, or too long for it."""
        if (intent := self.handed(subject)) is None:
            return {"accepted": None, "overdue": None}
        days, until = self.sync.settings.accepted_days, self.sync.run.until
        late = accepted.overdue(self.row, intent, subject.record.number, until, days)
        return {"accepted": None if late else accepted.waits(intent.doubted_at, intent.result_id), "overdue": late}

    def left_out(self, own: Record, match: Match) -> LeftOutRow:
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

    def parent_unread(self, subject: Subject) -> str | None:
        """What a pair waits for that cannot be compared yet, in the names that people know (rule R-08)."""
        for entity, ident, key in subject.unknown.values():
            return f"{ENTITIES[entity].label} {key or self.books.name(entity, ident)}"
        return None

    def parent_gone(self, subject: Subject) -> str | None:
        """What a record of the ERP that Procore does not have yet names there, and Procore had and has no longer."""
        if subject.side != "erp" or subject.match.how != "none":
            return None
        for name, entity in self.row.references.items():
            if entity == self.row.name or not (broken := self._broken(entity)):
                continue  # a parent of the same list is judged beside it
            head, _, rest = name.partition(".")
            value = getattr(subject.record, head)
            for key in [getattr(one, rest) for one in value] if rest else value if isinstance(value, tuple) else (value,):
                link = self.references.index[entity].find(subject.company, key) if key else None
                if link is not None and not broken.isdisjoint(((link.company, link.erp_key), ("", link.procore_id))):
                    return f"{ENTITIES[entity].label} {link.number}"
        return None

    def called(self, entity: str, ident: str) -> str:
        """What people call a record of the source; an ERP's key is what it is called."""
        return ident

    def hash_of(self, record: Record) -> str:
        return source_hash(record)

    def result(self, subject: Subject, verdict: Verdict | None) -> Judged:
        reason = self.skip(subject)
        base = self.base(subject)
        if self.over(subject):
            return both_ended(base, subject.record.number, subject.match.link)
        if reason:
            return base._replace(state="skipped", message=reason)
        if verdict is not None and verdict.state != "linked":
            return base._replace(
                state=verdict.state,
                rule=verdict.rule,
                waits_for=verdict.waits_for,
                message=verdict.message,
                work=self.offered(subject),
            )
        return planned(base, self.row, subject)

    def offered(self, subject: Subject) -> str | None:
        """What a person is to know who says that two are one, or said so before they changed: in what they differ, and whether
        that can be accepted."""
        if (other := subject.match.offered) is None:
            return None
        unlike, refused = apart(self.row, subject.record, other)
        return canonical_json({"apart": unlike, "refused": refused})

    def base(self, subject: Subject) -> Judged:
        own, amount = subject.own, getattr(subject.own, "amount", None)
        hashed = self.hash_of(own)
        key = key_of(subject.side, subject.company, own.id)
        known = self.seen.last(key)
        return blank(self.sync, self.row, self.shard, subject.side, subject.company, own.id, subject.number)._replace(
            project=getattr(subject.record, "project", None) or (own.number if isinstance(own, Project) else None),
            amount=text(amount) if amount is not None else None,
            currency=getattr(own, "currency", None),
            source_hash=hashed,
            content_hash=digest(content(subject.record, self.row.content)),
            how=subject.match.how,
            procore_id=subject.procore_id,
            erp_key=subject.erp_key,
            judged=known is None or known.source_hash != hashed or key in self.candidates,
            # Apply mode remembers them with the record; a plan leaves nothing but its own rows.
            figures=canonical_json(subject.record.figures() | {"own": own_marks(own)}) if self.sync.run.plan else None,
        )

    @cached_property
    def facts(self) -> Facts:
        """What the rules look at; of documents of the ERP in the terms of Procore, whose limits they must keep."""
        return self.row.facts(self.books, self.references, self.row, self.capability)

    @cached_property
    def references(self) -> References:
        return References(self.sync.links, self.row)

    @cached_property
    def _known(self) -> dict[Side, Remembrance]:
        target = self.row.target
        return {self.row.source: self.seen, target: Remembrance(self.sync.ledger.records, self.row.name, target)}

    def in_erp_keys(self, bad: Invalid) -> Invalid:
        """An unreadable record of Procore with what it names as ERP keys, and with the company of its project's job."""
        project = self.references.link(PROJECTS, bad.scope) if "project" in self.row.references else None
        found = in_erp_keys(bad, self.row, self.references.key)
        # A project whose list is closed to us stands for all that it holds, under its own name.
        number = self.books.name(PROJECTS, bad.id) if bad.id == bad.scope and self.row.document else bad.number
        return replace(found, company=project.company if project else None, number=number)

    def existing(self, invalid: Iterable[Invalid], links: LinkIndex) -> Existing:
        """The unreadable part of the target's list: asked before anything is created, linked or called gone."""
        row, sync = self.row, self.sync
        translated = self.in_erp_keys if row.target == "procore" else (lambda bad: bad)
        return Existing(
            row, row.target, links, invalid,
            system=sync.namespace, marks=sync.marks, translated=translated,
        )  # fmt: skip

    def broken(self, link: Link, side: Side, why: str) -> str:
        """What is told of a link of which a side shows nothing that could be judged."""
        row = {
            "row": row_id(side, link.company, link.erp_key if side == "erp" else link.procore_id), "number": link.number,
            "label": self.row.label.capitalize(), "entity": self.row.name, "erp_key": link.erp_key, "broken_link": why,
        }  # fmt: skip
        return filled(self.row.rule("broken_link"), row)[0]

    def unusable(self, bad: Invalid, side: Side, links: LinkIndex) -> Judged:
        """A record that cannot be read is still the one it was: the ledger goes on remembering its number and its figures. One
        that is sound, and belongs to a contract that is not shown to us or cannot be read, waits for that."""
        row = self.row
        if side == "procore":
            bad = self.in_erp_keys(bad)
        known = self._remembered(side, bad)
        company = bad.company or (known.company if known is not None else "")
        hashed, number = digest([bad.field, bad.message]), known.number if known is not None else self._called(bad)
        link = links.by_procore.get(bad.id) if side == "procore" else links.by_erp.get((company, bad.id))
        amount, where = money_of(bad), CALLED[side]
        found = blank(self.sync, row, self.shard, side, company, bad.id, number)._replace(
            project=bad.shown.get("project") if side == "erp" or bad.company else None,
            amount=text(amount) if amount is not None else None,
            procore_id=link.procore_id if link else bad.id if side == "procore" else None,
            erp_key=link.erp_key if link else bad.id if side == "erp" else None,
            source_hash=hashed,
            judged=side == row.source and (known is None or known.source_hash != hashed),
        )
        if bad.behind:
            rule = row.rule("hidden")
            who = f"{row.label} {number}" if bad.behind == row.name else self._contract(bad)
            named = {"label": row.label.capitalize(), "number": number, "hidden": f"{who} {bad.message}"}
            message, waits_for = filled(rule, named)
            return found._replace(state=rule.state, rule=rule.id, message=message, waits_for=waits_for)
        message = f"{row.label.capitalize()} {number}: field {bad.field}: {bad.message}. Correct it in {where}."
        return found._replace(state="quarantined", rule=row.field_rule, message=message)

    def project_unread(self, side: Side, place: str, who: str) -> str:
        """Why nobody looked for a record of that project on a side, in words."""
        bad = next((bad for bad in self.sync.lists.unreadable(side, PROJECTS) if bad.id == place), None)
        return told(bad, side, "project") if bad is not None else f"the project of {who} {UNSEEN.format(side=CALLED[side])}"

    def _remembered(self, side: Side, bad: Invalid) -> Seen | None:
        known = self._known[side]
        if side == "procore" or bad.company:
            return known.get(key_of(side, bad.company or "", bad.id))
        found = known.of_id(bad.id)
        return found[0] if len(found) == 1 else None

    def _called(self, bad: Invalid) -> str:
        """Its number as people know it: that of a document of a contract or job names both."""
        if bad.behind in (None, self.row.name) or not (number := bad.shown.get("change_number")):
            return bad.number
        return f"{self._contract(bad, label=False)}/{number}"

    def _contract(self, bad: Invalid, *, label: bool = True) -> str:
        """The contract that is in the way, by the number that people know it by."""
        entity = bad.behind or ""
        named = bad.shown.get("commitment") or bad.shown.get("prime_contract") or ""
        link = self.references.index[entity].find(bad.company or "", named) if named else None
        known = self.books.name(entity, named)
        number = link.number if link else known if known != named else "of that number"
        return f"{ENTITIES[entity].label} {number}" if label else number

    @cached_property
    def books(self) -> Books:
        return Books(self.sync, self.row.name)

    def traces(self, unusable: Iterable[tuple[Invalid, Judged]]) -> list[Remembered]:
        """The ledger's memory of records that cannot be read: looked for again in every run, counted at the gate once. Its
        figures are the last that were read, unless its row tells another amount by now."""
        remembered = []
        for bad, result in unusable:
            # A record of the source is asked for again in its own side's project.
            scope = bad.scope if result.side == "procore" == self.row.source else result.project or bad.scope
            kept = replace(stopped(result), scope=scope)
            told = self.in_erp_keys(bad) if result.side == "procore" else bad
            known = self._known[cast(Side, result.side)].get(key_of(result.side, result.company, bad.id))
            figures_known = decoded(known.figures) if known is not None else {}
            amount = money_of(told)
            if figures_known.get("amount") and (amount is None or Decimal(figures_known["amount"]) == amount):
                kept = replace(kept, figures=canonical_json({**figures_known, "unread": bad.field}))
            elif amount is not None:
                kept = replace(kept, figures=canonical_json({**figures_known, **traced(told)}))
            origin = bad.shown.get("origin_id")
            remembered.append(replace(kept, origin_id=origin) if origin else kept)
        return remembered

    def remembered(self, result: Judged, subject: Subject) -> Remembered:
        known = self.seen.last(key_of(subject.side, subject.company, subject.own.id))
        return memory(result, subject.own, known, subject.record.figures())
