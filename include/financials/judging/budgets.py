"""Check of budgets: one record per job, owned by one of the two sides (docs/domain-rules.md 1.3, rules B-01 to B-04).

The owner is the side whose figures rule: the ledger's link says who it is, else the project's origin_data, else whoever alone has
figures. Procore's budget carries no external id, so a pair is found by its job and adopted when its lines are equal per cost key.

A budget is its lines: neither side has a record of its own that would outlive them. One without any amount is therefore none, and
where it was linked it is gone (rule R-02), whether its lines were deleted or set to zero: what is left on the other side is never
emptied after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, cast

from include.financials.entities.budgets import Budget, BudgetFacts
from include.financials.entity import Entity
from include.financials.identity import canonical_json, content, differing_lines
from include.financials.judging.check import Judge, Judging
from include.financials.judging.facts import Row, twice
from include.financials.judging.memory import blank, procore_row
from include.financials.judging.people import Parted
from include.financials.judging.rules import verdicts
from include.financials.judging.subject import Match, Subject
from include.financials.ledger import Judged, Link, Remembered
from include.financials.money import text
from include.financials.port import CALLED, SIDES, SINCE, UNSEEN, Capability, Invalid, Page
from include.financials.record import COST_CODES, PROJECTS, Record, Side
from include.financials.view import Sync

NOWHERE = "neither side has it any more"


class Budgets(Judging):
    """One shard of the jobs."""

    def __init__(self, sync: Sync, row: Entity, shard: int) -> None:
        super().__init__(sync, row, shard)
        self.links = sync.fresh_links(row.name)
        self.erp = sync.capabilities("erp").get(row.name, Capability())

    def run(self, judged_by: Judge) -> list[Judged]:
        sync, row = self.sync, self.row
        subjects, rows = [], []
        pairs = [*self._pairs()]
        here = [("", one.id) for one, _ in pairs if one is not None]
        self.seen.learn([*here, *((one.company or "", one.id) for _, one in pairs if one is not None)])
        for procore, erp in pairs:
            subject, head = self._subject(procore, erp)
            subjects.append((subject, procore, erp))
            rows.append(head)
        verdict = verdicts(judged_by(row.name, rows, []))
        results: list[Judged] = []
        remembered: list[Remembered] = []
        for subject, procore, erp in subjects:
            result = self.result(subject, verdict.get(subject.row))
            results.append(result)
            remembered += self._memory(result, subject, procore, erp)
            remembered += self._gone(subject.match.link, procore, subject.match)
        unusable = [
            (bad, self._unusable(bad, side)) for side in SIDES for bad in sync.lists.unreadable(side, row.name, self.shard)
        ]
        results += [result for _, result in unusable]
        vanished = self._vanished({(subject.company, subject.erp_key) for subject, _, _ in subjects})
        results += [self._nowhere(link) for link in vanished]
        remembered += [row for link in vanished for row in self._gone(link, None, None)]
        remembered += self.traces(unusable)
        sync.ledger.outcomes.judge(sync.run.run_id, row.name, self.shard, results, [] if sync.run.plan else remembered)
        return results

    def _pairs(self) -> Iterator[tuple[Budget | None, Budget | None]]:
        """Both sides' budgets by job; Procore's of a project that is not linked stands alone. One that cannot be read on a side
        is judged by nobody: what it holds is not known, so there is nothing to write to it and nothing to compare it with."""
        erp = {(r.company or "", r.id): cast(Budget, r) for r in self.sync.lists.snapshot("erp", self.row.name, self.shard)}
        unread = {(bad.company, bad.id) for bad in self.sync.lists.unreadable("erp", self.row.name, self.shard)}
        for bad in self.sync.lists.unreadable("procore", self.row.name, self.shard):
            if (link := self.references.link(PROJECTS, bad.scope)) is not None:
                erp.pop((link.company, link.erp_key), None)
        for record in self.sync.lists.snapshot("procore", self.row.name, self.shard):
            link = self.references.link(PROJECTS, cast(Budget, record).project)
            if link is None or not unread & {(link.company, link.erp_key), (None, link.erp_key)}:
                yield cast(Budget, record), erp.pop((link.company, link.erp_key), None) if link else None
        for record in erp.values():
            yield None, record

    def _unusable(self, bad: Invalid, side: Side) -> Judged:
        """Known by its job, whichever side it is on: the budget carries no external id of its own."""
        found = self.unusable(bad, side, self.links)
        project = self.references.link(PROJECTS, bad.scope) if side == "procore" else None
        if project is None:
            return found
        return found._replace(company=project.company, erp_key=project.erp_key, project=project.erp_key)

    def _vanished(self, here: set[tuple[str, str | None]]) -> list[Link]:
        """Linked budgets that neither side shows any more: nothing is left to judge, and yet somebody has to know (rule R-02)."""
        scopes = self.sync.scopes("erp", self.row.name, self.shard) or ()
        unread = {bad.id for side in SIDES for bad in self.sync.lists.unreadable(side, self.row.name, self.shard)}
        gone = [
            link
            for key, link in self.links.by_erp.items()
            if key not in here and link.erp_key in scopes and not unread & {link.erp_key, link.procore_id}
        ]
        there = {one for page, _ in self._answers.values() for one in (*(record.id for record in page.shown), *page.hidden)}
        # What was linked since this run read the lists is not gone: nobody has looked for it.
        asked = [
            link for link in gone if link.erp_key in self._answers["erp"][1] and link.procore_id in self._answers["procore"][1]
        ]
        return [link for link in asked if not there & {link.erp_key, link.procore_id}]

    def _nowhere(self, link: Link) -> Judged:
        rule = self.row.rule("broken_link")
        return blank(self.sync, self.row, self.shard, "erp", link.company, link.erp_key, link.number)._replace(
            project=link.erp_key, how="link", procore_id=link.procore_id, erp_key=link.erp_key, state=rule.state, rule=rule.id,
            message=self.broken(link, "erp", NOWHERE),
        )  # fmt: skip

    # -- one job --------------------------------------------------------------------------------------------------------------

    def _subject(self, procore: Budget | None, erp: Budget | None) -> tuple[Subject, Row]:
        project = self._project(procore, erp)
        company, job = (project.company, project.erp_key) if project else ((erp.company or "", erp.id) if erp else ("", None))
        here = cast(Budget, self.references.translated(procore)) if procore is not None else None
        link = self.links.find(company, job) if job else None
        owner = self._owner(link, here, erp)
        both: Mapping[Side, Budget | None] = {"procore": here, "erp": erp}
        left = [side for side in SIDES if has_amounts(both[side])]
        if link is not None and len(left) == 1:  # what has no amount is none; where neither has one, both are shown as they are
            procore, here, erp = (procore, here, None) if left == ["procore"] else (None, None, erp)
        own, record, target = (procore, here, erp) if owner == "procore" else (erp, erp, here)
        if own is None or record is None:  # the owning side has no figures (any more): what is left is shown as it is
            own, record, target = (procore, here, None) if here is not None else (erp, erp, None)
        assert own is not None and record is not None
        record = record.model_copy(update={"owner": owner, "project": job or record.project, "company": company})
        side: Side = "procore" if own is procore else "erp"
        match = self._match(link, record, target, side, both, left)
        subject = Subject(
            own, record, match, side, company, job, project.procore_id if project else procore.id if procore else None
        )
        return subject, self._facts(subject, project, here, erp, owner)

    def _project(self, procore: Budget | None, erp: Budget | None) -> Link | None:
        if procore is not None:
            return self.references.link(PROJECTS, procore.project)
        return self.books.links(PROJECTS).find(erp.company or "", erp.id) if erp is not None else None

    @staticmethod
    def _owner(link: Link | None, here: Budget | None, erp: Budget | None) -> Side | None:
        """None where both have figures, they differ, and nobody ever said who rules; or where the one that is said to rule has
        no amounts and the other has (rule B-01)."""
        recorded = (link.content or {}).get("owner") if link else None
        told = recorded or (here.owner if here else None) or (erp.owner if erp and erp.marker else None)
        if recorded:
            return cast(Side, recorded)
        if told:
            mine, theirs = (erp, here) if told == "erp" else (here, erp)
            return cast(Side, told) if has_amounts(mine) or not has_amounts(theirs) else None
        if here is None or erp is None:
            return "erp" if here is None else "procore"
        return None if _differences(here, erp) else "erp"

    def _match(
        self, link: Link | None, record: Budget, target: Budget | None, side: Side,
        both: Mapping[Side, Budget | None], left: Sequence[Side],
    ) -> Match:  # fmt: skip
        other: Side = "erp" if side == "procore" else "procore"
        if link is not None and target is None and both[other] is None and (hidden := self._unasked(link, other)):
            return Match("link", link=link, hidden=hidden)
        if link is not None and not left:
            return Match("link", link=link, broken=NOWHERE, gone=True)
        if link is not None and target is None:
            return Match("link", link=link, broken=f"nothing of it is left in {CALLED[other]}", gone=True)
        if link is not None:
            return Match("link", link=link, target=target)
        if target is not None and not _differences(record, target):
            return self._unfinished(record, target) or Match("external_id", target=target)
        return Match("none", target=target)

    def _unasked(self, link: Link, side: Side) -> str | None:
        """A budget that nobody looked for, because its project cannot be read on that side, or that is not shown to us there:
        nothing can be said of it, least of all that it is gone."""
        place, who = link.procore_id if side == "procore" else link.erp_key, f"budget {link.number}"
        if place not in self._read[side]:
            return self.project_unread(side, place, who)
        answer, asked = self._answers[side]
        there = {*(one.id for one in answer.shown), *answer.hidden}
        if place not in asked:
            return SINCE.format(who=who, side=CALLED[side])
        return f"{who} {UNSEEN.format(side=CALLED[side])}" if place in there else None

    @cached_property
    def _answers(self) -> Mapping[Side, tuple[Page, set[str]]]:
        """What became of linked budgets that a list did not show, and which were asked for."""
        return {side: self.sync.lists.answer(self.row.name, [self.shard], side, self.row.name) for side in SIDES}

    @cached_property
    def _read(self) -> Mapping[Side, set[str]]:
        """Projects whose budgets were asked for."""
        return {side: {*(self.sync.scopes(side, self.row.name, self.shard) or ())} for side in SIDES}

    def _unfinished(self, record: Budget, target: Budget) -> Match | None:
        """An earlier try wrote the lines and ended before it could record their owner: its steps go on."""
        company = record.company or ""
        if (company, record.id) not in self.begun:
            return None
        project = record.id if record.owner == "procore" else target.id
        made = {**content(record, self.row.content), "owner": record.owner}
        link = Link(self.row.name, company, record.project, project, record.number, content=made, status="pending")
        return Match("link", link=link, target=target)

    def _facts(self, subject: Subject, project: Link | None, here: Budget | None, erp: Budget | None, owner: Side | None) -> Row:
        record = cast(Budget, subject.record)
        before = subject.match.link.content if subject.match.link and subject.match.link.content else None
        target = cast(Budget | None, subject.match.target)
        apart = _differences(record, target) if target is not None else []
        base: dict[str, Any] = {
            "row": subject.row,
            "label": "Budget",
            "entity": self.row.name,
            "company": subject.company,
            "number": record.number,
            "job": project.erp_key if project else None,
            "project_name": record.number,
            "amount": text(record.amount),
            "erp_amount": text(erp.amount) if erp else "none",
            "procore_amount": text(here.amount) if here else "none",
            "owner": owner,
            "broken_link": subject.match.broken,
            "hidden": subject.match.hidden,
            "erp_key": subject.erp_key or "the ERP",
            "line_twice": twice(self.row, subject, target),
            "unlocked": True if owner == "procore" and here is not None and here.locked is False and before is None else None,
        }
        parted = self._parted(subject, project) if before is None and subject.match.link is None else None
        fresh = subject.match.how == "none" and owner is not None
        moved = self._moved(owner, before, record, target, apart)
        frozen = owner == "erp" and here is not None and bool(here.locked) and apart
        return {
            **base,
            "parted": parted,
            "line_unlinked": self._unlinked(subject, target) if before is None and project else None,
            **self.left_out(subject.own, subject.match),
            "line_unplaced": self._unplaced(subject, base) if fresh and project else None,
            "changed_after_export": moved,
            "changed_when_locked": told(apart, "estimate", "budget") if frozen else None,
        }

    def _parted(self, subject: Subject, project: Link | None) -> str | None:
        said = self.people.parted.get((subject.company, subject.erp_key or "", project.procore_id)) if project else None
        if said is None:
            return None
        return Parted("its project", said, said.record_id).told(self.row, subject.number)

    def _unlinked(self, subject: Subject, target: Budget | None) -> str | None:
        """The first code of either side that has no counterpart yet: in which keys the two are compared is not known before.
        A code that Procore's budget names and the ERP's job lacks is a fault of the line (rule B-03)."""
        if subject.match.how == "link":
            return None
        books = self.books
        codes = books.links(COST_CODES)
        sides = [(subject.own, subject.side), (target, "erp" if subject.side == "procore" else "procore")]
        for record, side in sides:
            for line in cast(Budget, record).lines if record is not None else ():
                if line.cost_code is None:
                    continue
                if side == "procore" and subject.own is record and codes.erp(line.cost_code) is None:
                    name = books.name(COST_CODES, line.cost_code)
                    if books.has_code(subject.company, subject.erp_key, name):
                        return f"cost code {name}"
                known = books.codes.get((subject.company, line.cost_code)) if side == "erp" else None
                if known is not None and not known.is_header and codes.find(subject.company, line.cost_code) is None:
                    return f"cost code {known.number}"
        return None

    @staticmethod
    def _moved(
        owner: Side | None, before: Mapping[str, Any] | None, record: Budget, target: Budget | None, apart: Any
    ) -> str | None:
        """After the first export from Procore no original amount may differ from the exported one, on either side."""
        if owner != "procore" or (target is None and before is None):
            return None
        now = differing_lines((before or {}).get("lines", {}), content(record, ("lines",))["lines"]) if before else []
        return told(now or apart, "exported", "now") if now or apart else None

    def _unplaced(self, subject: Subject, base: Row) -> str | None:
        """The first line that the other side has no usable place for, and why (rule B-03)."""
        record, own = cast(Budget, subject.record), cast(Budget, subject.own)
        lines = BudgetFacts(self.books, self.references, self.row, self.erp)
        for mine, line in zip(own.lines, record.lines, strict=True):
            row = lines.line(subject, base, mine, line)
            why = (
                f"it has no {row['line_uncoded']}" if row["line_uncoded"]
                else f"code {row['code_text']} does not exist on the job" if row["code"] is None
                else f"{row['code_text']} is a header" if not row["code_leaf"]
                else f"{row['code_text']} is inactive" if not row["code_active"]
                else f"type {row['type_text']} is not assigned to {row['code_text']}" if not row["assigned"]
                else None
            )  # fmt: skip
            if (
                why is None
                and subject.side == "erp"
                and self.books.links(COST_CODES).find(subject.company, line.cost_code or "") is None
            ):
                why = f"code {row['code_text']} is not in Procore yet"
            if why:
                return f"line {row['code_text']} / {row['type_text']} ({row['line_amount']}): {why}"
        return None

    def skip(self, subject: Subject) -> str | None:
        record = cast(Budget, subject.record)
        empty = not has_amounts(record) and not has_amounts(cast(Budget | None, subject.match.target))
        if subject.match.how == "none" and empty:
            return f"job {record.number} has no budget yet"
        if subject.match.how == "none" and subject.side == "procore" and record.owner == "procore" and not self.erp.create:
            return f"the budget of {record.number} is Procore's, and the ERP takes no budgets: nothing is written to it"
        return None

    # -- memory ---------------------------------------------------------------------------------------------------------------

    def _memory(self, result: Judged, subject: Subject, procore: Budget | None, erp: Budget | None) -> Iterator[Remembered]:
        """Both sides as read: the owner's with its state, the other's with its figures."""
        yield self.remembered(result, subject)
        if subject.side == "erp" and procore is not None:
            here = self.references.translated(procore)
            yield replace(procore_row(self.row, here, self.sync.namespace), company=subject.company)
        elif subject.side == "procore" and erp is not None:
            figures = canonical_json(erp.figures())
            yield Remembered(self.row.name, subject.company, "erp", erp.id, erp.number, scope=erp.id, figures=figures)

    def _gone(self, link: Link | None, procore: Budget | None, match: Match | None) -> Iterator[Remembered]:
        """Procore's budget of a link that is no more there: no figure of it counts any longer. The ERP's are read anew."""
        if link is not None and link.procore_id and procore is None and (match is None or match.gone):
            yield Remembered(self.row.name, link.company, "procore", link.procore_id, link.number, deleted=True)


def has_amounts(budget: Budget | None) -> bool:
    """Whether there is a budget at all: a line of it has an amount."""
    return budget is not None and any(line.amount for line in budget.lines)


def _differences(one: Record, other: Record) -> list[tuple[str, str, Any, Any]]:
    return differing_lines(content(one, ("lines",))["lines"], content(other, ("lines",))["lines"])


def told(differences: list[tuple[str, str, Any, Any]], old: str, new: str) -> str:
    shown = ", ".join(f"{key}: {old} {before or 'none'}, {new} {after or 'none'}" for key, _, before, after in differences[:5])
    return shown + (f" and {len(differences) - 5} more" if len(differences) > 5 else "")
