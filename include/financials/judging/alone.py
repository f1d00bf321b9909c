"""What one side alone has of an entity that the ERP owns: linked records that the ERP shows no longer, Procore's that are gone,
and Procore's that no record of the ERP owns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property

from include.financials.identity import parse_origin
from include.financials.judging.check import Judging
from include.financials.judging.matching import ErpSource
from include.financials.judging.memory import blank, source_hash
from include.financials.ledger import Judged, Remembered
from include.financials.port import Window
from include.financials.reading.questions import not_in_erp
from include.financials.record import PROJECTS, Record
from include.financials.references import References


class Alone(Judging):
    """One shard, as its check tells of it after all that the ERP has."""

    def vanished(self, matcher: ErpSource, here: set[tuple[str, str]]) -> list[Judged]:
        """Linked records that neither the ERP's full list nor a read by their key shows (rule R-02)."""
        sync, row = self.sync, self.row
        answer, asked = sync.lists.answer(row.name, [self.shard], "erp", row.name)
        there = {(one.company or "", one.id) for one in answer.shown}
        gone = [
            link
            for link in not_in_erp(sync, row, self.shard, matcher.links, here)
            # What was linked since this run read the list is not gone: nobody has looked for it.
            if link.erp_key in asked and not there & {(link.company, link.erp_key), ("", link.erp_key)}
        ]
        rule, why = row.rule("broken_link"), "the ERP no longer has it"
        return [
            blank(sync, row, self.shard, "erp", link.company, link.erp_key, link.number)._replace(
                project=link.scope, how="link", procore_id=link.procore_id, erp_key=link.erp_key, state=rule.state, rule=rule.id,
                message=self.broken(link, "erp", why),
            )
            for link in gone
        ]  # fmt: skip

    def gone(self, here: set[str], references: References, unreadable: set[str]) -> list[Remembered]:
        """What the ledger remembers of Procore and Procore shows no longer: deleted, or under another external id by now. What
        this run wrote itself is younger than the list it read."""
        sync, row = self.sync, self.row
        opened = sync.ledger.runs.get(sync.run.run_id)
        started = opened.started_at if opened is not None else ""
        scopes = sync.scopes("procore", row.name, self.shard)
        places = None if scopes is None else {references.key(PROJECTS, scope) for scope in scopes}
        return [
            Remembered(row.name, known.company, "procore", known.id, known.number, deleted=True)
            for known in sync.ledger.records.each(row.name, "procore", places, figures=False)
            if known.id not in here and known.id not in unreadable and not known.deleted
            if (known.read_at or "") < started and (places is None or known.scope in places)
        ]

    def procore_only(self, matcher: ErpSource, targets: Sequence[Record]) -> list[Judged]:
        """Procore's records that no ERP record owns: waiting for accounting, a broken or foreign external id,
        or part of an ambiguity."""
        results = []
        alone = [one for one in targets if one.id not in matcher.links.by_procore and self._window.covers(one.updated_at)]
        alone = [one for one in alone if one.id not in matcher.claimed or matcher.disputed(one)]
        marks = {one.id: (mark.company, mark.key) for one in alone if (mark := parse_origin(one.origin_id, self.sync.namespace))}
        theirs = self.sync.lists.elsewhere("erp", self.row.name, self.shard, marks.values(), readable=True)
        for record in alone:
            if marks.get(record.id) in theirs:
                continue  # of a record that has moved to a job of another shard, which tells of the two
            state, rule, message = (
                "skipped",
                None,
                f"{self.row.label} {record.number} {self.row.alone}",
            )
            if matcher.disputed(record):
                state, rule = "quarantined", self.row.rule("ambiguous").id
                message = (
                    f"Procore {self.row.label} {record.number} (id {record.id}) matches more than one ERP record. "
                    "Choose one or merge them."
                )
            elif record.id in self.people.ids:
                message = f"{self.row.label} {record.number}: its link was ended by a person, and it waits for accounting"
            elif parse_origin(record.origin_id, self.sync.namespace):
                state, rule = "conflict", "R-02"
                message = (
                    f"{self.row.label.capitalize()} {record.number} carries our external id {record.origin_id}, "
                    "which the ERP does not know. Restore the record there, or clear the external id in Procore."
                )
            elif record.origin_id:
                state, rule = "conflict", "R-01"
                message = (
                    f"{self.row.label.capitalize()} {record.number} carries external id {record.origin_id}, which is not ours."
                )
            elif record.deleted or getattr(record, "active", True) is False:
                message = f"{self.row.label} {record.number} is inactive and in Procore only"
            results.append(
                blank(self.sync, self.row, self.shard, "procore", "", record.id, record.number)._replace(
                    project=getattr(record, "project", None),
                    procore_id=record.id,
                    state=state,
                    rule=rule,
                    message=message,
                    source_hash=source_hash(record),
                    judged=True,
                )
            )
        return results

    @cached_property
    def _window(self) -> Window:
        return self.sync.run.window(self.sync.ledger, "procore", self.row.name, overlap=timedelta(0))
