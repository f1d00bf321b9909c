"""A run's window and parameters: decided once, refused when they make no sense."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from include.financials.entities import ENTITIES
from include.financials.exceptions import ConfigurationError, StepMissing
from include.financials.ledger import Ledger, stamp
from include.financials.ledger.inbox import Claimed
from include.financials.port import Window
from include.financials.run import HEAD, Kind, Run, instant, load_run, open_run, require
from include.financials.settings import Settings
from tests.unit.financials.pair import make_settings

NOW = datetime(2026, 9, 30, 18, tzinfo=UTC)
JULY, AUGUST = datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 8, 1, tzinfo=UTC)
TEN = timedelta(minutes=10)


def start(
    ledger: Ledger, kind: Kind = "manual", run_id: str = "r", now: datetime = NOW, interval: Any = (None, None), **params: Any
) -> Run:
    return open_run(ledger, make_settings(), run_id=run_id, kind=kind, source_now=now, interval=interval, params=params)


@pytest.fixture
def marked(ledger: Ledger) -> Ledger:
    """A ledger whose list of vendors has been read up to 1 August."""
    ledger.runs.move_watermark("erp", "vendors", stamp(AUGUST), "earlier")
    return ledger


@pytest.mark.parametrize(
    ("kind", "interval", "params", "window"),
    [
        ("scheduled", (JULY, AUGUST), {}, Window(AUGUST - TEN, AUGUST)),
        ("scheduled", (JULY, NOW + TEN), {}, Window(AUGUST - TEN, NOW)),
        ("backfill", (JULY, AUGUST), {}, Window(JULY, AUGUST)),
        ("backfill", (JULY, NOW + TEN), {}, Window(JULY, NOW)),
        ("backfill", (JULY, AUGUST), {"since": "2026-07-10"}, Window(datetime(2026, 7, 10, tzinfo=UTC), AUGUST)),
        ("manual", (None, None), {}, Window(AUGUST - TEN, NOW)),
        ("manual", (JULY, AUGUST), {}, Window(AUGUST - TEN, NOW)),
        ("manual", (None, None), {"since": "2026-07-01T00:00:00Z"}, Window(JULY, NOW)),
        ("manual", (None, None), {"until": "2026-08-01T02:00:00+02:00"}, Window(AUGUST - TEN, AUGUST)),
        ("manual", (None, None), {"until": "2030-01-01"}, Window(AUGUST - TEN, NOW)),
    ],
)
def test_the_window_follows_the_type_of_the_run(
    marked: Ledger, kind: Kind, interval: Any, params: dict[str, Any], window: Window
) -> None:
    assert start(marked, kind, interval=interval, **params).window(marked, "erp", "vendors", TEN) == window


def test_a_list_that_was_never_read_is_read_from_its_beginning(ledger: Ledger) -> None:
    assert start(ledger).window(ledger, "procore", "commitments", TEN) == Window(None, NOW)


def test_a_run_whose_window_is_empty_is_refused(marked: Ledger) -> None:
    """It would read nothing, and be green: the watermark lies behind its end. With a beginning of its own it reads those days."""
    with pytest.raises(
        ConfigurationError, match=r"until \(2026-07-01.* read already: vendors up to 2026-08-01.*give since as well"
    ):
        start(marked, until="2026-07-01")
    assert marked.runs.get("r") is None
    with pytest.raises(ConfigurationError, match="vendors up to"):
        start(marked, until="2026-07-01", entities=["customers", "vendors"])
    start(marked, run_id="others", until="2026-07-01", entities=["customers"])
    start(marked, run_id="documents", until="2026-07-01", documents=["104-SC-003"])
    again = start(marked, run_id="whole", until="2026-07-01", since="2026-06-01")
    assert again.window(marked, "erp", "vendors", TEN) == Window(datetime(2026, 6, 1, tzinfo=UTC), JULY)
    # Nobody chose the end of a scheduled run: what lies before the watermark was looked at by another one.
    start(marked, "scheduled", run_id="late", interval=(datetime(2026, 6, 1, tzinfo=UTC), JULY))


def test_a_window_includes_both_its_ends_and_what_has_no_time() -> None:
    window = Window(JULY, AUGUST)
    second = timedelta(seconds=1)
    assert [window.covers(at) for at in (JULY - second, JULY, AUGUST, AUGUST + second, None)] == [False, True, True, False, True]
    assert Window().covers(NOW)


def test_a_later_try_sees_the_window_of_the_first(ledger: Ledger) -> None:
    first = start(ledger, since="2026-07-01", mode="plan")
    again = start(ledger, now=NOW + timedelta(days=3), interval=(AUGUST, NOW), since="2026-07-01", mode="plan")
    assert again == first == load_run(ledger, "r")
    assert (again.until, again.since, again.mode, again.kind) == (NOW, JULY, "plan", "manual")


@pytest.mark.parametrize(
    ("kind", "params", "end"),
    [
        ("manual", {}, NOW + timedelta(days=3)),
        ("manual", {"since": "2026-07-01"}, NOW + timedelta(days=3)),
        ("manual", {"until": "2026-09-01"}, datetime(2026, 9, 1, tzinfo=UTC)),
        ("manual", {"until": "2026-10-02"}, datetime(2026, 10, 2, tzinfo=UTC)),
        ("scheduled", {}, AUGUST),
        ("backfill", {}, AUGUST),
    ],
)
def test_a_run_that_starts_over_ends_now_where_nobody_chose_its_end(
    ledger: Ledger, kind: Kind, params: dict[str, Any], end: datetime
) -> None:
    first = start(ledger, kind, interval=(JULY, AUGUST), **params)
    for step in (*HEAD, "extract:vendors", "load:vendors"):
        ledger.runs.finished("r", step)
    again = start(ledger, kind, now=NOW + timedelta(days=3), interval=(JULY, AUGUST), **params)
    assert (again.until, again.since) == (end, first.since) and again == load_run(ledger, "r")
    assert ledger.runs.steps("r") == {("window", 0)}, "what it did before counts for nothing; the operator ends the last of it"


PLANNED, APPLIED = {"mode": "plan", "shards": 1}, {"mode": "apply", "shards": 1}
ASKED_OTHERWISE = [
    (("scheduled", {}), ("backfill", PLANNED), "scheduled run in mode apply, and is now asked for as backfill run in mode plan"),
    (("scheduled", {}), ("backfill", {}), "scheduled run in mode apply, and is now asked for as backfill run in mode apply"),
    (("backfill", APPLIED), ("backfill", PLANNED), "now asked for as backfill run in mode plan (shards 1)"),
    (
        ("manual", PLANNED),
        ("manual", APPLIED),
        "manual run in mode plan (shards 1), and is now asked for as manual run in mode a",
    ),
    (
        ("manual", {"projects": ["25-104"]}),
        ("manual", {}),
        "mode apply (projects ['25-104']), and is now asked for as manual run",
    ),
    (("manual", {"entities": ["vendors"]}), ("manual", {"entities": list(ENTITIES)}), f"(entities {len(ENTITIES)} of them)"),
    (("manual", {"since": "2026-07-01"}), ("manual", {"since": "2026-08-01"}), "(since 2026-07-01), and is now asked for as"),
]


@pytest.mark.parametrize(("first", "then", "told"), ASKED_OTHERWISE)
def test_a_run_that_is_asked_for_otherwise_does_nothing(ledger: Ledger, first: Any, then: Any, told: str) -> None:
    """A backfill that reprocesses a date, or a trigger under an old id: Airflow keeps the run and changes type and parameters."""
    begun = start(ledger, first[0], interval=(JULY, AUGUST), **first[1])
    for step in (*HEAD, "load:vendors"):
        ledger.runs.finished("r", step)
    with pytest.raises(ConfigurationError) as caught:
        start(ledger, then[0], interval=(JULY, AUGUST), **then[1])
    assert told in str(caught.value) and "Nothing was done" in str(caught.value)
    assert load_run(ledger, "r") == begun, "what was done stays on record"
    with pytest.raises(StepMissing, match="window"):
        require(ledger, "r", HEAD)


def test_a_schedule_that_was_put_on_plan_does_not_apply_an_old_run(ledger: Ledger) -> None:
    start(ledger, "scheduled", interval=(JULY, AUGUST))
    careful = make_settings(scheduled_mode="plan")
    with pytest.raises(ConfigurationError, match="asked for as scheduled run in mode plan"):
        open_run(ledger, careful, run_id="r", kind="scheduled", source_now=NOW, interval=(JULY, AUGUST))


def test_parameters_are_kept(ledger: Ledger) -> None:
    run = start(ledger, entities=["projects", "vendors"], projects=["25-104"], shards=2, mode="plan", approve_above="1000.10")
    assert run.entities == ("vendors", "projects"), "in the order of their stages"
    assert (run.projects, run.shards, run.plan, run.approve_above) == (("25-104",), 2, True, Decimal("1000.10"))
    assert run.settings_hash == make_settings().hash


def test_the_mode_of_a_scheduled_run_is_a_setting(ledger: Ledger) -> None:
    """Nobody asked for it by hand, so that a default of the form must not decide it; everybody else gets what he asked for."""
    for name, scheduled in (("one", "plan"), ("two", "apply")):
        settings = Settings(entities={}, scheduled_mode=scheduled)
        interval = (datetime(2026, 9, 29, tzinfo=UTC), datetime(2026, 9, 30, tzinfo=UTC))
        common = {"source_now": NOW, "interval": interval}
        by_schedule = open_run(ledger, settings, run_id=f"s-{name}", kind="scheduled", params={"mode": "apply"}, **common)
        by_hand = open_run(ledger, settings, run_id=f"m-{name}", kind="manual", params={"mode": "apply"}, **common)
        assert (by_schedule.mode, by_hand.mode) == (scheduled, "apply")


@pytest.mark.parametrize("name", ["since", "until"])
@pytest.mark.parametrize("given", [0, False, [], {}])
def test_a_day_that_is_none_is_refused_and_not_left_out(ledger: Ledger, name: str, given: Any) -> None:
    with pytest.raises(ConfigurationError, match=name):
        start(ledger, **{name: given})
    assert ledger.runs.get("r") is None


@pytest.mark.parametrize(("kind", "claimed"), [("scheduled", None), ("manual", Claimed(0, (), ()))])
def test_a_plan_that_was_asked_for_stays_one(ledger: Ledger, kind: Any, claimed: Claimed | None) -> None:
    settings = make_settings(scheduled_mode="apply")
    interval = (datetime(2026, 9, 29, tzinfo=UTC), datetime(2026, 9, 30, tzinfo=UTC))
    asked = {"run_id": "p", "kind": kind, "source_now": NOW, "params": {"mode": "plan"}, "claimed": claimed}
    assert open_run(ledger, settings, interval=interval, **asked).plan


def test_a_step_that_did_not_run_to_its_end_is_named(ledger: Ledger) -> None:
    start(ledger)
    ledger.runs.finished("r", "window")
    ledger.runs.finished("r", "extract:commitments", [0])
    with pytest.raises(StepMissing, match=r"preflight, select did not run to the end in run r .* Clear them"):
        require(ledger, "r", ["window", "preflight", "select"])
    with pytest.raises(StepMissing, match="extract_commitments did not run"):
        require(ledger, "r", ["extract:commitments"], [0, 1])
    with pytest.raises(StepMissing, match=r"referential_integrity, load_vendors did not run .* Clear them"):
        require(ledger, "r", ["check:commitments", "load:vendors"])
    with pytest.raises(StepMissing, match="window"):
        require(ledger, "another run", ["window"])
    ledger.runs.finished("r", "extract:commitments", [1])
    require(ledger, "r", ["window", "extract:commitments"], [0])
    require(ledger, "r", ["extract:commitments"], [0, 1])


def test_empty_parameters_are_none(ledger: Ledger) -> None:
    run = start(ledger, projects=None, since="", until=None, approve_above="")
    assert run.entities == tuple(ENTITIES) and run.projects == () and run.since is None and run.approve_above is None


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"project": "25-104"}, "unknown parameter 'project' (did you mean projects?); known: entities, projects"),
        ({"mode": "plan", "zebra": "look first"}, "unknown parameter 'zebra'; known: entities, projects, documents"),
        ({"entities": ["vendor"]}, "entities: unknown 'vendor' (did you mean vendors?); known: vendors"),
        ({"entities": []}, "entities is an empty list: name at least one"),
        ({"entities": None}, "entities is empty: name at least one"),
        ({"mode": None}, "mode is None; it is apply or plan"),
        ({"shards": None}, "shards is None"),
        ({"mode": ""}, "mode is ''; it is apply or plan"),
        ({"entities": "vendors"}, "entities is 'vendors'; give a list"),
        ({"projects": "25-104"}, "projects is '25-104'; give a list"),
        ({"projects": [25]}, "projects is [25]; give a list"),
        ({"mode": "dry"}, "mode is 'dry'; it is apply or plan"),
        ({"shards": 0}, "shards is 0; give a whole number from 1 to 64"),
        ({"shards": 65}, "shards is 65"),
        ({"shards": "2"}, "shards is '2'"),
        ({"shards": True}, "shards is True"),
        ({"since": "yesterday"}, "since is 'yesterday'; give an ISO date-time"),
        ({"until": "2026-13-01"}, "until is '2026-13-01'"),
        ({"since": "2026-08-02", "until": "2026-08-01"}, "since (2026-08-02T00:00:00.000000Z) lies after until (2026-08-01"),
        ({"since": "2030-01-01"}, "lies after until"),
        ({"approve_above": "a lot"}, "approve_above is 'a lot'; give a decimal number"),
        ({"approve_above": "NaN"}, "approve_above is 'NaN'"),
        ({"approve_above": "-1"}, "approve_above is '-1'"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused(ledger: Ledger, params: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        start(ledger, **params)
    assert message in str(caught.value)
    assert ledger.runs.get("r") is None, "a refused run leaves nothing behind"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("", None),
        ("2026-07-01", JULY),
        ("2026-07-01T00:00:00", JULY),
        ("2026-07-01T00:00:00Z", JULY),
        ("2026-06-30T19:00:00-05:00", JULY),
    ],
)
def test_an_instant_is_aware_and_in_utc(text: str | None, expected: datetime | None) -> None:
    found = instant(text, "since")
    assert found == expected and (found is None or found.tzinfo is UTC)


def test_a_run_that_nobody_opened_says_so(ledger: Ledger) -> None:
    with pytest.raises(ConfigurationError, match="its first task"):
        load_run(ledger, "nobody")
