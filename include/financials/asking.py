"""What a workflow asks about a document, and what we answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

UNDER_WORKFLOW = "It is under a workflow,"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a workflow asks about a document: the step it is at, the names of those who may answer, since when (UTC). ``older``:
    it is one that only people answer."""

    step: str
    people: tuple[str, ...]
    since: datetime | None
    older: bool = False

    def __str__(self) -> str:
        since = f" since {self.since:%Y-%m-%d}" if self.since else ""
        told = f'{UNDER_WORKFLOW} at the step "{self.step}"{since}, which asks {", ".join(self.people) or "nobody we see"}.'
        return f"{told} It is one of the older workflows (v1.0), which people answer." if self.older else told


@dataclass(frozen=True, slots=True)
class Question:
    """What the step of a workflow asks our own account about a document. ``occurrence`` is that step asked this once: another one
    each time that the document comes back to it. ``options``: (id, name) of each response that it offers."""

    project: str
    flow: str
    occurrence: str
    step: str
    options: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """Our response to a :class:`Question`: ``option`` is its id, ``response`` its name."""

    intent: str
    project: str
    flow: str
    occurrence: str
    option: str
    response: str
    said: str

    @property
    def mark(self) -> str:
        """Stands in no other response: by it an answer that arrived is recognised."""
        return f"[{self.intent[:12]}]"

    @property
    def comment(self) -> str:
        return f"{self.said} {self.mark}"
