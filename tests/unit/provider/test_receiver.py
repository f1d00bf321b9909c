"""The receiver of events over HTTP: who may come in, what is kept before it answers, and how a run is asked for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient

from include.financials.exceptions import ConfigurationError, RetryLater
from include.financials.ledger import Ledger
from include.financials.ledger.inbox import Event
from include.provider.receiver import BUCKET, PATH, AirflowApi, Door, bucket_end, create_app
from tests.unit.procore.test_events import V2, V4

SECRET = "Bearer of-the-tests"
OURS = "5100001"


class Site:
    def __init__(self, folder: Path) -> None:
        self.ledger = Ledger(f"sqlite:///{folder}/ledger.sqlite")
        self.ledger.create()
        self.asked: list[datetime] = []
        self.secrets = (SECRET,)
        self.http = TestClient(create_app(self.door), raise_server_exceptions=False)

    def door(self) -> Door:
        return Door(self.secrets, self.ledger, self.trigger, OURS)

    async def trigger(self, end: datetime) -> None:
        self.asked.append(end)

    def post(self, payload: Any = None, secret: str | None = SECRET, **options: Any) -> httpx.Response:
        headers = {"Authorization": secret} if secret is not None else {}
        body = {"content": json.dumps(V2 if payload is None else payload)} if "content" not in options else {}
        return self.http.post(PATH, headers=headers, **body, **options)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.ledger.close()


def test_an_event_is_kept_and_a_run_is_asked_for(site: Site) -> None:
    before = datetime.now(UTC)
    answer = site.post()
    assert (answer.status_code, answer.json(), site.ledger.inbox.waiting()) == (202, {"detail": "received"}, 1)
    (end,) = site.asked
    assert before + BUCKET / 2 <= end <= datetime.now(UTC) + 2 * BUCKET and end.timestamp() % BUCKET.total_seconds() == 0
    assert site.post().json() == {"detail": "known"} and site.ledger.inbox.waiting() == 1
    assert len(site.asked) == 1


def test_a_burst_is_one_run(site: Site) -> None:
    for number in range(50):
        assert site.post({**V4, "id": f"01J{number}"}).status_code == 202
    assert site.ledger.inbox.waiting() == 50
    assert len(site.asked) == len(set(site.asked)) <= 3


@pytest.mark.parametrize("secret", [None, "", "Bearer of-the-test", SECRET + "s", SECRET.lower(), "Bearer", "Bearer \u00fc"])
def test_nobody_else_comes_in(site: Site, secret: str | None) -> None:
    raw = secret.encode("latin-1") if secret else secret
    answer = site.http.post(PATH, content=json.dumps(V2), headers={"Authorization": raw} if raw is not None else {})  # type: ignore[arg-type]
    assert (answer.status_code, answer.json(), site.ledger.inbox.waiting()) == (401, {"detail": "unauthorized"}, 0)


def test_a_secret_is_replaced_without_a_gap(site: Site) -> None:
    site.secrets = ("Bearer new", SECRET)
    assert [site.post({**V4, "id": ident}, secret).status_code for ident, secret in (("a", SECRET), ("b", "Bearer new"))] == [
        202,
        202,
    ]
    site.secrets = ("Bearer new",)
    assert site.post({**V4, "id": "c"}).status_code == 401


def test_our_own_changes_and_what_concerns_nothing_start_no_run(site: Site) -> None:
    assert site.post({**V2, "metadata": {"source_user_id": int(OURS)}}).status_code == 202
    assert site.post({**V4, "id": "other", "resource_type": "Drawings"}).status_code == 202
    assert (site.ledger.inbox.waiting(), site.asked) == (2, [])


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"x" * (64 * 1024 + 1), 413), (b"{", 422), (b"null", 422), (json.dumps({**V2, "resource_id": {}}).encode(), 422)],
)
def test_a_body_that_is_no_event_is_refused(site: Site, content: bytes, status: int) -> None:
    answer = site.post(content=content)
    assert answer.status_code == status and len(answer.content) < 200 and site.ledger.inbox.waiting() == 0


def test_a_ledger_that_is_away_asks_procore_to_send_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with site.ledger.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE webhook_inbox RENAME TO gone")
    assert (site.post().status_code, site.asked) == (503, [])
    with site.ledger.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE gone RENAME TO webhook_inbox")
    assert site.post().status_code == 202


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_burst_is_kept_with_few_commits_and_answered_after_them(
    anyio_backend: str, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None is answered before it is kept; what cannot be kept is told to each sender, and to no other."""
    batches: list[int] = []

    kept = site.ledger.inbox.receive_all

    def counted(found: list[Event]) -> list[bool]:
        batches.append(len(found))
        if any(event.resource == "Broken" for event in found):
            raise OperationalError("INSERT", {}, Exception("disk full"))
        return kept(found)

    monkeypatch.setattr(site.ledger.inbox, "receive_all", counted)
    app = create_app(site.door)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://airflow") as client:

        async def post(ident: str, resource: str = "Drawings") -> tuple[int, str]:
            body = json.dumps({**V4, "id": ident, "resource_type": resource})
            answer = await client.post(PATH, content=body, headers={"Authorization": SECRET})
            return answer.status_code, answer.json()["detail"]

        found = await asyncio.gather(*(post(f"e{number % 30}") for number in range(60)))
        assert sorted(found) == [(202, "known")] * 30 + [(202, "received")] * 30
        assert sum(batches) == 60 and len(batches) < 60 and site.ledger.inbox.waiting() == 30
        assert await post("broken", "Broken") == (503, "try again")
        assert await post("after") == (202, "received")


def test_an_installation_without_the_connection_says_so_in_its_log_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def door() -> Door:
        raise ConfigurationError("Connection procore_webhooks is not defined")

    answer = TestClient(create_app(door)).post(PATH, content="{}")
    assert (answer.status_code, answer.json()) == (503, {"detail": "not set up"}) and "procore_webhooks" in caplog.text


@pytest.mark.parametrize("error", [RetryLater("The ledger cannot be reached"), OperationalError("SELECT", {}, Exception("gone"))])
def test_a_ledger_that_cannot_be_opened_asks_procore_to_send_again(error: Exception) -> None:
    def door() -> Door:
        raise error

    answer = TestClient(create_app(door), raise_server_exceptions=False).post(PATH, content="{}")
    assert (answer.status_code, answer.json()) == (503, {"detail": "try again"})


def test_there_is_one_path_and_one_method(site: Site) -> None:
    for path in ("/", "/docs", "/redoc", "/openapi.json", "/webhooks/", "/webhooks/1"):
        assert site.http.get(path, follow_redirects=False).status_code in (404, 307, 405), path
    for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS"):
        assert site.http.request(method, PATH).status_code == 405


# -- asking for the run -------------------------------------------------------------------------------------------------------


class Api:
    """Airflow's REST API as far as it is asked: tokens that end, one run of an id."""

    def __init__(self) -> None:
        self.runs: dict[str, Any] = {}
        self.tokens = 0
        self.valid = ""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        if request.url.path == "/auth/token":
            assert body == {"username": "svc", "password": "word"}
            self.tokens += 1
            self.valid = f"token-{self.tokens}"
            return httpx.Response(201, json={"access_token": self.valid})
        assert request.url.path == "/api/v2/dags/procore_erp_sync/dagRuns"
        if request.headers["Authorization"] != f"Bearer {self.valid}":
            return httpx.Response(401, json={"detail": "no"})
        if body["dag_run_id"] in self.runs:
            return httpx.Response(409, json={"detail": "there"})
        self.runs[body["dag_run_id"]] = body
        return httpx.Response(200, json={})


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_run_is_asked_for_once_with_a_token_that_is_renewed(anyio_backend: str) -> None:
    api, end = Api(), datetime(2026, 9, 30, 18, 0, 15, tzinfo=UTC)
    async with httpx.AsyncClient(transport=httpx.MockTransport(api), base_url="http://airflow") as client:
        trigger = AirflowApi(client, "svc", "word")
        await trigger(end)
        await trigger(end)
        api.valid = "ended"
        await trigger(end + timedelta(seconds=15))
    assert list(api.runs) == ["events__2026-09-30T18:00:15Z", "events__2026-09-30T18:00:30Z"] and api.tokens == 2
    assert api.runs["events__2026-09-30T18:00:15Z"] == {
        "dag_run_id": "events__2026-09-30T18:00:15Z", "logical_date": None, "run_after": "2026-09-30T18:00:15+00:00",
        "conf": {"events": True},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("token", "runs", "said"),
    [
        (httpx.Response(401, json={}), None, "POST /auth/token answered 401; see connection airflow_api"),
        (httpx.Response(201, json=["token"]), None, "TypeError"),
        (httpx.Response(201, text="<html>"), None, "JSONDecodeError"),
        (httpx.Response(201, json={"access_token": "t"}), 403, "POST /api/v2/dags/procore_erp_sync/dagRuns answered 403"),
        (httpx.Response(201, json={"access_token": "t"}), 404, "POST /api/v2/dags/procore_erp_sync/dagRuns answered 404"),
    ],
)
def test_why_no_run_could_be_asked_for_is_in_the_log(
    site: Site, caplog: pytest.LogCaptureFixture, token: httpx.Response, runs: int | None, said: str
) -> None:
    def airflow(request: httpx.Request) -> httpx.Response:
        return token if request.url.path == "/auth/token" else httpx.Response(runs or 500, json={})

    client = httpx.AsyncClient(transport=httpx.MockTransport(airflow), base_url="http://airflow")
    site.trigger = AirflowApi(client, "svc", "word")  # type: ignore[method-assign]
    assert site.post().status_code == 202 and site.ledger.inbox.waiting() == 1
    assert f"no run of events could be asked for ({said}" in caplog.text


def test_a_bucket_ends_at_least_half_a_bucket_later() -> None:
    start = datetime(2026, 9, 30, 18, tzinfo=UTC)
    for seconds in range(31):
        at = start + timedelta(seconds=seconds)
        assert BUCKET / 2 <= bucket_end(at) - at <= 1.5 * BUCKET
