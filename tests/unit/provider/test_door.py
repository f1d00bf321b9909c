"""What the receiver of events takes from Airflow's connections."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from include.financials.exceptions import ConfigurationError
from include.financials.ledger import Ledger
from include.provider import door as door_module
from include.provider.door import door
from include.provider.receiver import AirflowApi

TOKEN = "a-token-of-the-tests"


@pytest.fixture(autouse=True)
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setattr(door_module, "_opened", None)
    path = tmp_path / "ledger.sqlite"
    made = Ledger(f"sqlite:///{path}")
    made.create()
    made.close()
    place = {"conn_type": "sync_ledger", "schema": str(path), "extra": {"staging": f"file://{tmp_path}"}}
    monkeypatch.setenv("AIRFLOW_CONN_SYNC_LEDGER", json.dumps(place))
    yield
    if door_module._opened is not None:
        door_module._opened[1].ledger.close()


def connect(monkeypatch: pytest.MonkeyPatch, password: str | None) -> None:
    found = {"conn_type": "generic", "login": "5100001", "password": password}
    monkeypatch.setenv("AIRFLOW_CONN_PROCORE_WEBHOOKS", json.dumps(found))


def test_one_token_or_two(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, f"{TOKEN} {TOKEN}-new")
    opened = door()
    assert opened.secrets == (f"Bearer {TOKEN}", f"Bearer {TOKEN}-new") and opened.account == "5100001"
    assert TOKEN not in repr(opened)


@pytest.mark.parametrize("password", [None, "", "Bearer", f"Bearer {TOKEN}"])
def test_what_anybody_could_guess_is_no_token(monkeypatch: pytest.MonkeyPatch, password: str | None) -> None:
    """A pasted header would make its first word a token of its own."""
    connect(monkeypatch, password)
    with pytest.raises(ConfigurationError, match="at least 16") as raised:
        door()
    assert TOKEN not in str(raised.value)


def test_a_new_token_is_taken_without_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, TOKEN)
    first = door()
    connect(monkeypatch, f"{TOKEN}-new")
    assert door() is first
    monkeypatch.setattr(door_module, "FRESH", -1.0)
    assert door().secrets == (f"Bearer {TOKEN}-new",) and door().ledger is first.ledger


def test_airflow_is_asked_where_its_connection_says(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, TOKEN)
    api = {"conn_type": "http", "schema": "https", "host": "airflow.internal", "port": 443, "login": "svc", "password": "word"}
    monkeypatch.setenv("AIRFLOW_CONN_AIRFLOW_API", json.dumps(api))
    trigger = door().trigger
    assert isinstance(trigger, AirflowApi) and str(trigger.client.base_url) == "https://airflow.internal"
    assert "word" not in repr(trigger)


API = {"conn_type": "http", "host": "127.0.0.1", "login": "svc", "password": "word-of-svc"}


@pytest.mark.parametrize(
    ("parts", "address"),
    [
        ({}, "http://127.0.0.1:8080"),
        ({"host": "http://localhost", "port": 9090}, "http://localhost:9090"),
        ({"host": "https://airflow.example.com/home/"}, "https://airflow.example.com/home/"),
        ({"host": "airflow.example.com", "schema": "https"}, "https://airflow.example.com"),
        ({"host": " https://airflow.example.com/ ", "port": 8443}, "https://airflow.example.com:8443"),
    ],
)
def test_the_address_of_airflow_in_every_spelling(monkeypatch: pytest.MonkeyPatch, parts: dict[str, Any], address: str) -> None:
    connect(monkeypatch, TOKEN)
    monkeypatch.setenv("AIRFLOW_CONN_AIRFLOW_API", json.dumps(API | parts))
    trigger = door().trigger
    assert isinstance(trigger, AirflowApi) and str(trigger.client.base_url) == address


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"host": None}, "needs host and login"),
        ({"login": None}, "needs host and login"),
        ({"host": "airflow.example.com"}, "must begin with https"),
        ({"host": "http://airflow.internal", "port": 8080}, "must begin with https"),
        ({"host": "127.0.0.1:80:90"}, "must look like"),
        ({"host": "http://[::1"}, "must look like"),
        ({"host": "ftp://127.0.0.1"}, "must look like"),
        ({"host": "http://svc:word-of-svc@127.0.0.1"}, "must not hold credentials"),
        ({"conn_type": "generic"}, "is of type generic; make it http"),
    ],
)
def test_a_wrong_way_to_airflow_keeps_no_event_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, parts: dict[str, Any], said: str
) -> None:
    """Neither is a password sent in the clear, or to a host that nobody named, nor is Procore told to send everything again."""
    connect(monkeypatch, TOKEN)
    monkeypatch.setenv("AIRFLOW_CONN_AIRFLOW_API", json.dumps(API | parts))
    opened = door()
    assert not isinstance(opened.trigger, AirflowApi)
    assert said in caplog.text and "word-of-svc" not in caplog.text


def test_without_a_way_to_airflow_nothing_is_wrong(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    connect(monkeypatch, TOKEN)
    monkeypatch.delenv("AIRFLOW_CONN_AIRFLOW_API", raising=False)
    assert not isinstance(door().trigger, AirflowApi) and "airflow_api" not in caplog.text
