"""The doors to ERP and ledger: an address from a connection's fields, and a password that stands in one of them only."""

from __future__ import annotations

import json
import traceback
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from airflow.sdk import RetryAction

from include.erp import registry
from include.financials.exceptions import ConfigurationError
from include.provider.hooks.database import DatabaseHook
from include.provider.hooks.erp import ErpHook
from include.provider.hooks.ledger import LedgerHook
from include.provider.hooks.procore import ProcoreHook
from include.provider.operators.entity import ExtractOperator
from include.provider.operators.head import WindowOperator
from include.provider.retry import SyncRetryPolicy
from tests.unit.erp import shelf

SECRET = "S3cret/p@ss"
SERVER = {"host": "db", "port": 5432, "schema": "led", "login": "sync", "password": SECRET}
POSTGRES = {"dialect": "postgresql+psycopg2"}


def connect(monkeypatch: pytest.MonkeyPatch, hook: type[DatabaseHook] = LedgerHook, **parts: Any) -> Any:
    monkeypatch.setenv("AIRFLOW_CONN_HERE", json.dumps({"conn_type": hook.conn_type, **parts}))
    return hook("here")


@pytest.mark.parametrize(
    ("parts", "address"),
    [
        ({**SERVER, "extra": POSTGRES}, "postgresql+psycopg2://sync:S3cret%2Fp%40ss@db:5432/led"),
        ({**SERVER, "port": 0, "extra": {**POSTGRES, "query": None}}, "postgresql+psycopg2://sync:S3cret%2Fp%40ss@db/led"),
        ({**SERVER, "extra": {**POSTGRES, "query": "sslmode=require"}}, "postgresql+psycopg2://sync:S3cret%2Fp%40ss@db:5432/led?sslmode=require"),
        ({"schema": "/srv/of me@home/led.sqlite"}, "sqlite:////srv/of me%40home/led.sqlite"),
        ({"host": "var/led.sqlite", "port": 0, "extra": {"dialect": "sqlite"}}, "sqlite:///var/led.sqlite"),
    ],
)  # fmt: skip
def test_an_address_is_put_together_from_the_fields(monkeypatch: pytest.MonkeyPatch, parts: Any, address: str) -> None:
    assert connect(monkeypatch, **parts).url.render_as_string(hide_password=False) == address


@pytest.mark.parametrize(
    ("parts", "address"),
    [
        ({**SERVER, "port": 0, "schema": "api/v1"}, "https://sync:S3cret%2Fp%40ss@db/api/v1"),
        ({"host": "erp", "port": 8443, "extra": {"dialect": "http", "query": "tenant=a&company=01"}}, "http://erp:8443?company=01&tenant=a"),
        ({"schema": "/srv/erp/drop"}, "/srv/erp/drop"),
        ({**SERVER, "port": 22, "schema": "drop", "extra": {"dialect": "sftp"}}, "sftp://sync:S3cret%2Fp%40ss@db:22/drop"),
    ],
)  # fmt: skip
def test_an_erp_that_is_no_database_has_an_address_too(monkeypatch: pytest.MonkeyPatch, parts: Any, address: str) -> None:
    assert connect(monkeypatch, ErpHook, **parts).address == address


def test_the_mappings_kind_says_which_address_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "shelf.yaml").write_text(shelf.MAPPING)
    found = EntryPoint("shelf", "tests.unit.erp.shelf:ADAPTER", registry.GROUP)
    monkeypatch.setattr(registry, "kinds", lambda: {"shelf": found})
    extra = {"mapping": str(tmp_path / "shelf.yaml")}
    hook = connect(monkeypatch, ErpHook, host="erp", schema="api", login="me", password=SECRET, extra=extra)
    assert hook.system("procore:1").transport.address == "https://me:S3cret%2Fp%40ss@erp/api"
    assert hook.test_connection() == (True, "Connected to acme: a shelf, 1")
    nowhere = connect(monkeypatch, ErpHook, login="me", password=SECRET, extra=extra)
    assert nowhere.test_connection() == (
        False, "Connection here lacks host: where the ERP answers, as erp.example.com; see docs/go-live.md, Connections."
    )  # fmt: skip


WHOLE = f"postgresql://sync:{SECRET}@db/led"


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"extra": {"url": WHOLE}}, "delete url"),
        ({"conn_type": "generic", "extra": {"url": WHOLE}}, "is of type generic.*delete url"),
        ({**SERVER, "host": WHOLE, "extra": POSTGRES}, "hold a whole address"),
        ({**SERVER, "host": f"sync:{SECRET}@db", "extra": POSTGRES}, "hold a whole address"),
        ({"schema": WHOLE, "extra": POSTGRES}, "hold a whole address"),
        ({**SERVER, "extra": {**POSTGRES, "password": SECRET}}, "password belongs into"),
        ({**SERVER, "extra": {**POSTGRES, "query": f"sslpassword={SECRET}"}}, "sslpassword belongs into"),
        ({**SERVER, "extra": {**POSTGRES, "query": {"n": 1}}}, "query is written like"),
        ({**SERVER, "extra": {**POSTGRES, "db_password": SECRET}}, "db_password belongs into"),
        ({**SERVER, "extra": {**POSTGRES, "connect_args": {"password": SECRET}}}, r"connect_args\.password belongs into"),
        ({**SERVER, "extra": {**POSTGRES, "query": f"odbc_connect=DRIVER%3Dx%3BPWD%3D{SECRET}"}}, "odbc_connect belongs into"),
        ({**SERVER, "extra": {**POSTGRES, "staging": f"s3://key:{SECRET}@bucket"}}, "staging belongs into"),
        ({**SERVER, "extra": ["postgresql"]}, "its extra is an object"),
        ({**SERVER, "schema": "", "extra": {}}, "lacks dialect, schema"),
        ({"host": "a.sqlite", "schema": "b.sqlite"}, "there are 2"),
    ],
)
def test_a_wrong_connection_is_explained_without_its_password(monkeypatch: pytest.MonkeyPatch, parts: Any, said: str) -> None:
    for hook in (LedgerHook, ErpHook):
        with pytest.raises(ConfigurationError, match=said) as caught:
            _ = connect(monkeypatch, hook, **parts).url
        assert SECRET not in "".join(traceback.format_exception(caught.value))
        ok, message = connect(monkeypatch, hook, **parts).test_connection()
        assert not ok and SECRET not in message


@pytest.mark.parametrize(
    "text",
    ['{"conn_type": "procore", ', '{"conn_type": "procore", "port": "abc", "password": "hunter-22"}', "procore://me:hunter-22@h:abc",
     '{"conn_type": "procore", "company": 1}'],
)  # fmt: skip
def test_a_connection_of_the_environment_that_cannot_be_read_is_not_said_to_be_missing(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_HERE", text)
    ok, message = ProcoreHook("here").test_connection()
    assert not ok and message.startswith("AIRFLOW_CONN_HERE of the environment is no connection") and "hunter" not in message


@pytest.mark.parametrize("parts", [{"host": "[::1"}, {"port": 99_999_999}, {"host": "erp\u2100.example.com"}])
def test_host_and_port_that_make_no_address_are_explained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, parts: dict[str, Any]
) -> None:
    hook = connect(monkeypatch, ErpHook, **{"host": "erp", "login": "me", "password": SECRET} | parts)
    with pytest.raises(ConfigurationError, match="Connection here: host and port make no address") as caught:
        _ = hook.address
    shown = "".join(traceback.format_exception(caught.value))
    assert SECRET not in shown and "S3cret" not in shown


def test_what_a_driver_is_told_besides_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    query = "sslmode=verify-full&sslkey=/etc/ssl/sync.key&passfile=/run/pgpass&application_name=sync"
    extra = {**POSTGRES, "query": query, "token_url": "https://login.example.com:443/me@here", "private_key_file": "/run/key"}
    assert dict(connect(monkeypatch, **SERVER, extra=extra).url.query)["passfile"] == "/run/pgpass"


def test_a_password_is_masked_in_every_form_that_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    masked: list[str] = []
    monkeypatch.setattr("include.provider.hooks.database.mask_secret", masked.append)
    _ = connect(monkeypatch, **SERVER, extra=POSTGRES).url
    assert set(masked) == {SECRET, "S3cret%2Fp%40ss"}


def test_the_settings_of_an_erp_are_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    for given in ({"ap_invoices": "posted"}, '{"ap_invoices": "posted"}'):
        assert connect(monkeypatch, ErpHook, extra={"settings": given}).settings == {"ap_invoices": "posted"}
    assert connect(monkeypatch, ErpHook, extra={"settings": {}}).settings == {}
    for wrong in ("posted", {"ap_invoices": 1}, ["x"]):
        with pytest.raises(ConfigurationError, match="settings is an object"):
            _ = connect(monkeypatch, ErpHook, extra={"settings": wrong}).settings


def test_a_connection_that_nobody_made_is_not_tried_again() -> None:
    for ask in (lambda: ProcoreHook("nobody").client, lambda: LedgerHook("nobody").url, lambda: ErpHook("nobody").mapping):
        with pytest.raises(ConfigurationError, match="Connection nobody is not defined") as caught:
            ask()
        assert SyncRetryPolicy().evaluate(caught.value, 1, 3).action is RetryAction.FAIL


@pytest.mark.parametrize("emptied", [None, ""])
def test_a_window_of_the_operators_own_is_not_overruled_by_an_empty_field(emptied: str | None) -> None:
    def asked(**params: Any) -> dict[str, Any]:
        context: Any = {"params": params, "dag_run": mock.Mock(run_type="manual")}
        task = WindowOperator(task_id="window", since="2026-09-01", until="2026-09-02", sync_run_id="r")
        with mock.patch("include.provider.operators.head.open_run") as opened:
            now = mock.Mock(now=mock.Mock(return_value=1))
            task.run_of(context, mock.Mock(), mock.Mock(), {"procore": now, "erp": now})
        return {key: opened.call_args.kwargs["params"][key] for key in ("since", "until")}

    assert asked(since=emptied, until=emptied) == {"since": "2026-09-01", "until": "2026-09-02"}
    assert asked(since="2026-08-01", until=emptied) == {"since": "2026-08-01", "until": "2026-09-02"}


@pytest.mark.parametrize("cleared", [True, False])
def test_what_is_cleared_is_read_again(cleared: bool) -> None:
    """A later try goes on where it stopped; a task that had come to its end and runs once more was cleared, days later even."""
    sync = mock.Mock()
    sync.run.entities, sync.run.projects = ("vendors",), ()
    sync.ledger.runs.finished_at.return_value = "2026-09-01T00:00:00Z" if cleared else None
    for task in (
        ExtractOperator(task_id="extract", entity="vendors", sync_run_id="r"),
        WindowOperator(task_id="window", sync_run_id="r"),
    ):
        sync.forget.reset_mock()
        with (
            mock.patch.object(type(task), "opened") as opened,
            mock.patch("include.financials.reading.extract.extract"),
            mock.patch("include.financials.cost.expected"),
            mock.patch("include.provider.operators.base.push_links"),
        ):
            opened.return_value.__enter__.return_value = sync
            task.execute({"ti": mock.Mock()})  # type: ignore[arg-type]
        assert sync.forget.called is cleared
