"""Every request of whole runs against Procore's description, at the limits that Procore's own page gives as its example."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from include.procore import client
from include.procore.pacing import Pace
from sandbox import pipeline
from sandbox.procore import described
from sandbox.procore.call import Call, Reply
from sandbox.procore.service import find_route
from tests.unit.sandbox.procore.serving import serving

LIMITS = {"rate_limit_hour": 600, "rate_limit_spike": 25}


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple[Call, Reply]]]:
    """A first run of a company in mid-life and a second one. Waiting moves the sandbox's clock on instead of taking time."""
    folder, made, patch = tmp_path_factory.mktemp("run"), [], pytest.MonkeyPatch()
    with serving(folder) as (api, world), patch.context() as patched:
        info = api.control("POST", "/reset", {"size": "tiny", "settings": LIMITS})
        handle = world.procore.handle

        def noted(call: Call) -> Reply:
            reply = handle(call)
            made.append((call, reply))
            return reply

        options: dict[str, Any] = client.ProcoreClient.__init__.__kwdefaults__
        patched.setitem(options, "sleep", world.clock.advance)
        patched.setitem(options, "clock", world.clock.ticks)
        patched.setattr(client, "shared_pace", lambda *_: Pace(world.clock.ticks))
        patched.setattr(world.procore, "handle", noted)
        for name in ("first", "second"):
            world.clock.advance(3600)
            report = pipeline.run(info, Path(folder), name)
            assert report["reconciliation"]["balanced"] and report["stopped"] == []
        yield made


def of_the_api(calls: list[tuple[Call, Reply]]) -> list[tuple[Call, Reply]]:
    return [(call, reply) for call, reply in calls if call.path.startswith("/rest/")]


def test_every_request_is_described(calls: list[tuple[Call, Reply]]) -> None:
    """Nothing unknown, nothing missing, entries of syncs included."""
    asked, wrong = of_the_api(calls), []
    assert len(asked) > 150 and sum(call.method != "GET" for call, _ in asked) > 15
    for call, _ in asked:
        operation = find_route(call.method, call.path)[0].description
        body = call.json() if call.body else None
        found = described.faults(operation, call.args, body)
        if described.entry_schema(operation):
            found += [fault for entry in (body or {})["updates"] for fault in described.entry_faults(operation, entry)]
        wrong += [(call.method, call.path, fault) for fault in found]
    assert wrong == []


def test_what_is_missing_would_be_found(calls: list[tuple[Call, Reply]]) -> None:
    """The proof of the proof: each required field taken away from each body, and an unknown one put in."""
    bodies = 0
    for call, _ in of_the_api(calls):
        operation = find_route(call.method, call.path)[0].description
        if call.method != "GET" and call.body:
            assert described.faults(operation, call.args, {**call.json(), "colour": 1}) == [("colour", described.UNKNOWN)]
            for name in operation["body"].get("required", ()):
                bodies += 1
                less = {key: value for key, value in call.json().items() if key != name}
                assert (name, described.MISSING) in described.faults(operation, call.args, less)
    assert bodies > 20


def test_nothing_was_refused_and_the_limits_were_kept(calls: list[tuple[Call, Reply]]) -> None:
    assert {reply.status for _, reply in of_the_api(calls)} <= {200, 201, 204}
    left = [int(reply.headers["X-Rate-Limit-Remaining"]) for _, reply in of_the_api(calls)]
    assert min(left) == 0, "the limit was met, or this would prove nothing"


def test_no_deprecated_call_is_made(calls: list[tuple[Call, Reply]]) -> None:
    assert not [call.path for call, _ in calls if "standard_cost_code_lists" in call.path]
