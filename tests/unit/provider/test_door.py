"""What the receiver of events takes from Airflow's connections."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

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
