"""The hook: from an Airflow connection to a working client, and nothing secret in between."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowRescheduleException

from include.financials.exceptions import ConfigurationError
from include.procore.client import ProcoreClient
from include.provider.hooks.procore import ProcoreHook
from tests.unit.procore.conftest import Sandbox
from tests.unit.procore.fake import Answer, FakeProcore


def connect(monkeypatch: pytest.MonkeyPatch, **parts: Any) -> ProcoreHook:
    connection = {"conn_type": "procore", "login": "hook-client", "password": "secret-secret", **parts}
    monkeypatch.setenv("AIRFLOW_CONN_PROCORE_DEFAULT", json.dumps(connection))
    return ProcoreHook()


@pytest.mark.parametrize("company", [8089, "8089"])
def test_a_connection_makes_a_client(monkeypatch: pytest.MonkeyPatch, fake: FakeProcore, company: Any) -> None:
    fake.script("/rest/v1.0/things", Answer([{"id": 1}]))
    hook = connect(monkeypatch, host=fake.url, extra={"company_id": company})
    assert hook.client is hook.client
    assert hook.run("rest/v1.0/things", {"view": "x"}).json() == [{"id": 1}]
    call = fake.asked("/rest/v1.0/things")[0]
    assert call.query == [("view", "x")]
    assert call.headers["procore-company-id"] == "8089"
    assert "company_id" not in call.headers


def test_host_and_port_may_stand_apart(monkeypatch: pytest.MonkeyPatch, fake: FakeProcore) -> None:
    host, port = fake.url.rsplit(":", 1)
    hook = connect(monkeypatch, host=host.removeprefix("http://"), schema="http", port=int(port), extra={"company_id": 8089})
    assert hook.client.base_url == fake.url


@pytest.mark.parametrize(
    "host", ["https://api.procore.com/", "https://api.procore.com:443", " https://api.procore.com ", "api.procore.com"]
)
@pytest.mark.parametrize("port", [None, 0, 443])
def test_the_host_in_every_spelling(monkeypatch: pytest.MonkeyPatch, host: str, port: int | None) -> None:
    hook = connect(monkeypatch, host=host, port=port, extra={"company_id": 1, "login_url": " "})
    assert (hook.client.base_url, hook.client.login_url) == ("https://api.procore.com", "https://login.procore.com")


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"extra": [1]}, "its extra is an object"),
        ({"extra": {"company_id": 1, "client_secret": "hunter-22"}}, "client_secret belongs into login and password"),
        ({"extra": {"company_id": 1, "login_url": 5}}, "login_url in its extra is a text"),
        ({"extra": {"company_id": 1, "login_url": "https://me:hunter-22@login.example"}}, "login_url belongs into"),
        ({"extra": {"company_id": 1}, "host": "https://[::1"}, "must look like"),
        ({"extra": {"company_id": 1}, "host": "https://me:hunter-22@api.procore.com", "port": 443}, "must not hold credentials"),
    ],
)
def test_the_test_button_explains_a_connection_that_makes_no_sense(
    monkeypatch: pytest.MonkeyPatch, parts: dict[str, Any], said: str
) -> None:
    ok, message = connect(monkeypatch, **{"host": "https://api.procore.com"} | parts).test_connection()
    assert not ok and re.search(said, message) and "hunter" not in message


def test_the_login_host_is_derived_or_given(monkeypatch: pytest.MonkeyPatch) -> None:
    hook = connect(monkeypatch, host="https://sandbox.procore.com", extra={"company_id": 1})
    assert hook.client.login_url == "https://login-sandbox.procore.com"
    hook = connect(monkeypatch, host="https://api.procore.com", extra={"company_id": 1, "login_url": "https://login.example"})
    assert hook.client.login_url == "https://login.example"


@pytest.mark.parametrize(
    "parts", [{"host": "https://api.procore.com"}, {"extra": {"company_id": 1}}, {"host": "h", "extra": {"company_id": True}}]
)
def test_an_incomplete_connection_is_explained(monkeypatch: pytest.MonkeyPatch, parts: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="procore_default needs the API base URL"):
        _ = connect(monkeypatch, **parts).client


def test_writes_go_through_run(monkeypatch: pytest.MonkeyPatch, fake: FakeProcore) -> None:
    fake.script("/rest/v1.0/things", Answer({"id": 1}), method="PATCH")
    connect(monkeypatch, host=fake.url, extra={"company_id": 8089})
    assert ProcoreHook(method="patch").run("/rest/v1.0/things", json={"name": "x"}).json() == {"id": 1}
    assert fake.asked("/rest/v1.0/things")[0].json == {"name": "x"}
    fake.script("/x", Answer({}))
    ProcoreHook(method="GET").run("/x", headers={"Authorization": "y", "X-Mine": "1"})
    sent = fake.asked("/x")[0].headers
    assert sent["authorization"].startswith("Bearer token-") and sent["x-mine"] == "1"


def test_secrets_are_masked(monkeypatch: pytest.MonkeyPatch, fake: FakeProcore) -> None:
    masked: list[str] = []
    monkeypatch.setattr("include.provider.hooks.procore.mask_secret", masked.append)
    fake.script("/rest/v1.0/things", Answer([]))
    connect(monkeypatch, host=fake.url, login="masked-client", extra={"company_id": 8089}).run("/rest/v1.0/things")
    assert masked == ["secret-secret", "token-1"]


def test_a_session_of_ones_own(monkeypatch: pytest.MonkeyPatch, fake: FakeProcore) -> None:
    fake.script("/file", Answer(b"content"))
    hook = connect(monkeypatch, host=fake.url, login="session-client", extra={"company_id": 8089})
    assert hook.get_conn({"X-More": "1"}).get(fake.url + "/file").content == b"content"
    assert fake.asked("/file")[0].headers["x-more"] == "1"


def test_the_test_button_against_the_sandbox(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    parts = {"host": sandbox.url, "login": sandbox.info["client_id"], "password": sandbox.info["client_secret"]}
    ok, message = connect(monkeypatch, **parts, extra={"company_id": sandbox.info["company_id"]}).test_connection()
    assert ok, message
    assert str(sandbox.info["company_id"]) in message
    ok, message = connect(monkeypatch, **parts, extra={"company_id": 4711}).test_connection()
    assert not ok
    assert "403" in message or "4711" in message


def sandbox_connection(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    info = sandbox.info
    parts = {"host": sandbox.url, "login": info["client_id"], "password": info["client_secret"]}
    connect(monkeypatch, **parts, extra={"company_id": info["company_id"]})


def test_airflows_http_operator_against_the_sandbox(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    from airflow.providers.http.operators.http import HttpOperator

    sandbox_connection(monkeypatch, sandbox)
    found = HttpOperator(
        task_id="companies",
        http_conn_id="procore_default",
        method="GET",
        endpoint="rest/v1.0/companies",
        data={"per_page": 1},
        response_filter=lambda response: [row["id"] for row in response.json()],
    ).execute({})
    assert found == [sandbox.info["company_id"]]
    # A status is an error of Airflow's, as its users expect.
    with pytest.raises(AirflowException, match=r"^404:"):
        HttpOperator(task_id="none", http_conn_id="procore_default", method="GET", endpoint="rest/v1.0/none").execute({})


def test_the_sensor_against_the_sandbox(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    """Not there (404), there, there but not as wanted; a spent budget is a wait. Nothing but the token is sent."""
    from include.provider.sensors import ProcoreSensor

    sandbox_connection(monkeypatch, sandbox)
    context: Any = {"ti": mock.Mock()}

    def poke(path: str, **options: Any) -> Any:
        return ProcoreSensor(task_id="poke", endpoint=f"rest/v1.0/{path}", **options).poke(context)

    assert poke("vendors/1", request_params={"company_id": sandbox.info["company_id"]}) is False
    assert poke("companies") is True
    assert poke("companies", response_check=lambda reply: len(reply.json()) > 1) is False
    assert context["ti"].xcom_push.call_args_list == []
    pace = ProcoreHook().client.pace
    pace.hold(3600)
    try:
        with pytest.raises(AirflowRescheduleException) as waited:
            poke("companies")
        assert 3600 < (waited.value.reschedule_date - datetime.now(UTC)).total_seconds() <= 3601
    finally:
        pace.__init__()  # type: ignore[misc]


@pytest.mark.parametrize(
    ("parts", "why"),
    [({"password": "wrong-secret"}, "refused the client credentials"), ({"host": "http://127.0.0.1:9"}, "cannot be reached")],
)
def test_the_test_button_says_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, fake: FakeProcore, parts: dict[str, Any], why: str
) -> None:
    monkeypatch.setattr("include.procore.client.MAX_WAIT", 0)
    hook = connect(monkeypatch, **({"host": fake.url, "extra": {"company_id": 8089}} | parts))
    hook.__dict__["client"] = ProcoreClient(
        parts.get("host", fake.url), None, 8089, "button", parts.get("password", "secret-secret"), max_wait=0
    )
    ok, message = hook.test_connection()
    assert not ok
    assert why in message
    assert "wrong-secret" not in message


def test_the_connection_type_is_registered_with_the_same_names() -> None:
    from include.provider.get_provider_info import get_provider_info

    types = {row["connection-type"]: row for row in get_provider_info()["connection-types"]}
    described = types["procore"]
    assert described["connection-type"] == ProcoreHook.conn_type
    assert described["hook-name"] == ProcoreHook.hook_name
    assert described["hook-class-name"] == f"{ProcoreHook.__module__}.{ProcoreHook.__name__}"
    assert (ProcoreHook.conn_name_attr, ProcoreHook.default_conn_name) == ("procore_conn_id", "procore_default")
    assert set(described["conn-fields"]) == {"company_id", "login_url"}
    assert described["ui-field-behaviour"]["relabeling"]["password"] == "Client secret"
