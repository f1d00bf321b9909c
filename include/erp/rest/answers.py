"""What an answer means: refused in the ERP's words, come back later, or nobody knows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from json import JSONDecodeError
from typing import Any, Literal

import httpx

from include.erp.json import paths
from include.erp.json.waiting import moment, seconds
from include.erp.json.web import JUDGED
from include.erp.rest.grammar import Errors
from include.financials import exact
from include.financials.exceptions import OutcomeUnknown, Refused, RetryLater

_LONGEST = 300
"""Characters of an answer that is no JSON, in a message."""
BUSY = (425, 429)
"""The limiter stands before the application: nothing was applied."""


@dataclass(frozen=True, slots=True)
class Answer:
    """``body``: its JSON; None where it has none. ``broken``: it should have been JSON and is not, or not all of it. ``odd``: why
    its JSON, which is whole, cannot be read; it will be so next time."""

    status: int
    headers: Mapping[str, str]
    body: Any = None
    text: str = ""
    broken: bool = False
    odd: str = ""

    @classmethod
    def of(cls, reply: httpx.Response, loads: Callable[[bytes], Any] = exact.loads) -> Answer:
        body, broken, odd = None, False, ""
        if reply.content.strip():
            try:
                body = loads(reply.content)
            except (JSONDecodeError, UnicodeDecodeError):
                broken = True
            except ValueError as error:
                odd = str(error)
        return cls(reply.status_code, reply.headers, body, reply.text, broken, odd)

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300 and not self.broken and not self.odd

    @property
    def seconds(self) -> float | None:
        """When to come back, as ``Retry-After`` says: seconds, or a time."""
        return seconds(self.headers.get("Retry-After", ""), self.time)

    @property
    def time(self) -> datetime | None:
        """The server's clock."""
        return moment(self.headers.get("Date"))


@dataclass(frozen=True, slots=True)
class Meaning:
    """``done``: it was applied, whatever the status says."""

    means: Literal["done", "refused", "later", "unknown"]
    message: str = ""
    field: str | None = None


def words(errors: Errors, answer: Answer) -> str:
    """The ERP's own words, its code in front."""
    said = _found(errors.words, answer)
    if said is None:
        said = " ".join(answer.text.split())[:_LONGEST] or "it gives no reason"
    code = _found(errors.code, answer)
    return f"{code}: {said}" if code and code not in said else said


def _found(path: str, answer: Answer) -> str | None:
    found = paths.value(path, answer.body) if isinstance(answer.body, dict | list) else None
    return None if found is None or found == "" else " ".join(str(found).split())


def meaning(errors: Errors, answer: Answer) -> Meaning:
    """Of an answer to a write. What is not in the file: a 4xx that HTTP knows is refused, a limiter's wait is a wait, all else
    is unknown."""
    if errors.hook is not None:
        told = errors.hook(answer)
        if told is not None:
            if not isinstance(told, Meaning):
                raise TypeError(f"{errors.hook.__module__}:{errors.hook.__name__} answered {told!r}, no Meaning")
            return told
    if answer.good:
        return Meaning("done")
    said, code = words(errors, answer), _found(errors.code, answer)
    for row in errors.table:
        if (
            (row.status is None or row.status == answer.status)
            and (row.code is None or row.code == code)
            and (row.says is None or re.search(row.says, said))
        ):
            return Meaning(row.means, said, row.field)
    if answer.status in BUSY:
        return Meaning("later", f"the ERP asks to come back later ({answer.status})")
    if answer.status in JUDGED:
        return Meaning("refused", said)
    told = f"its answer {answer.odd}" if answer.odd else f"the ERP answered {answer.status}: {said}"
    return Meaning("unknown", "the answer was cut off" if answer.broken else told)


def judged(errors: Errors, answer: Answer) -> Answer:
    """The answer to a write that was applied. Raises Refused, RetryLater (nothing was applied) or OutcomeUnknown."""
    found = meaning(errors, answer)
    match found.means:
        case "done":
            return answer
        case "refused":
            raise Refused(found.message, found.field)
        case "later":
            raise RetryLater(found.message, answer.seconds)
    raise OutcomeUnknown(found.message)
