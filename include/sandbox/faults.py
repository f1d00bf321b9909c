"""Faults that tests ask for: which calls go wrong, and how."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from typing import Any

ACTIONS = ("status", "latency", "drop_before", "drop_after")
KEYS = {"method", "path", "after", "times", "action", "status", "headers", "body", "seconds"}


class FaultError(ValueError):
    """A fault rule that cannot be understood; the text says why."""


@dataclass(slots=True)
class Fault:
    """One rule. Without ``method`` or ``path`` it matches every call, without ``times`` it never stops firing."""

    action: str
    method: str | None = None
    path: str | None = None
    after: int = 0
    times: int | None = None
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    seconds: float = 1.0
    matched: int = 0
    fired: int = 0

    @classmethod
    def parse(cls, rule: Any) -> Fault:
        """A rule as posted. Raises :class:`FaultError`."""
        if not isinstance(rule, dict):
            raise FaultError("a fault is an object with at least an action")
        unknown = sorted(set(rule) - KEYS)
        if unknown:
            raise FaultError(f"unknown keys {unknown}; known are {sorted(KEYS)}")
        if rule.get("action") not in ACTIONS:
            raise FaultError(f"action {rule.get('action')!r} is none of {list(ACTIONS)}")
        try:
            re.compile(rule.get("path") or "")
            values = {key: value for key, value in rule.items() if value is not None}
            for name, kind in (("after", int), ("times", int), ("status", int), ("seconds", float)):
                if name in values:
                    values[name] = kind(values[name])
            values["headers"] = {str(key): str(value) for key, value in dict(values.get("headers", {})).items()}
        except (re.error, TypeError, ValueError) as problem:
            raise FaultError(str(problem)) from problem
        return cls(**values)

    def fires(self, method: str, path: str) -> bool:
        """Does it fire for this call? Counts the match and the firing."""
        if self.method and self.method.upper() != method:
            return False
        if self.path and not re.search(self.path, path):
            return False
        self.matched += 1
        if self.matched <= self.after or (self.times is not None and self.fired >= self.times):
            return False
        self.fired += 1
        return True

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


class Faults:
    """The rules in force, in the order they were posted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Fault] = []

    def add(self, rules: Any) -> list[dict[str, Any]]:
        """Add a rule or a list of rules, all or none. Raises :class:`FaultError`."""
        new = [Fault.parse(rule) for rule in (rules if isinstance(rules, list) else [rules])]
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
                if rule.fires(method, path):
                    found.append(rule)
            return found
