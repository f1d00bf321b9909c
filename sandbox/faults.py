"""Faults that tests ask for: which calls go wrong, and how.

Most actions are named by what is answered and by what becomes of the call, ``{answer}_{when}``: the answer is a ``status``, none
at all (``drop``), a page that is no JSON (``garbage``) or half a body (``truncated``); the call has no effect (``before``), has
had it (``after``), or will have it when the caller has long been answered (``late``). ``status`` alone has no effect.
Those that begin with ``event_`` hit webhooks.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from sandbox.procore.call import Call

Answer = Literal["status", "drop", "garbage", "truncated"]
When = Literal["before", "after", "late"]
EFFECTS: dict[str, tuple[Answer, When]] = {
    "status": ("status", "before"),
    "status_after": ("status", "after"),
    "status_late": ("status", "late"),
    "drop_before": ("drop", "before"),
    "drop_after": ("drop", "after"),
    "drop_late": ("drop", "late"),
    "garbage_before": ("garbage", "before"),
    "garbage_after": ("garbage", "after"),
    "garbage_late": ("garbage", "late"),
    "truncated_before": ("truncated", "before"),
    "truncated_after": ("truncated", "after"),
    "truncated_late": ("truncated", "late"),
}
"""What is answered, and when the call takes effect."""
ACTIONS = ("latency", *EFFECTS)
KEYS = {"method", "path", "after", "times", "action", "status", "headers", "body", "seconds", "requests"}
EVENT_ACTIONS = {
    "event_duplicate": "the same event ``count`` more times",
    "event_reorder": "behind the next event of the same hook, or ``seconds`` later when there is none",
    "event_delay": "queued ``seconds`` later; others pass it",
    "event_drop": "discarded without an attempt, as after twelve hours of failure",
    "event_null_metadata": "every value of ``metadata`` is null",
    "event_unknown_keys": "keys that no page knows, in the payload and in its ``metadata``",
    "event_same_timestamp": "the time of the event before it (the first event of all has none before it)",
    "event_unreadable": "reading the record answers 404 for ``seconds``, in lists it is missing",
    "event_flood": "``count`` more events of the same record, each with an id of its own",
}
"""Faults of webhooks, by action: what becomes of an event when it is queued (docs/procore-contract.md §7.6)."""
LONGEST, MOST = 10**8, 100_000
"""Seconds that a call or an event may be kept back, and events that one may bring."""
EVENT_KEYS = {"method", "path", "after", "times", "action", "resource_name", "event_type", "seconds", "count"}


class FaultError(ValueError):
    """A fault rule that cannot be understood; the text says why."""


@dataclass(slots=True)
class Fault:
    """One rule. Without ``method`` or ``path`` it matches every call, without ``times`` it never stops firing.

    ``status`` is what is answered: 503 unless given, 200 with a garbage or truncated body. A late effect comes when ``requests``
    further calls of the integration have been answered, or else ``seconds`` later on the sandbox's clock.
    """

    action: str
    method: str | None = None
    path: str | None = None
    after: int = 0
    times: int | None = None
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    seconds: float = 1.0
    requests: int | None = None
    matched: int = 0
    fired: int = 0

    @classmethod
    def parse(cls, rule: Mapping[str, Any]) -> Fault:
        """A rule as posted. Raises :class:`FaultError`."""
        values = _values(rule, KEYS)
        answer, _ = EFFECTS.get(values["action"], ("status", "before"))
        fault = cls(**{"status": 200 if answer in ("garbage", "truncated") else 503, **values})
        if not 200 <= fault.status <= 599 or not 0 <= fault.seconds <= LONGEST:
            raise FaultError(f"status must be 200 to 599, seconds 0 to {LONGEST}")
        return fault

    @property
    def effect(self) -> tuple[Answer, When] | None:
        """Its row of :data:`EFFECTS`; None for a latency, which changes neither answer nor effect."""
        return EFFECTS.get(self.action)

    def fires(self, method: str, path: str) -> bool:
        """Does it fire for this call? Counts the match and the firing."""
        return _called(self, method, path) and _fires(self)

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class EventFault:
    """A rule for events. ``method`` and ``path`` are those of the call that caused one, ``resource_name`` is a regular
    expression too, ``event_type`` create, update or delete."""

    action: str
    method: str | None = None
    path: str | None = None
    resource_name: str | None = None
    event_type: str | None = None
    after: int = 0
    times: int | None = None
    seconds: float = 60.0
    count: int = 1
    matched: int = 0
    fired: int = 0

    @classmethod
    def parse(cls, rule: Mapping[str, Any]) -> EventFault:
        """A rule as posted. Raises :class:`FaultError`."""
        fault = cls(**_values(rule, EVENT_KEYS))
        if not 0 <= fault.seconds <= LONGEST or not 1 <= fault.count <= MOST:
            raise FaultError(f"seconds must be 0 to {LONGEST}, count 1 to {MOST}")
        return fault

    def fires(self, call: Call, resource_name: str, event_type: str) -> bool:
        """Does it fire for this event? Counts the match and the firing."""
        if self.resource_name and not re.search(self.resource_name, resource_name):
            return False
        return (self.event_type or event_type) == event_type and _called(self, call.method, call.path) and _fires(self)

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


NUMBERS: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("after", int), ("times", int), ("status", int), ("seconds", float), ("requests", int), ("count", int),
)  # fmt: skip


def _values(rule: Mapping[str, Any], keys: set[str]) -> dict[str, Any]:
    """What a rule says, of the right types. Raises :class:`FaultError`."""
    unknown = sorted(set(rule) - keys)
    if unknown:
        raise FaultError(f"unknown keys {unknown}; known are {sorted(keys)}")
    try:
        for pattern in ("path", "resource_name"):
            re.compile(rule.get(pattern) or "")
        values = {key: value for key, value in rule.items() if value is not None}
        for name, kind in NUMBERS:
            if name in values:
                values[name] = kind(values[name])
        if "headers" in keys:
            values["headers"] = {str(key): str(value) for key, value in dict(values.get("headers", {})).items()}
    except (re.error, TypeError, ValueError) as problem:
        raise FaultError(str(problem)) from problem
    return values


def parse(rule: Any) -> Fault | EventFault:
    """A rule of either sort, as posted. Raises :class:`FaultError`."""
    if not isinstance(rule, dict):
        raise FaultError("a fault is an object with at least an action")
    if rule.get("action") in EVENT_ACTIONS:
        return EventFault.parse(rule)
    if rule.get("action") not in ACTIONS:
        raise FaultError(f"action {rule.get('action')!r} is none of {[*ACTIONS, *EVENT_ACTIONS]}")
    return Fault.parse(rule)


def _called(rule: Fault | EventFault, method: str, path: str) -> bool:
    return (not rule.method or rule.method.upper() == method) and (not rule.path or bool(re.search(rule.path, path)))


def _fires(rule: Fault | EventFault) -> bool:
    """Counts a match, and the firing unless ``after`` or ``times`` forbid it."""
    rule.matched += 1
    if rule.matched <= rule.after or (rule.times is not None and rule.fired >= rule.times):
        return False
    rule.fired += 1
    return True


@dataclass(slots=True)
class Late:
    """A call that was answered and has yet to take effect: at ``due``, or when ``requests`` more calls were answered."""

    call: Call
    action: str
    due: datetime | None
    requests: int | None

    def as_json(self) -> dict[str, Any]:
        due = None if self.due is None else self.due.isoformat()
        shown = {"method": self.call.method, "path": self.call.path, "action": self.action}
        return {**shown, "due": due, "requests": self.requests}


class UnderWay:
    """Calls whose effect is late, in the order in which they were made."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[Late] = []

    def __bool__(self) -> bool:
        return bool(self._calls)

    def add(self, call: Call, fault: Fault, now: datetime) -> None:
        due = now + timedelta(seconds=fault.seconds) if fault.requests is None else None
        with self._lock:
            self._calls.append(Late(call, fault.action, due, fault.requests))

    def take(self, now: datetime, answered: int = 0) -> list[Late]:
        """Those that take effect now, after ``answered`` more calls; they are under way no longer."""
        with self._lock:
            for late in self._calls:
                if late.requests is not None:
                    late.requests -= answered
            due = [late for late in self._calls if (late.due <= now if late.due else (late.requests or 0) <= 0)]
            self._calls = [late for late in self._calls if late not in due]
            return due

    def listed(self) -> list[dict[str, Any]]:
        with self._lock:
            return [late.as_json() for late in self._calls]

    def clear(self) -> None:
        with self._lock:
            self._calls.clear()


class Faults:
    """The rules in force, in the order they were posted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Fault | EventFault] = []

    def add(self, rules: Any) -> list[dict[str, Any]]:
        """Add a rule or a list of rules, all or none. Raises :class:`FaultError`."""
        new = [parse(rule) for rule in (rules if isinstance(rules, list) else [rules])]
        with self._lock:
            self._rules.extend(new)
        return self.listed()

    def listed(self) -> list[dict[str, Any]]:
        with self._lock:
            return [rule.as_json() for rule in self._rules]

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def firing(self, method: str, path: str) -> list[Fault]:
        """What hits this call: any number of latencies, then at most one other fault."""
        with self._lock:
            found: list[Fault] = []
            for rule in self._rules:
                if found and found[-1].action != "latency":
                    break
                if isinstance(rule, Fault) and rule.fires(method, path):
                    found.append(rule)
            return found

    def of_event(self, call: Call, resource_name: str, event_type: str, *, first: bool) -> list[EventFault]:
        """What hits this event: any number of rules. ``first``: there is no event before it."""
        with self._lock:
            rules = (rule for rule in self._rules if isinstance(rule, EventFault))
            return [
                rule
                for rule in rules
                if not (first and rule.action == "event_same_timestamp") and rule.fires(call, resource_name, event_type)
            ]
