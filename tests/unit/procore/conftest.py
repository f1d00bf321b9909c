from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from include.procore.client import ProcoreClient
from include.procore.pacing import Pace
from include.procore.system import ProcoreSystem
from tests.unit.procore.fake import Clock, FakeProcore

_clients = itertools.count(1)


@pytest.fixture
def fake() -> Iterator[FakeProcore]:
    server = FakeProcore()
    yield server
    server.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_client(fake: FakeProcore, clock: Clock) -> Callable[..., ProcoreClient]:
    """Clients of the fake server. Each has an id of its own: tokens and budgets are shared by the whole process otherwise."""

    def make(**options: Any) -> ProcoreClient:
        options = {"sleep": clock.sleep, "clock": clock, "pace": Pace(clock)} | options
        client_id = options.pop("client_id", f"client-{next(_clients)}")
        secret = options.pop("client_secret", "secret-secret")
        return ProcoreClient(
            options.pop("base_url", fake.url), options.pop("login_url", None), 8089, client_id, secret, **options
        )

    return make


@pytest.fixture
def client(make_client: Callable[..., ProcoreClient]) -> ProcoreClient:
    return make_client()


class Sandbox:
    """The running sandbox, through its control side."""

    def __init__(self, info: dict[str, Any]) -> None:
        self.url: str = info["base_url"]
        self.info = info

    def reset(self, **given: Any) -> None:
        settings = {"rate_limit_spike": 1_000_000, "rate_limit_hour": 1_000_000} | given.pop("settings", {})
        self._post("reset", {"settings": settings, **given})

    def faults(self, *rules: dict[str, Any]) -> None:
        self._post("faults", list(rules))

    def as_user(self, method: str, path: str, body: Any) -> Any:
        answer = self._post("as_user", {"method": method, "path": path, "json": body})
        return answer

    def advance(self, seconds: float) -> None:
        self._post("clock", {"advance": seconds})

    def requests(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = requests.get(f"{self.url}/_sandbox/requests", params={"since": 0}, timeout=10).json()
        return found

    def forget(self) -> None:
        requests.delete(f"{self.url}/_sandbox/requests", timeout=10).raise_for_status()

    def _post(self, path: str, body: Any) -> Any:
        answer = requests.post(f"{self.url}/_sandbox/{path}", json=body, timeout=60)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def client(self, **options: Any) -> ProcoreClient:
        return ProcoreClient(
            self.url, self.url, self.info["company_id"], self.info["client_id"], self.info["client_secret"], **options
        )

    def system(self, **options: Any) -> ProcoreSystem:
        codes = {"1": "L", "2": "M", "3": "C", "4": "E", "5": "O"}
        return ProcoreSystem(self.client(**options), erp_system="sandbox", cost_type_codes=codes)
