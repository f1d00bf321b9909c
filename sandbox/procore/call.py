"""One call and its reply, apart from any web framework: the same handlers serve the API and a person in the UI."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

from sandbox.procore.errors import Refused

FILTER = re.compile(r"^filters\[([^\]]+)\](?:\[\])?$")


@dataclass(slots=True)
class Call:
    """A request. ``person``: made by somebody in Procore's UI (no token, no rate limit, sees every project)."""

    method: str
    path: str
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    person: bool = False
    params: dict[str, str] = field(default_factory=dict)
    _json: Any = None
    _args: list[tuple[str, str]] | None = None

    @property
    def args(self) -> list[tuple[str, str]]:
        """Query parameters in order."""
        if self._args is None:
            self._args = parse_qsl(self.query, keep_blank_values=True)
        return self._args

    def arg(self, name: str) -> str | None:
        """The last value of a query parameter; None when absent or empty."""
        return next((value for key, value in reversed(self.args) if key == name and value != ""), None)

    def filters(self) -> dict[str, list[str]]:
        """``filters[x]=a`` and ``filters[x][]=a`` by name; list forms add up."""
        found: dict[str, list[str]] = {}
        for key, value in self.args:
            match = FILTER.match(key)
            if match and value != "":
                found.setdefault(match[1], []).append(value)
        return found

    def json(self) -> dict[str, Any]:
        """The body as an object. Raises :class:`Refused` (400) for anything else, bytes that are not UTF-8 among them."""
        found = self.content()
        if not isinstance(found, dict):
            raise Refused(400, "The request body must be a JSON object", {"body": ["must be an object"]})
        return found

    def content(self) -> Any:
        """The body, whatever it is; a few calls send a list. Raises as :meth:`json`."""
        if self._json is None:
            self._json = parse(self.body)
        return self._json


@dataclass(slots=True)
class Reply:
    """A reply; ``body`` None means no content."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    def encode(self) -> bytes:
        return b"" if self.body is None else json.dumps(self.body, ensure_ascii=False, default=_number).encode()


def parse(body: bytes) -> Any:
    """JSON with exact decimals. Raises :class:`Refused` (400)."""
    try:
        text = body.decode("utf-8")
        parsed = json.loads(text, parse_float=Decimal, parse_constant=_no_constant) if text.strip() else {}
        if "\\ud" in text.lower():  # an escaped half of a surrogate pair is valid JSON but no text that can be stored
            json.dumps(parsed, ensure_ascii=False, default=str).encode("utf-8")
    except (ValueError, RecursionError) as problem:
        kind = "is not valid UTF-8" if isinstance(problem, UnicodeError) else "is not valid JSON"
        raise Refused(400, f"The request body {kind}", {"body": [kind]}) from problem
    return parsed


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _number(value: Any) -> Any:
    """A decimal of the request, echoed in an error entry; no figure of ours is ever a Decimal here."""
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{type(value).__name__} in a reply")
