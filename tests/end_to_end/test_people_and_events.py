"""Employees become users of Procore, and nobody is doubled or locked out; change events are read, and stay where they are."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from include.financials.__main__ import main
from include.financials.exceptions import OutcomeUnknown, RetryLater
from tests.end_to_end.world import World, counts, done, of, stopped

SYNC = "PATCH /rest/v1.3/companies/8089/users/sync"
USERS: dict[str, Any] = {"entities": ["users"]}
EVENTS: dict[str, Any] = {"entities": ["change_events"]}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("people") / "world", size="tiny")
    yield world
    world.stop()


@pytest.fixture
def fresh(sandbox: World) -> World:
    sandbox.reset(size="tiny")
    return sandbox


@pytest.fixture
def settled(fresh: World) -> World:
    fresh.run(params=USERS)
    return fresh


def users(world: World) -> dict[str, dict[str, Any]]:
    """By e-mail; none twice."""
    found = world.api_list("/rest/v1.3/users", company_id=8089)
    assert len({row["email_address"] for row in found}) == len(found)
    return {row["email_address"]: row for row in found}


def warned(world: World) -> str:
    """Of E-1001, in the last run."""
    rows = world.ledger("SELECT warnings FROM outcomes WHERE number = 'E-1001' AND run_id = ?", f"run-{world.runs}")
    return str(rows[0]["warnings"] or "")


def told(world: World, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["--ledger", f"sqlite:///{world.folder}/ledger.sqlite", "why", *words]) == 0
    return capsys.readouterr().out


# -- users ----------------------------------------------------------------------------------------------------------------------


def test_a_first_run_adopts_and_creates_and_a_second_writes_nothing(fresh: World) -> None:
    first = fresh.run(params=USERS)
    assert counts(first, "users") == {"created": 1, "adopted": 2, "skipped": 1} and first["stopped"] == []
    assert fresh.writes() == [SYNC] and first["reconciliation"]["balanced"]
    lists = [row["path"] for row in fresh.requests() if row["method"] == "GET" and "users" in row["path"]]
    assert lists == ["/rest/v1.3/users"]
    made = users(fresh)["priya.lindqvist@example.com"]
    assert (made["origin_id"], made["origin_data"]) == ("sandbox:01:users:E-1004", '{"erp_key":"E-1004"}')
    assert (made["name"], made["employee_id"], made["is_employee"]) == ("Priya Lindqvist", "E-1004", True)
    assert users(fresh)["zoe.akerstrom@example.com"]["name"] == "Zoë Åkerström-Núñez"
    assert "owen.tolliver@example.com" not in users(fresh), "an inactive employee is not invited"
    again = fresh.run(params=USERS)
    assert counts(again, "users") == {"unchanged": 3, "skipped": 1} and fresh.writes() == []


def test_what_the_erp_changes_goes_out_and_nothing_else(settled: World) -> None:
    before = users(settled)
    settled.erp_sql("UPDATE employees SET job_title = 'Chief estimator', last_name = 'Åkerström' WHERE employee = 'E-1002'")
    report = settled.quick(params=USERS)
    assert done(report) == {"users": {"updated": 1}} and settled.writes() == [SYNC]
    after = users(settled)["zoe.akerstrom@example.com"]
    changed = {name for name, value in after.items() if value != before["zoe.akerstrom@example.com"][name]}
    assert changed == {"job_title", "last_name", "name", "updated_at"}


def test_an_employee_who_leaves_is_deactivated_and_comes_back(settled: World) -> None:
    settled.erp_sql("UPDATE employees SET active = 0 WHERE employee = 'E-1001'")
    assert done(settled.quick(params=USERS)) == {"users": {"updated": 1}}
    assert users(settled)["martha.kestrel@example.com"]["is_active"] is False
    assert settled.run(params=USERS)["stopped"] == [] and settled.writes() == []
    settled.erp_sql("UPDATE employees SET active = 1 WHERE employee = 'E-1001'")
    assert done(settled.quick(params=USERS)) == {"users": {"updated": 1}}
    assert users(settled)["martha.kestrel@example.com"]["is_active"] is True


def test_an_employee_who_is_gone_is_reported_and_keeps_the_account(settled: World) -> None:
    settled.erp_sql("DELETE FROM employees WHERE employee = 'E-1001'")
    report = settled.run(params=USERS)
    assert stopped(report) == {("users", "E-1001", "conflict", "R-02")} and settled.writes() == []
    assert users(settled)["martha.kestrel@example.com"]["is_active"] is True


def test_whom_people_locked_out_in_procore_we_do_not_let_in(settled: World) -> None:
    ident = users(settled)["martha.kestrel@example.com"]["id"]
    settled.as_user("PATCH", f"/rest/v1.3/companies/8089/users/{ident}", {"user": {"is_active": False}})
    report = settled.run(params=USERS)
    assert report["stopped"] == [] and settled.writes() == []
    assert "Martha Kestrel (E-1001) is inactive in Procore" in warned(settled)


def test_by_what_a_person_signs_in_is_left_to_people(settled: World) -> None:
    settled.erp_sql("UPDATE employees SET email = 'm.kestrel@example.com', job_title = 'Director' WHERE employee = 'E-1001'")
    report = settled.run(params=USERS)
    assert report["stopped"] == [] and done(report) == {"users": {"updated": 1}}
    row = users(settled)["martha.kestrel@example.com"]
    assert row["job_title"] == "Director", "the rest is carried over"
    assert "signs in to Procore by martha.kestrel@example.com" in warned(settled)
    changed = {"user": {"email_address": "m.kestrel@example.com"}}
    settled.as_user("PATCH", f"/rest/v1.3/companies/8089/users/{row['id']}", changed)
    assert settled.run(params=USERS)["stopped"] == [] and settled.writes() == [] and not warned(settled)


def test_the_case_of_an_address_is_no_difference(settled: World) -> None:
    settled.erp_sql("UPDATE employees SET email = 'Martha.KESTREL@Example.com' WHERE employee = 'E-1001'")
    assert counts(settled.run(params=USERS), "users") == {"unchanged": 3, "skipped": 1} and settled.writes() == []


def test_without_its_ledger_nobody_is_doubled(settled: World) -> None:
    before = users(settled)
    settled.forget_ledger()
    report = settled.run(params=USERS)
    assert counts(report, "users") == {"adopted": 3, "skipped": 1} and settled.writes() == [] and users(settled) == before


def test_a_user_of_that_address_is_proposed_and_linked_by_a_person_only(fresh: World) -> None:
    body = {"updates": [{"last_name": "Lindqvist", "email_address": "Priya.Lindqvist@example.com"}]}
    fresh.as_user("PATCH", "/rest/v1.3/companies/8089/users/sync", body)
    report = fresh.run(params=USERS)
    assert stopped(report) == {("users", "E-1004", "held", "2.9")} and fresh.writes() == []
    fresh.decide("link", "users", "E-1004")
    assert fresh.run(params=USERS)["stopped"] == []
    fresh.run(params=USERS)
    (row,) = [row for row in fresh.objects("users") if row["last_name"] == "Lindqvist"]
    assert (row["origin_id"], row["employee_id"], row["first_name"]) == ("sandbox:01:users:E-1004", "E-1004", "Priya")
    fresh.run(params=USERS)
    assert fresh.writes() == []


def test_two_of_one_address_and_one_without_stop_and_hold_nobody_else(fresh: World) -> None:
    fresh.erp_sql(
        "INSERT INTO employees (company, employee, last_name, email) VALUES ('01', 'E-2001', 'A', 'one@example.com')",
        "INSERT INTO employees (company, employee, last_name, email) VALUES ('02', 'E-2002', 'B', 'one@example.com')",
        "INSERT INTO employees (company, employee, last_name) VALUES ('01', 'E-2003', 'C')",
        "INSERT INTO employees (company, employee, last_name, email) VALUES ('01', 'E-2004', 'D', 'nobody')",
    )
    report = fresh.run(params=USERS)
    assert stopped(report) == {
        *(("users", key, "quarantined", "V-02") for key in ("E-2001", "E-2002")),
        *(("users", key, "quarantined", "U-02") for key in ("E-2003", "E-2004")),
    }
    assert counts(report, "users")["created"] == 1
    assert of(report, "E-2003")["message"].startswith("Employee E-2003 (C) has no e-mail")


@pytest.mark.parametrize("fault", ["drop_before", "drop_after"])
def test_an_answer_that_got_lost_makes_nobody_twice(fresh: World, fault: str) -> None:
    fresh.fault(method="PATCH", path="users/sync", times=1, action=fault)
    try:
        fresh.run(params=USERS)
    except (OutcomeUnknown, RetryLater):
        fresh.advance(hours=1)
    fresh.run(params=USERS)
    assert [row["origin_id"] for row in fresh.objects("users")].count("sandbox:01:users:E-1004") == 1
    fresh.run(params=USERS)
    assert fresh.writes() == []


# -- change events --------------------------------------------------------------------------------------------------------------


def test_change_events_are_read_and_kept_and_sent_nowhere(fresh: World, capsys: pytest.CaptureFixture[str]) -> None:
    fresh.run(params={"entities": ["projects"]})
    audit = fresh.audit()
    report = fresh.run(params=EVENTS)
    assert report["entities"]["change_events"]["direction"] == "procore_only"
    assert counts(report, "change_events") == {"skipped": 3} and report["stopped"] == []
    assert fresh.writes() == [] and fresh.audit() == audit and report["erp_writes"] == 0
    lists = [row["query"] for row in fresh.requests() if row["path"].endswith("/change_events")]
    assert len(lists) == 2, "one list for each project, and no call for a single event"
    assert list(fresh.folder.glob("staging/*/snapshots/erp/projects")), "where a list of the ERP would be"
    assert not list(fresh.folder.glob("staging/*/snapshots/erp/change_events")), "the ERP is not asked for them"
    kept = {row["number"]: row["origin_id"] for row in fresh.ledger("SELECT * FROM records WHERE entity = 'change_events'")}
    assert kept == {"25-104/001": "estimating:CE-2207", "25-104/002": None, "25-098/001": "estimating:CE-2231"}
    said = told(fresh, capsys, "change event", "25-104/001")
    assert "25-104/001 is skipped" in said and "its external id is estimating:CE-2207" in said
    assert fresh.ledger("SELECT * FROM links WHERE entity = 'change_events'") == []


def test_only_changed_events_are_asked_for_again(fresh: World) -> None:
    fresh.run(params={"entities": ["projects"]})
    fresh.quick(params=EVENTS)
    fresh.advance(hours=1)
    assert counts(fresh.quick(params=EVENTS), "change_events") == {}
    job = fresh.objects("projects")[0]["id"]
    event = {"status": {"id": 1}, "scope": "tbd", "title": "New"}
    fresh.as_user("POST", f"/rest/v1.1/change_events?project_id={job}", {"change_event": event})
    assert counts(fresh.quick(params=EVENTS), "change_events") == {"skipped": 1}


def test_an_event_that_cannot_be_read_is_quarantined_and_read_again(fresh: World) -> None:
    fresh.run(params={"entities": ["projects"]})
    (row, *_) = fresh.objects("change_events")
    _spoil(fresh, row["id"], "title", 7)
    report = fresh.quick(params=EVENTS)
    assert stopped(report) == {("change_events", "001", "quarantined", "O-06")}
    _spoil(fresh, row["id"], "title", "Added exam room")
    assert counts(fresh.quick(params=EVENTS), "change_events") == {"skipped": 1}


def _spoil(world: World, ident: int, name: str, value: Any) -> None:
    with closing(sqlite3.connect(world.folder / "procore.sqlite")) as connection, connection:
        statement = f"UPDATE objects SET doc = json_set(doc, '$.{name}', json(?)) WHERE kind = 'change_events' AND id = ?"
        connection.execute(statement, (json.dumps(value), ident))


def test_there_is_nothing_to_decide_on_an_event(fresh: World, capsys: pytest.CaptureFixture[str]) -> None:
    fresh.run(params=EVENTS)
    for words in (("link", "25-104/001"), ("unlink", "25-104/001"), ("accept", "25-104/001"), ("approve", "all")):
        ledger = ["--ledger", f"sqlite:///{fresh.folder}/ledger.sqlite"]
        assert main([*ledger, "decide", words[0], "change_event", words[1]]) == 2
    assert capsys.readouterr().err.count("a change event is only read") == 4
