"""Every served operation is asked for with values that no client of ours sends: whatever they are, it refuses them in a shape of
Procore's or takes them, and never breaks."""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from sandbox.procore.call import Call, Reply
from sandbox.procore.described import Schema, operations
from sandbox.procore.settings import CLIENT_ID, CLIENT_SECRET, Settings
from sandbox.world import World
from tests.unit.sandbox.procore.serving import COMPANY
from tests.unit.sandbox.procore.test_described import SHAPES

HOSTILE: list[Any] = [
    2**63, -(2**63) - 1, 10**30, 0, -1, 1.5, True, None, "", " ", "5\n", "+5", "1_000", "1,000.00", "1e400", "NaN", "0x10",
    "\u202eevil\u0000", "=cmd|' /C calc'!A0", "'; DROP TABLE objects;--", "%s %n {0} {number}", "\uffff\u0663\u00bd",
    "2026-13-45", "0001-01-01", "9999-12-31T23:59:59Z", "x" * 50_000, [], [None], [[]], ["x"] * 500, {}, {"a": {"b": [1]}},
]  # fmt: skip
PLACES = re.compile(r"\{(\w+)\}")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("hostile"))
    made.reset(size="tiny", history="linked")
    made.procore.configure(Settings(rate_limit_spike=10**6, rate_limit_hour=10**7))
    yield made
    made.close()


class Asker:
    """Asks the service itself, as the web framework hands a request over; each fault is noted."""

    def __init__(self, world: World) -> None:
        self.procore, self.wrong, self.calls = world.procore, [], 0
        grant = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        json_type = {"content-type": "application/json"}
        token: Any = self.procore.handle(Call("POST", "/oauth/token", "", json_type, json.dumps(grant).encode())).body
        self.headers = {"authorization": f"Bearer {token['access_token']}", "procore-company-id": str(COMPANY), **json_type}
        self.known: dict[str, int] = {}
        self.project = self.first(f"/rest/v1.0/companies/{COMPANY}/projects", "")
        self.contract = self.first("/rest/v1.0/work_order_contracts", f"project_id={self.project}")
        self.scope = {"project_id": self.project, "company_id": COMPANY, "contract_id": self.contract}

    wrong: list[str]

    def __call__(self, method: str, path: str, query: str = "", body: Any = None) -> Reply:
        raw, self.calls = b"" if body is None else json.dumps(body).encode(), self.calls + 1
        reply = self.procore.handle(Call(method, path, query, dict(self.headers), raw))  # never raises, it says
        shaped = reply.status < 400 or (isinstance(reply.body, dict) and set(reply.body) in SHAPES)
        if (reply.status >= 500 and reply.status != 501) or not shaped:
            self.wrong.append(f"{method} {path}?{query[:80]} {raw[:200]!r} -> {reply.status} {str(reply.body)[:200]}")
        return reply

    def first(self, path: str, query: str) -> int:
        """Id of the first record of a list, or one that names nothing."""
        if path not in self.known:
            found: Any = self("GET", path, query).body
            rows = found.get("data", found) if isinstance(found, dict) else found
            self.known[path] = next((row["id"] for row in rows if "id" in row), 1) if isinstance(rows, list) else 1
        return self.known[path]

    def filled(self, template: str) -> str:
        """The path with ids that are there, as far as a list tells of some."""
        query = "&".join(f"{name}={value}" for name, value in self.scope.items())
        for name in PLACES.findall(template):
            before = template[: template.index("{")].rstrip("/")
            template = template.replace(f"{{{name}}}", str(self.scope.get(name) or self.first(before, query)), 1)
        return template


def good(schema: Schema, scope: dict[str, int], name: str = "") -> Any:
    """Something that the description takes."""
    if schema.get("enum"):
        return schema["enum"][0]
    match schema.get("type"):
        case "array":
            return [good(schema.get("items") or {}, scope)]
        case "integer" | "number":
            return scope.get(name, 1)
        case "boolean":
            return True
        case "object":
            return {key: good(inner, scope, key) for key, inner in (schema.get("properties") or {}).items()}
    return "2026-09-01" if schema.get("format") == "date" else "x"


def places(schema: Schema, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for name, inner in (schema.get("properties") or {}).items():
        yield (*before, name)
        yield from places(inner, (*before, name))
    if schema.get("type") == "array":
        yield from places(schema.get("items") or {}, (*before, 0))


def put(body: Any, place: tuple[Any, ...], value: Any) -> Any:
    made = at = copy.deepcopy(body)
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = value
    return made


def test_no_value_breaks_an_operation(world: World) -> None:
    ask, draw = Asker(world), random.Random(7)
    for name, operation in operations().items():
        method, template = name.split(" ", 1)
        path, schema = ask.filled(template), operation.get("body")
        needed = {p["name"]: ask.scope.get(p["name"], 1) for p in operation["parameters"] if p.get("required")}
        query = "&".join(f"{key}={value}" for key, value in needed.items())
        body = None if schema is None else good(schema, ask.scope)
        for number in (2**63, 10**25, 0):
            ask(method, PLACES.sub(str(number), template), query, body)
        for parameter in operation["parameters"]:
            rest = "&".join(f"{key}={value}" for key, value in needed.items() if key != parameter["name"])
            for value in draw.sample(HOSTILE, 2):
                text = value if isinstance(value, str) else json.dumps(value)
                ask(method, path, f"{rest}&{quote(parameter['name'])}={quote(text[:2000])}", body)
        if schema is None:
            continue
        for whole in ([], "x", 5, [[]], {"a": 1}):
            ask(method, path, query, whole)
        for place in list(places(schema))[:60]:
            for value in draw.sample(HOSTILE, 2):
                ask(method, path, query, put(body, place, value))
    assert not ask.wrong, "\n".join(dict.fromkeys(ask.wrong[:20]))
    assert ask.calls > 3_000
