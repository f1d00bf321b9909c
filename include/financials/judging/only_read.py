"""Checks of what is read in Procore and sent nowhere: each record is noted in the ledger, with its external id."""

from __future__ import annotations

from include.financials.entity import Entity
from include.financials.judging.check import Judging
from include.financials.judging.subject import Match, Subject
from include.financials.ledger import Judged
from include.financials.record import PROJECTS, Record
from include.financials.view import Sync


class OnlyRead(Judging):
    """Nothing can be wrong with such a record but that it cannot be read; all others are skipped, by design."""

    def __init__(self, sync: Sync, row: Entity, shards: tuple[int, ...]) -> None:
        super().__init__(sync, row, 0)
        self.shards = shards

    def run(self) -> list[Judged]:
        sync, row = self.sync, self.row
        told: list[Judged] = []
        for shard in self.shards:
            staged = sync.staged(row.name, shard)
            subjects = [*map(self._subject, staged.records())]
            self.seen.learn(("", subject.own.id) for subject in subjects)
            read = [(self._told(subject), subject) for subject in subjects]
            unusable = [(bad, self.unusable(bad, "procore", sync.fresh_links(row.name))) for bad in staged.invalid()]
            results = [result._replace(shard=shard) for result in (*(r for r, _ in read), *(r for _, r in unusable))]
            remembered = [self.remembered(*one) for one in read] + self.traces(unusable)
            sync.ledger.outcomes.judge(sync.run.run_id, row.name, shard, results, [] if sync.run.plan else remembered)
            told += results
        return told

    def called(self, entity: str, ident: str) -> str:
        return self.books.name(entity, ident)

    def _subject(self, record: Record) -> Subject:
        project = self.references.link(PROJECTS, getattr(record, "project", None))
        company = project.company if project else ""
        translated = self.facts.translated(record).model_copy(update={"company": company})
        return Subject(record, translated, Match(), "procore", company, None, record.id)

    def _told(self, subject: Subject) -> Judged:
        own, known = subject.own, f"{self.row.label} {subject.record.number}"
        marked = f"its external id is {own.origin_id}" if own.origin_id else "it has no external id"
        gone = "deleted in Procore, " if own.deleted else ""
        message = f"{known} is {gone}kept as Procore has it ({marked}); nothing of it goes to the ERP"
        return self.base(subject)._replace(state="skipped", message=message)
