"""Pages of a list, staged in parts: many a project has two invoices or none, and a file takes longer to write than they take."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from include.financials.port import Page
from include.financials.reading.parsed import rows_of
from include.financials.reading.staging import Staged

ROWS = 1_000
"""Records and lines of a part."""
SECONDS = 5.0
"""How long a page may wait for the others of its part: no more than that is read again after a process was killed."""


class Parts:
    """Takes the pages of one read; a part is written when it has ``ROWS`` or is ``SECONDS`` old, and the last one when the block
    ends, by an error too: a try that was sent away by a limit goes on at the cursor of the last page it was given. An error may
    come between any two steps of ours as well (a signal that ends the task): a page is taken in one step, its cursor with it,
    and what was about to be written is read again."""

    def __init__(self, staged: Staged, clock: Callable[[], float] = time.monotonic, *, whole: bool = False) -> None:
        """``whole``: where the block ends without an error, all is read that there is to read."""
        self._staged, self._clock, self._whole = staged, clock, whole
        self._part: list[Page] = []
        self._rows, self._began = 0, 0.0

    def __enter__(self) -> Parts:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        whole = self._whole and error is None
        if whole and not self._part:
            self._staged.complete()
        self.write(last=whole)

    def add(self, page: Page) -> None:
        """A page as it is now; its cursor is where the list goes on behind it."""
        if not self._part:
            self._rows, self._began = 0, self._clock()
        self._part.append(Page([*page.records], [*page.invalid], page.cursor, [*page.hidden]))
        self._rows += rows_of(page.records)
        if self._rows >= ROWS or self._clock() - self._began >= SECONDS:
            self.write()

    def write(self, *, last: bool = False) -> None:
        """What was given so far counts from now on. ``last``: no more will come."""
        pages, self._part = self._part, []
        if pages:
            whole = _joined(pages)
            self._staged.add(replace(whole, cursor=None) if last else whole, last=last)


def _joined(pages: Sequence[Page]) -> Page:
    whole = Page([], cursor=pages[-1].cursor)
    for page in pages:
        whole.records += page.records
        whole.invalid += page.invalid
        whole.hidden += page.hidden
    return whole
