"""Lists of Procore that the days of a backfill share.

A day of a backfill looks at the same lists as the day before it: those without a time filter have no other way of being read.
What one such run has read whole, the next takes from the staging area, while that is safe:

* It is not older than ``backfill_lists_minutes``; a single run acts for longer on what it has read.
* None of our own calls has changed what it shows: a call for a project ends what is kept of that project, one for the company
  ends everything. The ledger has every call, of whatever run, from before it is sent; it is counted, so that no two clocks are
  compared. While the outcome of one is open, nothing that it may change is kept.
* Nobody has cleared a task or made a day be run again: then all of it is read anew (:meth:`KeptLists.forget`).

Only what is to be judged is taken from here. What a load looks for before it writes, and every record that is asked for by its
id, is read in Procore itself.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from upath import UPath

from include.financials.ledger import Ledger, moment, stamp
from include.financials.reading.staging import private_folder, write_whole

if TYPE_CHECKING:
    from include.financials.run import Run
    from include.financials.settings import Settings

LATE = timedelta(hours=25)
"""So long a call without an answer may still change something."""
_NUMBER = "$decimal"


class KeptLists:
    """What one task takes from, and leaves for, the others."""

    def __init__(self, folder: UPath, ledger: Ledger, age: timedelta) -> None:
        self.folder, self.ledger, self.age = folder, ledger, age

    def standing(self, project: str | None, read_at: datetime) -> tuple[int, int]:
        """Our calls that may have changed a list of this project (None: of the company) which was read at that time or is read
        now: how many there are, and how many of them are open."""
        made = self.ledger.journal.calls_since("procore", stamp(read_at - LATE))
        found = [open_ for scope, open_ in made if not (place := scope.partition("/")[0]).isdigit() or place == project]
        return len(found), sum(found)

    def get(self, address: str, project: str | None) -> list[Any] | None:
        """The rows of the list at ``address``; None: it is to be read."""
        try:
            text = self._path(address).read_text(encoding="utf-8")
        except FileNotFoundError:  # nobody has left it yet, or a run beside this one has just forgotten it
            return None
        kept = json.loads(text, object_hook=_number)
        read_at = moment(kept["read_at"])
        if read_at is None or datetime.now(UTC) - read_at > self.age or self.standing(project, read_at) != (kept["calls"], 0):
            return None
        return list(kept["rows"])

    def put(self, address: str, read_at: datetime, standing: tuple[int, int], rows: list[Any]) -> None:
        """Keep a list that was read whole; ``read_at`` (the worker's clock, UTC) and :meth:`standing` of before it was read."""
        made, open_ = standing
        if not open_:
            told = {"address": address, "read_at": stamp(read_at), "calls": made, "rows": rows}
            private_folder(self.folder)
            write_whole(self._path(address), json.dumps(told, default=_text))

    def forget(self) -> None:
        for path in list(self.folder.glob("*.json")) if self.folder.exists() else ():
            with suppress(FileNotFoundError):  # a run beside this one forgets, too; missing_ok looks first and removes then
                path.unlink()

    def _path(self, address: str) -> UPath:
        return self.folder / f"{hashlib.sha256(address.encode()).hexdigest()}.json"


def kept_lists(run: Run, ledger: Ledger, settings: Settings, staging: UPath) -> KeptLists | None:
    """What the days of a backfill share; None: this run is no backfill, or the settings want everything read for each day."""
    if run.kind != "backfill" or not settings.backfill_lists_minutes:
        return None
    return KeptLists(staging / "lists", ledger, timedelta(minutes=settings.backfill_lists_minutes))


def _text(value: Any) -> dict[str, str]:
    """A Decimal keeps every digit and its places."""
    if not isinstance(value, Decimal):
        raise TypeError(f"{value!r} of a list is nothing that JSON can hold")
    return {_NUMBER: str(value)}


def _number(found: dict[str, Any]) -> Any:
    return Decimal(found[_NUMBER]) if found.keys() == {_NUMBER} else found
