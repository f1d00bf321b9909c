"""A run: its window, its parameters, its settings - decided once, by the first task, and read by all others from the ledger."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, cast

from include.financials.entities import ENTITIES
from include.financials.exceptions import ConfigurationError, StepMissing
from include.financials.identity import canonical_json
from include.financials.ledger import Ledger, RunRow, moment, stamp
from include.financials.ledger.inbox import Claimed
from include.financials.legible import nearest
from include.financials.port import Window
from include.financials.record import Side
from include.financials.settings import Settings

log = logging.getLogger(__name__)

Kind = Literal["scheduled", "backfill", "manual"]
Mode = Literal["apply", "plan"]

HEAD = ("window", "preflight", "select", "shards")
"""The steps before anything is read: ``window`` alone opens a run, and whatever else of these a DAG has must have run as well."""

PARAMS = ("entities", "projects", "documents", "since", "until", "mode", "shards", "approve_above")
DOCUMENTS = tuple(name for name, row in ENTITIES.items() if row.document)


@dataclass(frozen=True, slots=True)
class Run:
    """``since`` None: each list is read from its own watermark. ``until`` never lies after the sources' own now."""

    run_id: str
    mode: Mode
    kind: Kind
    since: datetime | None
    until: datetime
    entities: tuple[str, ...] = tuple(ENTITIES)
    projects: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    """Only these, by the number that people know them by; whatever they refer to must be linked already."""
    shards: int = 1
    approve_above: Decimal | None = None
    settings_hash: str = ""

    @property
    def plan(self) -> bool:
        return self.mode == "plan"

    @property
    def partial(self) -> bool:
        """A run of a part of the records: it says nothing of the others, and no watermark moves after it."""
        return bool(self.projects or self.documents)

    def wants(self, *numbers: str) -> bool:
        """Whether a record of these numbers is one that the run is about."""
        return not self.documents or any(number.strip().casefold() in self._named for number in numbers)

    @property
    def _named(self) -> frozenset[str]:
        return frozenset(number.strip().casefold() for number in self.documents)

    def window(self, ledger: Ledger, side: Side, entity: str, overlap: timedelta) -> Window:
        """What to look at in one list. A backfill reads exactly its interval; everything else may start at the watermark. A run
        of some documents looks for them whenever they were changed."""
        if self.documents:
            return Window(None, self.until)
        if self.since is not None or self.kind == "backfill":
            return Window(self.since, self.until)
        known = moment(ledger.runs.watermark(side, entity))
        return Window(known - overlap if known else None, self.until)


def instant(text: str | None, name: str) -> datetime | None:
    """An ISO date-time as aware UTC; a bare date is its midnight, UTC."""
    if text is None or text == "":
        return None
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise ConfigurationError(f"{name} is {text!r}; give an ISO date-time such as 2026-07-01T00:00:00Z") from error
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def open_run(
    ledger: Ledger,
    settings: Settings,
    *,
    run_id: str,
    kind: Kind,
    source_now: datetime,
    interval: tuple[datetime | None, datetime | None] = (None, None),
    params: Mapping[str, Any] | None = None,
    claimed: Claimed | None = None,
) -> Run:
    """Decide the window and write it down; called again for the same ``run_id`` (a retry) it returns what was decided first,
    as long as the same is asked for: Airflow gives a run that is reprocessed by a backfill, or triggered under an old id,
    another type and other parameters. Where ``window`` had come to its end, the run starts over (:func:`start_over`).

    ``claimed``: the run is about these events, and nobody has chosen its parameters. ``interval`` is the scheduler's data
    interval; ``source_now`` the earlier of the two systems' clocks. Raises ConfigurationError for parameters that make no
    sense, naming the parameter and what it may be.
    """
    # The form hands an emptied field over as None or as an empty text. Of what decides how much is done, none is no answer.
    empty = dict.fromkeys(("since", "until", "approve_above"), (None, "")) | {"projects": (None,), "documents": (None,)}
    chosen = {key: value for key, value in (params or {}).items() if value not in empty.get(key, ())}
    if unknown := [key for key in chosen if key not in PARAMS]:
        raise ConfigurationError(nearest("unknown parameter", unknown, PARAMS))
    if chosen.get("documents") and chosen.get("entities") == list(ENTITIES):
        del chosen["entities"]  # the form's list of all of them: of each that can have a document
    _validate(chosen)
    if claimed is not None:
        if given := [name for name in ("entities", "projects", "documents", "since", "until") if chosen.get(name)]:
            raise ConfigurationError(f"a run of events takes what these are about: leave {', '.join(given)} out")
        chosen |= {"entities": list(claimed.entities), "projects": list(claimed.projects)}
    since, until = instant(chosen.get("since"), "since"), instant(chosen.get("until"), "until")
    start, end = interval
    if kind == "backfill":
        since, until = since or start, until or end
    elif kind == "scheduled":
        until = until or end
    until = min(until, source_now) if until else source_now
    if since and since > until:
        raise ConfigurationError(
            f"since ({stamp(since)}) lies after until ({stamp(until)}); the sources' clock says {stamp(source_now)}"
        )
    if kind == "manual" and since is None and chosen.get("until") and not chosen.get("documents"):
        _something_to_read(ledger, chosen, until, timedelta(minutes=settings.overlap_minutes))
    asked = {
        "mode": _mode(settings, chosen.get("mode", "apply"), kind, events=claimed is not None),
        "kind": kind,
        "params": canonical_json(chosen),
    }
    kept = ledger.runs.open(
        RunRow(
            run_id=run_id,
            **asked,
            settings_hash=settings.hash,
            since=stamp(since) if since else None,
            until=stamp(until),
            started_at=stamp(),
        )
    )
    if any(getattr(kept, name) != value for name, value in asked.items()):
        # What it did before was asked for otherwise: nothing of that counts for what is asked for now.
        ledger.runs.unfinished(run_id, HEAD)
        opened = _said(kept.mode, kept.kind, kept.params)
        raise ConfigurationError(
            f"Nothing was done. Run {run_id} was opened as {opened}, and is now asked for as {_said(**asked)}. A run keeps "
            "what it was opened with; trigger a run of its own, with since and until where it is about certain days."
        )
    return start_over(ledger, kept, until)


def _mode(settings: Settings, asked: Mode, kind: Kind, *, events: bool) -> Mode:
    """Nobody triggers a scheduled run, nor one of events: its mode is a setting. But ``apply`` is what the form says by itself,
    ``plan`` is somebody's word, and no setting makes more of it."""
    return settings.scheduled_mode if asked == "apply" and (kind == "scheduled" or events) else asked


def start_over(ledger: Ledger, opened: RunRow, until: datetime) -> Run:
    """The run as its ``window`` finds it that has been opened before. A later try sees what was decided. But whoever clears a
    ``window`` that had come to its end wants all of it once more, perhaps days later: nothing that it did counts any longer, and
    its end is decided by the rule of the first time, so that a run by hand whose end nobody chose ends now.

    :param until: the end by that rule.
    """
    if ledger.runs.finished_at(opened.run_id, "window") is None:
        return load_run(ledger, opened.run_id)
    ledger.runs.begun_anew(opened.run_id, stamp(until))
    log.info("run %s starts over: it ends at %s now, and ended at %s before", opened.run_id, stamp(until), opened.until)
    return load_run(ledger, opened.run_id)


def _something_to_read(ledger: Ledger, params: Mapping[str, Any], until: datetime, overlap: timedelta) -> None:
    """A window that ends before the watermark it would begin at is empty: a run that read nothing would be green."""
    over = []
    for name in params.get("entities", _all(params)):
        known = moment(ledger.runs.watermark(ENTITIES[name].source, name))
        if known is not None and known - overlap > until:
            over.append(f"{name.replace('_', ' ')} up to {stamp(known)}")
    if over:
        shown = ", ".join(over[:5]) + (f" and {len(over) - 5} more" if len(over) > 5 else "")
        raise ConfigurationError(
            f"until ({stamp(until)}) lies before what was read already: {shown}. Such a run would read nothing of that; give "
            "since as well, to look at those days once more, or leave until out."
        )


def _said(mode: str, kind: str, params: str) -> str:
    """What a run was asked for; of its entities only how many where they are not few."""
    named = {
        name: f"{len(value)} of them" if isinstance(value, list) and len(value) > 3 else value
        for name, value in json.loads(params).items()
    }
    told = ", ".join(f"{name} {value}" for name, value in sorted(named.items()) if name != "mode")
    return f"{kind} run in mode {mode}" + (f" ({told})" if told else "")


def load_run(ledger: Ledger, run_id: str) -> Run:
    row = ledger.runs.get(run_id)
    if row is None:
        raise ConfigurationError(f"run {run_id} is not in the ledger; its first task (window) opens it")
    params = json.loads(row.params)
    above = params.get("approve_above")
    return Run(
        run_id=run_id,
        mode=cast(Mode, row.mode),
        kind=cast(Kind, row.kind),
        since=moment(row.since),
        until=moment(row.until),  # type: ignore[arg-type]
        entities=tuple(name for name in ENTITIES if name in params.get("entities", _all(params))),
        projects=tuple(params.get("projects", ())),
        documents=tuple(params.get("documents", ())),
        shards=int(params.get("shards", 1)),
        approve_above=Decimal(str(above)) if above is not None else None,
        settings_hash=row.settings_hash,
    )


def _all(params: Mapping[str, Any]) -> Iterable[str]:
    """The entities of a run that names none: all, or those that can have a document of that number."""
    return DOCUMENTS if params.get("documents") else ENTITIES


def require(ledger: Ledger, run_id: str, steps: Iterable[str], shards: Sequence[int] = (0,)) -> None:
    """Raises StepMissing unless each of ``steps`` has come to its end in this run, in all ``shards``. The ledger says so, not
    Airflow: there, a task that failed or never ran can be marked a success by hand."""
    done = ledger.runs.steps(run_id)
    missing = [step for step in steps if any((step, shard) not in done for shard in shards)]
    if missing:
        raise StepMissing(
            f"Nothing was done: {', '.join(map(_task, missing))} did not run to the end in run {run_id} (failed, skipped or "
            f"marked by hand). Clear {'it' if len(missing) == 1 else 'them'} and what follows, and let Airflow run it; to mark "
            "it does not count."
        )


def _task(step: str) -> str:
    """What the task of a step is called in Airflow."""
    kind, _, entity = step.partition(":")
    gate = ENTITIES[entity].gate if kind == "check" else None
    return gate or step.replace(":", "_")


def _validate(params: Mapping[str, Any]) -> None:
    if params.get("entities", ENTITIES) is None:
        raise ConfigurationError("entities is empty: name at least one, or leave the parameter out for all of them")
    for name in ("entities", "projects", "documents"):
        given = params.get(name, [])
        if not isinstance(given, list | tuple) or not all(isinstance(one, str) for one in given):
            raise ConfigurationError(f"{name} is {given!r}; give a list of texts")
    if not params.get("entities", ENTITIES):
        raise ConfigurationError("entities is an empty list: name at least one, or leave the parameter out for all of them")
    if wrong := [name for name in params.get("entities", ()) if name not in ENTITIES]:
        raise ConfigurationError(nearest("entities: unknown", wrong, ENTITIES))
    if params.get("documents") and (wrong := [name for name in params.get("entities", ()) if name not in DOCUMENTS]):
        raise ConfigurationError(f"documents cannot be chosen of {', '.join(wrong)}, which are no documents: leave entities out")
    if any(not number.strip() for number in params.get("documents", ())):
        raise ConfigurationError("documents has an empty number; give numbers as people know them, e.g. 104-SC-003")
    if params.get("mode", "apply") not in ("apply", "plan"):
        raise ConfigurationError(f"mode is {params['mode']!r}; it is apply or plan")
    shards = params.get("shards", 1)
    if not isinstance(shards, int) or isinstance(shards, bool) or not 1 <= shards <= 64:
        raise ConfigurationError(f"shards is {shards!r}; give a whole number from 1 to 64")
    above = params.get("approve_above")
    if above is not None and not _is_amount(str(above)):
        raise ConfigurationError(f"approve_above is {above!r}; give a decimal number such as 250000.00, or leave it empty")


def _is_amount(text: str) -> bool:
    try:
        return Decimal(text).is_finite() and Decimal(text) >= 0
    except InvalidOperation:
        return False
