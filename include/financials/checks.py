"""Check: every record of a run gets one state, against the target as read in this run; what is to be written becomes a plan row.

``check`` writes nothing to Procore or the ERP. In apply mode it also remembers the states in the ledger; in plan mode it leaves
nothing behind but rows keyed by its own run id.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from include.financials.entities import ENTITIES, Entity
from include.financials.facts import CommitmentFacts, Row, Subject, common, master_facts, twins_of
from include.financials.figures import figures
from include.financials.identity import canonical_json, content, differing, digest, parse_origin, plain
from include.financials.ledger import STOPPED, Link, stamp
from include.financials.matching import ErpSource, Match, ProcoreSource, decided, identity_keys
from include.financials.models import Commitment, Customer, Project, Record, Vendor
from include.financials.money import text
from include.financials.port import Capability, Invalid
from include.financials.rules import Finding, Verdict, judge, rules_of, verdicts
from include.financials.view import COMPANY_LEVEL, References, Sync

log = logging.getLogger(__name__)

Judge = Callable[[str, Sequence[Row], Sequence[Row]], list[Finding]]
"""(entity, record rows, line rows) -> findings: plain Python, or Great Expectations at a gate."""

FIELD_RULE = {
    "vendors": "V-01",
    "customers": "V-01",
    "projects": "J-01",
    "cost_types": "C-02",
    "cost_codes": "C-01",
    "commitments": "M-11",
}


def judge_rows(entity: str, records: Sequence[Row], lines: Sequence[Row]) -> list[Finding]:
    rules = rules_of(entity)
    return judge([r for r in rules if r.grain == "record"], records) + judge([r for r in rules if r.grain == "line"], lines)


@dataclass(frozen=True, slots=True)
class Checked:
    """Summary of a check: states and actions counted, amounts as text."""

    entity: str
    records: int
    states: Mapping[str, int]
    actions: Mapping[str, int]
    stopped: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "entity": self.entity,
            "records": self.records,
            "states": dict(self.states),
            "actions": dict(self.actions),
            "stopped": list(self.stopped[:20]),
        }


def check(sync: Sync, entity: str, shards: Iterable[int], judged_by: Judge = judge_rows) -> Checked:
    """Judge the staged records of ``shards``. Raises nothing for a record's own trouble."""
    row = ENTITIES[entity]
    found: list[dict[str, Any]] = []
    for shard in shards:
        found += _Check(sync, row, shard).run(judged_by) if row.source == "erp" else []
    if row.source == "procore":
        found = _DocumentCheck(sync, row, tuple(shards)).run(judged_by)
    states, actions = Counter(r["state"] for r in found), Counter(r["action"] for r in found if r["state"] == "linked")
    stopped = tuple(f"{r['number']}: {r['state']} by {r['rule']}: {r['message']}" for r in found if r["state"] in STOPPED)
    for line in stopped:
        log.warning("%s", line)
    log.info("checked %d %s: %s; to do: %s", len(found), entity.replace("_", " "), _told(states), _told(actions) or "nothing")
    return Checked(entity, len(found), states, actions, stopped)


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


class _Check:
    """ERP -> Procore: master data that is born in the ERP."""

    def __init__(self, sync: Sync, row: Entity, shard: int) -> None:
        self.sync, self.row, self.shard = sync, row, shard
        self.capability: Capability = sync.systems[row.target].capabilities().get(row.name, Capability())
        self.seen = sync.ledger.seen(row.name, row.source)
        self.decisions = sync.ledger.decisions(row.name)
        self.begun = sync.ledger.begun(row.name)
        self.candidates = sync.ledger.candidates(row.name, sync.run.run_id) if row.gate else set()

    def run(self, judged_by: Judge) -> list[dict[str, Any]]:
        sync, row = self.sync, self.row
        staged = sync.staged(row.name, self.shard)
        references = References(sync, row)
        targets = [references.translated(record) for record in sync.snapshot("procore", row.name, self.shard)]
        everyone = [self._mapped(record) for record in sync.snapshot("erp", row.name, self.shard)]
        unreadable = sync.unreadable("procore", row.name, self.shard)
        matcher = ErpSource(row, sync.namespace, sync.fresh_links(row.name), [*targets, *self._strangers()], everyone, unreadable)
        facts = master_facts(sync, row.name)
        subjects = [self._subject(record, matcher) for record in [*staged.records(), *self._unread(matcher)]]
        for record in everyone:
            matcher.claimed.update(_targets_of(matcher, record))
        rows = [{**common(row, s, s.match.target), **facts(sync, s, self.capability)} for s in subjects]
        verdict = verdicts(judged_by(row.name, rows, []))
        results = [self._result(subject, verdict.get(subject.row)) for subject in subjects]
        unusable = [self._invalid(bad) for bad in staged.invalid()]
        results += unusable
        vanished = self._vanished(
            matcher, {(s.company, s.own.id) for s in subjects} | {(r.company or "", r.id) for r in everyone}
        )
        results += vanished
        results += self._procore_only(matcher, targets)
        remembered = [self._remembered(r, s) for r, s in zip(results, subjects, strict=False)]
        present = [procore_row(row, record, sync.namespace) for record in targets]
        remembered += [_stopped(row, result) for result in [*unusable, *vanished]]
        remembered += present + self._gone(present, references, {bad.id for bad in unreadable})
        sync.ledger.judge(sync.run.run_id, row.name, self.shard, results, [] if sync.run.plan else remembered)
        return results

    def _unread(self, matcher: ErpSource) -> list[Record]:
        """ERP records outside the window that Procore shows as ours and the ledger does not know: documents in the window may
        name them. Adopting them writes nothing (docs/domain-rules.md 2.9)."""
        read = {(record.company, record.id) for record in self.sync.staged(self.row.name, self.shard).records()}
        return [
            record
            for record in self.sync.snapshot("erp", self.row.name, self.shard)
            if (record.company, record.id) not in read
            and (record.company or "", record.id) not in matcher.links.by_erp
            and matcher.origin(record) in matcher.by_origin
        ]

    def _strangers(self) -> list[Record]:
        """Companies of Procore's directory that nothing marks as an owner or a vendor: an ERP customer may be one of them."""
        if self.row.name != "customers":
            return []
        found = []
        for record in self.sync.snapshot("procore", "vendors"):
            if isinstance(record, Vendor) and parse_origin(record.origin_id, self.sync.namespace) is None:
                found.append(
                    Customer.model_validate({name: getattr(record, name) for name in Customer.model_fields}, strict=False)
                )
        return list(found)

    def _vanished(self, matcher: ErpSource, here: set[tuple[str, str]]) -> list[dict[str, Any]]:
        """Linked records that the ERP's full list no longer has: no single missed read, the sweep of this run (rule R-02)."""
        sync, row = self.sync, self.row
        unreadable = {bad.id for bad in sync.unreadable("erp", row.name, self.shard)}
        scopes = sync.scopes("erp", row.name, self.shard)
        gone = [
            link
            for key, link in matcher.links.by_erp.items()
            if key not in here and link.erp_key not in unreadable and (scopes is None or (link.scope or COMPANY_LEVEL) in scopes)
        ]
        rule = next(rule for rule in rules_of(row.name) if rule.fact == "broken_link")
        said = {"label": row.label.capitalize(), "entity": row.name, "broken_link": "the ERP no longer has it"}
        return [
            blank(sync, row, self.shard)
            | {
                "company": link.company, "side": "erp", "id": link.erp_key, "number": link.number, "project": link.scope,
                "how": "link", "procore_id": link.procore_id, "erp_key": link.erp_key, "state": rule.state, "rule": rule.id,
                "message": rule.message.format_map({**said, "number": link.number, "erp_key": link.erp_key}),
            }
            for link in gone
        ]  # fmt: skip

    def _gone(self, present: Sequence[Mapping[str, Any]], references: References, unreadable: set[str]) -> list[dict[str, Any]]:
        """What the ledger remembers of Procore and Procore shows no longer: deleted, or under another external id by now. What
        this run wrote itself is younger than the list it read."""
        sync, row = self.sync, self.row
        here = {(record["company"], record["id"]) for record in present}
        started = (sync.ledger.run(sync.run.run_id) or {})["started_at"]
        scopes = sync.scopes("procore", row.name, self.shard)
        places = None if scopes is None else {references.key("projects", scope) for scope in scopes}
        return [
            {
                "entity": row.name,
                "company": company,
                "side": "procore",
                "id": record_id,
                "number": known["number"],
                "deleted": True,
            }
            for (company, record_id), known in sync.ledger.seen(row.name, "procore").items()
            if (company, record_id) not in here and record_id not in unreadable and not known["deleted"]
            if known["read_at"] < started and (places is None or known["scope"] in places)
        ]

    def _mapped(self, record: Record) -> Record:
        """An ERP cost type in Procore's code (rule C-02); without a counterpart it keeps its own and fails that rule."""
        if self.row.name != "cost_types":
            return record
        return record.model_copy(update={"number": self.sync.settings.cost_type_codes.get(record.number, record.number)})

    def _subject(self, record: Record, matcher: ErpSource) -> Subject:
        mapped = self._mapped(record)
        match = matcher.match(mapped)
        # A cost type's counterpart is named by the settings; that is a person's decision already.
        if self.row.name == "cost_types" or self.decisions.get((record.id, self._hash(record))) == "link":
            match = decided(match)
        match = self._unfinished(match, record.company or "", record)
        target = match.link.procore_id if match.link else match.target.id if match.target else None
        return Subject(record, mapped, match, "erp", record.company or "", record.id, target)

    def _unfinished(self, match: Match, company: str, record: Record) -> Match:
        """A counterpart that carries our external id because an earlier run made it, and ended before it could write the link:
        its steps go on. It is not adopted, which would leave out the steps that are missing."""
        item = self.begun.get((company, record.id))
        if match.how != "external_id" or match.target is None or match.broken or item is None:
            return match
        made = content(self.row.model.model_validate(item["record"], strict=False), self.row.content)
        erp, procore = (record, match.target) if self.row.source == "erp" else (match.target, record)
        link = Link(self.row.name, company, erp.id, procore.id, record.number, content=made, status="pending")
        return Match("link", link=link, target=match.target)

    def _hash(self, record: Record) -> str:
        return source_hash(record)

    def _skip(self, subject: Subject) -> str | None:
        """Why a record that has no counterpart is not due; None: it is."""
        own = subject.own
        if subject.match.how != "none" or subject.match.foreign or subject.match.ambiguous:
            return None
        if own.deleted or getattr(own, "active", True) is False:
            return f"{self.row.label} {own.number} is inactive in the ERP"
        if isinstance(own, Project) and own.status == "closed":
            return f"job {own.number} is closed in the ERP"
        return None

    def _result(self, subject: Subject, verdict: Verdict | None) -> dict[str, Any]:
        reason = self._skip(subject)
        base = self._base(subject)
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

    def _base(self, subject: Subject) -> dict[str, Any]:
        own, amount = subject.own, getattr(subject.own, "amount", None)
        hashed = self._hash(own)
        known = self.seen.get((subject.company, own.id))
        return blank(self.sync, self.row, self.shard) | {
            "company": subject.company,
            "side": subject.side,
            "id": own.id,
            "number": own.number,
            "project": getattr(subject.record, "project", None) or (own.number if isinstance(own, Project) else None),
            "amount": text(amount) if amount is not None else None,
            "currency": getattr(own, "currency", None),
            "source_hash": hashed,
            "content_hash": digest(content(subject.record, self.row.content)),
            "how": subject.match.how,
            "procore_id": subject.procore_id,
            "erp_key": subject.erp_key,
            "judged": known is None or known["source_hash"] != hashed or (subject.company, own.id) in self.candidates,
        }

    def _invalid(self, bad: Invalid) -> dict[str, Any]:
        hashed, company = digest([bad.field, bad.message]), bad.scope or ""
        known = self.seen.get((company, bad.id))
        return blank(self.sync, self.row, self.shard) | {
            "company": company,
            "side": self.row.source,
            "id": bad.id,
            "number": bad.number,
            "state": "quarantined",
            "rule": FIELD_RULE[self.row.name],
            "message": (
                f"{self.row.label.capitalize()} {bad.number}: field {bad.field}: {bad.message}. Correct it in {self.row.source}."
            ),
            "source_hash": hashed,
            "judged": known is None or known["source_hash"] != hashed,
        }

    def _procore_only(self, matcher: ErpSource, targets: Sequence[Record]) -> list[dict[str, Any]]:
        """Procore's records that no ERP record owns: waiting for accounting, a broken or foreign external id,
        or part of an ambiguity."""
        results = []
        ambiguous = {key for key, twins in matcher.alike.items() if len(twins) > 1}
        for record in targets:
            if (
                record.id in matcher.links.by_procore
                or not self._looked_at(record)
                or (record.id in matcher.claimed and not self._among(record, ambiguous))
            ):
                continue
            state, rule, message = (
                "skipped",
                None,
                f"{self.row.label} {record.number} was born in Procore and waits for accounting",
            )
            if self._among(record, ambiguous):
                state, rule = "quarantined", "V-02" if self.row.name in ("vendors", "customers") else "C-01"
                message = (
                    f"Procore {self.row.label} {record.number} (id {record.id}) matches more than one ERP record. "
                    "Choose one or merge them."
                )
            elif parse_origin(record.origin_id, self.sync.namespace):
                state, rule = "conflict", "R-02"
                message = (
                    f"{self.row.label.capitalize()} {record.number} carries our external id {record.origin_id}, "
                    "which the ERP does not know."
                )
            elif record.origin_id:
                state, rule = "conflict", "R-01"
                message = (
                    f"{self.row.label.capitalize()} {record.number} carries external id {record.origin_id}, which is not ours."
                )
            elif record.deleted or getattr(record, "active", True) is False:
                message = f"{self.row.label} {record.number} is inactive and in Procore only"
            results.append(
                blank(self.sync, self.row, self.shard)
                | {
                    "company": "",
                    "side": "procore",
                    "id": record.id,
                    "number": record.number,
                    "project": getattr(record, "project", None),
                    "procore_id": record.id,
                    "state": state,
                    "rule": rule,
                    "message": message,
                    "source_hash": source_hash(record),
                    "judged": True,
                }
            )
        return results

    def _among(self, record: Record, ambiguous: set[tuple[str, str, str]]) -> bool:
        return record.origin_id is None and any(key in ambiguous for key in identity_keys(self.row, record))

    def _looked_at(self, record: Record) -> bool:
        window = self.sync.run.window(self.sync.ledger, "procore", self.row.name, overlap=timedelta(0))
        return window.covers(record.updated_at)

    def _remembered(self, result: Mapping[str, Any], subject: Subject) -> dict[str, Any]:
        known = self.seen.get((subject.company, subject.own.id))
        return memory(self.row, result, subject.own, known) | {"figures": canonical_json(figures(subject.record))}


class _DocumentCheck(_Check):
    """Procore -> ERP: commitments, behind the gate. All shards are judged together:
    a verdict on part of a stage would be none."""

    def __init__(self, sync: Sync, row: Entity, shards: tuple[int, ...]) -> None:
        super().__init__(sync, row, 0)
        self.shards = shards

    def run(self, judged_by: Judge) -> list[dict[str, Any]]:
        sync, row = self.sync, self.row
        facts = CommitmentFacts.of(sync)
        targets = list(sync.everywhere("erp", row.name))
        matcher = ProcoreSource(row, sync.namespace, sync.fresh_links(row.name), targets, sync.procore_company)
        subjects: list[tuple[int, Subject]] = []
        invalid: list[tuple[int, Invalid]] = []
        for shard in self.shards:
            staged = sync.staged(row.name, shard)
            subjects += [(shard, self._document(record, facts.references, matcher)) for record in self._reread(staged.records())]
            invalid += [(shard, bad) for bad in staged.invalid()]
        judged = [subject for _, subject in subjects if self._skip(subject) is None]
        twins = twins_of(judged)
        records, lines = [], []
        for subject in judged:
            approved = self.decisions.get((subject.own.id, self._hash(subject.own))) == "approve"
            head = common(row, subject, subject.match.target) | facts.header(subject, twins, self.capability, approved)
            records.append(head)
            lines += facts.lines(subject, head, self.capability)
        verdict = verdicts(judged_by(row.name, records, lines))
        results, remembered = [], []
        for shard, subject in subjects:
            result = self._result(subject, verdict.get(subject.row)) | {"shard": shard}
            if subject.row in verdict and verdict[subject.row].warnings:
                result["warnings"] = json.dumps(verdict[subject.row].warnings)
            results.append(result)
            remembered.append(self._remembered(result, subject))
        unusable = [self._invalid(bad) | {"shard": shard} for shard, bad in invalid]
        results += unusable
        remembered += [_stopped(row, result) for result in unusable]
        for shard in self.shards:
            sync.ledger.judge(sync.run.run_id, row.name, shard, [r for r in results if r["shard"] == shard])
        if not sync.run.plan:
            sync.ledger.remember(remembered)
        return results

    def _reread(self, records: Iterable[Record]) -> list[Record]:
        """Lines that do not add up may be lines that we did not get: those documents are read once more (rule M-09)."""
        found = list(records)
        odd = [
            r
            for r in found
            if isinstance(r, Commitment) and r.lines and sum((line.amount for line in r.lines), Decimal(0)) != r.amount
        ]
        if not odd:
            return found
        log.info("reading %d commitments again whose lines do not add up to their contract sum", len(odd))
        again = {
            r.id: r
            for page in self.sync.systems["procore"].read_ids("commitments", [(r.project, r.id) for r in odd])
            for r in page.records
        }
        return [again.get(record.id, record) for record in found]

    def _document(self, record: Record, references: References, matcher: ProcoreSource) -> Subject:
        assert isinstance(record, Commitment)
        translated = references.translated(record)
        project = references.link("projects", record.project)
        company = project.company if project else ""
        translated = translated.model_copy(update={"company": company, "currency": record.currency})
        match = matcher.match(translated)
        if self.decisions.get((record.id, self._hash(record))) == "link":
            match = decided(match)
        match = self._unfinished(match, company, translated)
        key = match.link.erp_key if match.link else match.target.id if match.target else record.number
        return Subject(record, translated, match, "procore", company, key, record.id)

    def _skip(self, subject: Subject) -> str | None:
        own = subject.own
        assert isinstance(own, Commitment)
        if subject.match.how != "none" or subject.match.broken or subject.match.foreign:
            return None
        if own.deleted:
            return f"{own.number} was deleted in Procore before it was sent"
        allowed = self.sync.settings.of(self.row.name).eligible.get(own.kind, ())
        if own.status not in allowed:
            return f"{own.number} is {own.status}"
        start = self.sync.settings.documents_from
        if start is not None and own.updated_at is not None and own.updated_at < start:
            return f"{own.number} was last changed before documents_from ({start.isoformat()})"
        if own.amount == 0 and not self.capability.accepts_zero:
            return f"{own.number} has a total of zero, which the ERP does not accept"
        return None


def _targets_of(matcher: ErpSource, record: Record) -> list[str]:
    """Ids of the Procore records that an ERP record owns, be it in this run's window or not."""
    link = matcher.links.by_erp.get((record.company or "", record.id))
    target = matcher.by_origin.get(matcher.origin(record))
    owned = [link.procore_id] if link else [target.id] if target else []
    return owned + [candidate.id for key in identity_keys(matcher.row, record) for candidate in matcher.unclaimed.get(key, ())]


def plan(row: Entity, subject: Subject) -> dict[str, Any]:
    """What to do with a record that passed: nothing, adopt, link, update or create."""
    match, record = subject.match, subject.record
    after = content(record, row.content)
    if match.how == "link" and match.link is not None:
        if match.link.status == "pending":
            return _work("create", subject, (), agreed=match.link.content)
        before = match.link.content or {}
        changed = tuple(name for name in differing(before, after) if name not in row.frozen)
        return _work("update", subject, changed) if changed else {"action": "unchanged", "state": "linked"}
    if match.how == "external_id":
        return _work("adopt", subject, ())
    if match.how == "marker":
        held = content(match.target, row.content) if match.target else None
        changed = differing(held, after) if held is not None else ()
        # Linking writes external ids only: what the target holds is what is agreed, the rest is the next run's update.
        return _work("link", subject, changed, agreed=held)
    return _work("create", subject, ())


def _work(action: str, subject: Subject, changes: tuple[str, ...], agreed: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """``agreed``: contents that the target holds already, where that is not what the record says by now."""
    work = {
        "record": subject.record.model_dump(mode="json"),
        "changes": list(changes),
        "level": getattr(subject.record, "level", 0),
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
        "judged": False,
    }


def source_hash(record: Record) -> str:
    """Content as the source has it; times and external ids are no content, our own write must not look like a change."""
    return digest(plain(record.model_dump(exclude={"updated_at", "origin_id", "origin_data", "origin_code", "marker"})))


def memory(row: Entity, result: Mapping[str, Any], own: Record, known: Mapping[str, Any] | None) -> dict[str, Any]:
    """The ledger's memory of a source record: its state, and when it was last changed by somebody other than us."""
    seen = _time(own.updated_at)
    ours = known is not None and known["seen_updated_at"] == seen
    return {
        "entity": row.name,
        "company": result["company"],
        "side": result["side"],
        "id": own.id,
        "number": own.number,
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


def _stopped(row: Entity, result: Mapping[str, Any]) -> dict[str, Any]:
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
        "seen_updated_at": _time(record.updated_at),
        "read_at": stamp(),
        "deleted": record.deleted,
        "figures": canonical_json(figures(record)),
    }


def _time(value: datetime | None) -> str | None:
    return stamp(value) if value else None
