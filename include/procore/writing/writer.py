"""Carries out the steps of the entities: what the port asks of a system that is written to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from include.financials.exceptions import ContractBroken, Refused
from include.financials.identity import digest
from include.financials.port import Beat, Item, Outcome, Step, idle
from include.procore.entity import Desk, Way
from include.procore.exceptions import Locked
from include.procore.writing.way import rejected


class Writer:
    """All writes of the port. See :class:`include.procore.system.ProcoreSystem` for their contract."""

    def __init__(self, desk: Desk, ways: Mapping[tuple[str, str], Way]) -> None:
        self._desk = desk
        self._ways = ways

    def wants(self, step: Step, item: Item) -> bool:
        return self._way(step).wants(item)

    def scope(self, step: Step, item: Item) -> str:
        return self._way(step).scope(item)

    def post(self, step: Step, items: Sequence[Item], beat: Beat = idle) -> list[Outcome]:
        with self._desk.client.writing(digest(sorted(item.intent for item in items)), beat):
            return self._post(step, items)

    def _post(self, step: Step, items: Sequence[Item]) -> list[Outcome]:
        way, desk = self._way(step), self._desk
        if len({way.scope(item) for item in items}) > 1:
            raise ContractBroken(f"step {step.name} of {step.entity}: items of several scopes in one call")
        busy = [item for item in items if way.wants(item)]
        done = [Outcome(item.intent, "confirmed", id=desk.id_of(item)) for item in items if not way.wants(item)]
        if not busy:
            return done
        try:
            return done + way.post(desk, busy)
        except Refused as error:
            if len(busy) > 1:
                raise
            return [*done, rejected(busy[0], desk.id_of(busy[0]), str(error), error.field, isinstance(error, Locked))]

    def find(self, step: Step, items: Sequence[Item]) -> list[Outcome]:
        way = self._way(step)
        by_scope: dict[str, list[Item]] = {}
        for item in items:
            by_scope.setdefault(way.scope(item), []).append(item)
        found = {outcome.intent: outcome for group in by_scope.values() for outcome in way.find(self._desk, group)}
        return [found[item.intent] for item in items]

    def _way(self, step: Step) -> Way:
        try:
            return self._ways[step.entity, step.name]
        except KeyError:
            raise ContractBroken(f"Procore's side has no step {step.name} of {step.entity}") from None
