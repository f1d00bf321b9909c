"""The ledger, on SQLite and on PostgreSQL: atomic, exclusive, never backwards."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from include.erp.sql.database import Database
from include.financials.exceptions import ConfigurationError, LeaseLost, RetryLater
from include.financials.ledger import (
    LEASE_SECONDS,
    Call,
    Intent,
    Judged,
    Lease,
    Ledger,
    Link,
    Remembered,
    Restated,
    RunRow,
    Settled,
    leases,
    migrations,
    moment,
    room,
    stamp,
)
from include.financials.ledger import tables as t
from tests.pg import postgres_url  # noqa: F401  (fixture)

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.sqlite"
        return
    place = request.getfixturevalue("postgres_url")
    yield place
    engine = sa.create_engine(place)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    engine.dispose()


@pytest.fixture
def book(url: str) -> Iterator[Ledger]:
    opened = Ledger(url)
    opened.create()
    opened.runs.open(run_row())
    yield opened
    opened.close()


def run_row(run_id: str = "r", mode: str = "apply") -> RunRow:
    return RunRow(run_id, mode, "manual", "{}", "h", None, stamp(), stamp())


def outcome(record_id: str = "1", run_id: str = "r", **changes: Any) -> Judged:
    row = Judged(
        run_id, "vendors", "G1", "erp", record_id, 0, f"V-{record_id}", "linked", action="create", judged=True, work="{}",
        erp_key=record_id, content_hash="h",
    )  # fmt: skip
    return row._replace(**changes)


def record(record_id: str = "1", **changes: Any) -> Remembered:
    return replace(Remembered("vendors", "G1", "erp", record_id, f"V-{record_id}"), **changes)


def link(key: str = "V-1", procore_id: str = "9001", **changes: Any) -> Link:
    return Link(**({"entity": "vendors", "company": "G1", "erp_key": key, "procore_id": procore_id, "number": key} | changes))


def intent(name: str = "i1", **changes: Any) -> Intent:
    return Intent(name, "r", "vendors", "G1", "1", 0, "create", 0, "h", "{}")._replace(**changes)


def call(name: str = "c1") -> Call:
    return Call(name, "r", "procore", "vendors", "create", "", 0, 1)


def everything(book: Ledger) -> dict[str, list[tuple[Any, ...]]]:
    with book.engine.connect() as connection:
        return {
            name: sorted(map(tuple, connection.execute(sa.select(table))), key=str) for name, table in t.metadata.tables.items()
        }


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """The ledger's own clock goes on by so much."""
    offset = timedelta(seconds=seconds)

    class Moved(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + offset

    monkeypatch.setattr(leases, "datetime", Moved)


# -- schema --


def test_migrations_and_tables_are_equal(book: Ledger) -> None:
    with book.engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), t.metadata)
    assert found == []


def test_the_version_of_the_tables_is_the_last_migration(book: Ledger) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_heads() == [migrations.HEAD]
    with book.engine.connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == migrations.HEAD


def test_a_ledger_of_another_program_is_not_touched(book: Ledger) -> None:
    with book.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    before = everything(book)
    with pytest.raises(ConfigurationError, match="is of version 9999, this program needs"):
        book.ready()
    with pytest.raises(ConfigurationError, match="version 9999, which this program does not know"):
        book.create()
    assert everything(book) == before


def test_migrating_twice_changes_nothing(book: Ledger) -> None:
    book.records.remember([record()])
    before = everything(book)
    book.create()
    assert everything(book) == before


def test_two_processes_may_migrate_at_once(url: str) -> None:
    code = f"from include.financials.ledger import Ledger; Ledger({url!r}).create()"
    started = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    ends = [(process.communicate(timeout=60)[1], process.returncode) for process in started]
    assert [code for _, code in ends] == [0, 0], ends
    book = Ledger(url)
    assert set(t.metadata.tables) <= set(sa.inspect(book.engine).get_table_names())
    book.close()


def test_another_database_is_refused() -> None:
    class Other:
        class dialect:
            name = "mysql"

    with pytest.raises(ConfigurationError, match="not on mysql"):
        room.upsert(Other(), t.runs, [room.values(run_row())], update_columns=())  # type: ignore[arg-type]


# -- runs and watermarks --


def test_a_run_is_opened_once(book: Ledger) -> None:
    first = book.runs.get("r")
    again = book.runs.open(run_row(mode="plan"))
    assert again == first
    book.runs.finish("r", "success")
    done = book.runs.get("r")
    assert done is not None and done.status == "success" and done.finished_at
    assert book.runs.get("unknown") is None


def test_a_watermark_only_goes_forward(book: Ledger) -> None:
    assert book.runs.watermark("erp", "vendors") is None
    for value, expected in (("2026-07-01", "2026-07-01"), ("2026-08-01", "2026-08-01"), ("2026-07-15", "2026-08-01")):
        book.runs.move_watermark("erp", "vendors", value, "r")
        assert book.runs.watermark("erp", "vendors") == expected
    assert book.runs.watermark("procore", "vendors") is None


def test_stamps_sort_as_times_do() -> None:
    zone = datetime.fromisoformat("2026-07-01T02:00:00.000001+02:00")
    assert (
        stamp(zone)
        == "2026-07-01T00:00:00.000001Z"
        < stamp(zone + timedelta(microseconds=1))
        < stamp(zone + timedelta(seconds=1))
    )
    assert moment(stamp(zone)) == zone
    assert moment(None) is None


# -- records and outcomes --


def test_a_column_that_is_left_out_keeps_its_value(book: Ledger) -> None:
    book.records.remember([record(state="held", message="waits"), record("2", state="linked")])
    book.records.remember([record(state="linked"), record("3")])
    seen = book.records.seen("vendors", "erp")
    assert seen["G1", "1"].state == "linked" and seen["G1", "1"].message == "waits"
    assert seen["G1", "2"].state == "linked" and seen["G1", "3"].state is None
    assert book.records.seen("vendors", "procore") == {} == book.records.seen("projects", "erp")


def test_many_records_at_once(book: Ledger) -> None:
    book.records.remember([record(str(n), message="x" * 20) for n in range(1201)])
    assert len(book.records.seen("vendors", "erp")) == 1201


def test_a_retried_check_says_it_anew_but_never_takes_back_what_is_done(book: Ledger) -> None:
    book.outcomes.judge("r", "vendors", 0, [outcome("1"), outcome("2")], [record("1", state="linked")])
    book.outcomes.mark_done("r", "vendors", [outcome("1")])
    book.outcomes.judge("r", "vendors", 0, [outcome("1", state="held"), outcome("3")])
    assert [(row.id, row.state, row.done) for row in book.outcomes.of("r", "vendors")] == [
        ("1", "linked", True),
        ("3", "linked", False),
    ]
    assert [row.id for row in book.outcomes.work("r", "vendors", 0, "erp", "create", "none")] == ["3"]


def test_of_what_is_told_twice_the_last_word_counts(book: Ledger) -> None:
    """Also where there are many rows between the two."""
    rows = [outcome("1"), *(outcome(f"n{number}") for number in range(1200)), outcome("1", state="held")]
    book.outcomes.judge("r", "vendors", 0, iter(rows))
    found = book.outcomes.of("r", "vendors")
    assert len(found) == 1201 and [row.id for row in found if row.state == "held"] == ["1"]
    assert book.outcomes.tally("r", "vendors", 0) == {("create", "linked", None): 1200, ("create", "held", None): 1}
    assert len(book.outcomes.work("r", "vendors", 0, "erp", "create", most=7)) == 7
    assert (
        book.outcomes.work("r", "vendors", 0, "procore", "create") == [] == book.outcomes.work("r", "vendors", 0, "erp", "adopt")
    )


def test_a_shard_and_a_run_are_judged_apart(book: Ledger) -> None:
    book.runs.open(run_row("other"))
    book.outcomes.judge("r", "vendors", 0, [outcome("1")])
    book.outcomes.judge("r", "vendors", 1, [outcome("2", shard=1)])
    book.outcomes.judge("other", "vendors", 0, [outcome("1", "other")])
    book.outcomes.judge("r", "vendors", 0, [])
    assert [row.id for row in book.outcomes.of("r")] == ["2"]
    assert [row.id for row in book.outcomes.of("other", "vendors", 0)] == ["1"]


def test_judging_is_one_commit(book: Ledger) -> None:
    book.outcomes.judge("r", "vendors", 0, [outcome("1")], [record("1", state="linked")])
    before = everything(book)
    with pytest.raises(sa.exc.SQLAlchemyError):
        book.outcomes.judge("r", "vendors", 0, [outcome("2")], [record("2", number=None)])
    assert everything(book) == before


def test_what_is_said_of_a_row_names_its_columns_and_leaves_the_others() -> None:
    """Each column of a memory can be said, and nothing else can; None is said, nothing is not."""
    assert {one.name for one in fields(Remembered)} == {*t.Seen._fields} - {"within"}
    assert {one.name for one in fields(Restated)} - {"row"} <= {*Judged._fields}
    assert record(rule=None).columns() == {
        "entity": "vendors", "company": "G1", "side": "erp", "id": "1", "number": "V-1", "within": "G1", "rule": None,
    }  # fmt: skip
    assert Restated(outcome(), state="held").columns() == {"state": "held"}


@pytest.mark.parametrize(("mode", "state"), [("apply", "held"), ("plan", "linked")])
def test_a_plan_leaves_no_state_behind(book: Ledger, mode: str, state: str) -> None:
    book.runs.open(run_row("p", mode))
    book.records.remember([record(state="linked")])
    book.outcomes.judge("p", "vendors", 0, [outcome("1", "p")])
    book.outcomes.restate("p", "vendors", [Restated(outcome("1", "p"), state="held", rule="gate", message="closed")])
    assert book.outcomes.of("p")[0].state == "held"
    assert book.records.seen("vendors", "erp")["G1", "1"].state == state


def test_planned_links_are_this_runs_findings_that_are_not_done(book: Ledger) -> None:
    rows = [outcome("1"), outcome("2", state="held"), outcome("3", erp_key=None), outcome("4", procore_id="9004"), outcome("5")]
    book.outcomes.judge("r", "vendors", 0, rows)
    book.outcomes.mark_done("r", "vendors", [outcome("5")])
    found = book.links.planned("r", "vendors")
    assert sorted((one.erp_key, one.procore_id, one.status) for one in found) == [("1", "", "planned"), ("4", "9004", "planned")]
    assert book.links.planned("other", "vendors") == []


# -- leases --


def test_a_lease_is_exclusive_and_given_back(book: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Ledger(book.url)
    with book.leases.hold("vendors", 0):
        with pytest.raises(RetryLater) as caught, other.leases.hold("vendors", 0):
            pytest.fail("two holders")
        assert caught.value.seconds == leases.ASK_AGAIN < LEASE_SECONDS, "it may be given back at any moment"
        with monkeypatch.context() as patched:
            later(patched, LEASE_SECONDS - 12)
            with pytest.raises(RetryLater) as caught, other.leases.hold("vendors", 0):
                pytest.fail("two holders")
        assert caught.value.seconds is not None and 5 <= caught.value.seconds <= 12, "or run out sooner"
        with pytest.raises(RetryLater), other.leases.hold("vendors", 1, "another run"):
            raise AssertionError
        with other.leases.hold("vendors", 1), other.leases.hold("projects", 0):
            pass
    with other.leases.hold("vendors", 0):
        pass
    other.close()


def test_a_lease_is_given_back_after_a_failure(book: Ledger) -> None:
    with pytest.raises(ZeroDivisionError), book.leases.hold("vendors", 0):
        raise ZeroDivisionError
    with book.leases.hold("vendors", 0):
        pass


def test_a_zombie_commits_nothing(book: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lease ran out and went to another task: whatever it still tries is refused and leaves no trace."""
    book.outcomes.judge("r", "vendors", 0, [outcome()])
    with book.leases.hold("vendors", 0) as old:
        book.journal.sending(old, call(), [intent()])
        later(monkeypatch, LEASE_SECONDS + 1)
        with book.leases.hold("vendors", 0) as new:
            before = everything(book)
            attempts: list[Callable[[Lease], None]] = [
                lambda lease: book.journal.sending(lease, call("c2"), [intent("i2")]),
                lambda lease: book.journal.settled(
                    lease,
                    call()._replace(status="done"),
                    [Settled("i1", "confirmed")],
                    run_id="r",
                    entity="vendors",
                    links=[link()],
                    outcomes=[Restated(outcome(), done=True)],
                    remembered=[record()],
                ),
                lambda lease: book.journal.adopt(lease, "r", "vendors", [link()], [outcome()]),
            ]
            for attempt in attempts:
                with pytest.raises(LeaseLost, match="writes nothing more"):
                    attempt(old)
            assert everything(book) == before
            book.journal.settled(new, None, [Settled("i1", "confirmed")], run_id="r", entity="vendors")
    assert book.journal.intents(["i1"])["i1"].status == "confirmed"


def test_a_lease_that_only_ran_out_is_still_held(book: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lost means that somebody took over: a long look-up before a write is no reason for a task to fail."""
    with book.leases.hold("vendors", 0) as lease:
        later(monkeypatch, LEASE_SECONDS + 1)
        book.journal.sending(lease, call(), [intent()])
        with pytest.raises(RetryLater), book.leases.hold("vendors", 0):
            pass
    assert len(book.journal.open_intents("vendors", 0)) == 1


def test_a_lease_that_only_ran_out_is_not_lost_to_another_shard(book: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    with book.leases.hold("vendors", 0, "r") as lease:
        later(monkeypatch, LEASE_SECONDS + 1)
        with book.leases.hold("vendors", 1, "r"):
            book.journal.sending(lease, call(), [intent()])
    assert len(book.journal.open_intents("vendors", 0)) == 1


@pytest.mark.parametrize("shard", [0, 1])
def test_another_run_takes_over_what_ran_out_whatever_its_shard(
    book: Ledger, monkeypatch: pytest.MonkeyPatch, shard: int
) -> None:
    with book.leases.hold("vendors", 0, "r") as lease:
        later(monkeypatch, LEASE_SECONDS + 1)
        with book.leases.hold("vendors", shard, "another run"), pytest.raises(LeaseLost):
            book.journal.sending(lease, call(), [intent()])


def test_each_commit_renews_the_lease(book: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    with book.leases.hold("vendors", 0) as lease:
        for number in range(3):
            later(monkeypatch, (number + 1) * LEASE_SECONDS * 0.8)
            book.journal.sending(lease, call(f"c{number}"), [intent(f"i{number}")])


# -- the journal --


def test_what_is_sent_stays_open_until_it_is_settled(book: Ledger) -> None:
    with book.leases.hold("vendors", 0) as lease:
        book.journal.sending(lease, call(), [intent("i1"), intent("i2"), intent("i3")])
        assert [row.intent for row in book.journal.open_intents("vendors", 0)] == ["i1", "i2", "i3"]
        rows = [
            Settled("i1", "confirmed", "9001"),
            Settled("i2", "rejected", message="no"),
        ]
        book.journal.settled(
            lease, call()._replace(status="done"), [*rows, Settled("i3", "unknown")], run_id="r", entity="vendors"
        )
    assert [row.intent for row in book.journal.open_intents("vendors", 0)] == ["i3"]
    assert book.journal.open_intents("vendors", 1) == [] == book.journal.open_intents("projects", 0)
    assert book.journal.intents(["i1", "nothing"])["i1"].result_id == "9001"
    assert book.journal.written("r", "procore") == 1 and book.journal.written("r", "erp") == 0
    assert book.journal.call_count("r") == {"procore": 1} == book.journal.call_count("r", "vendors")


def test_sending_is_one_commit(book: Ledger) -> None:
    with book.leases.hold("vendors", 0) as lease:
        before = everything(book)
        with pytest.raises(sa.exc.SQLAlchemyError):
            book.journal.sending(lease, call(), [intent("i1"), intent("i2", item=None)])
        assert everything(book) == before


def test_settling_is_one_commit(book: Ledger) -> None:
    book.outcomes.judge("r", "vendors", 0, [outcome()])
    with book.leases.hold("vendors", 0) as lease:
        book.journal.sending(lease, call(), [intent()])
        before = everything(book)
        with pytest.raises(sa.exc.SQLAlchemyError):
            book.journal.settled(
                lease,
                call()._replace(status="done"),
                [Settled("i1", "confirmed")],
                run_id="r",
                entity="vendors",
                links=[link()],
                outcomes=[Restated(outcome(), done=True)],
                remembered=[record(number=None)],
            )
        assert everything(book) == before


def test_an_intent_that_is_sent_again_keeps_its_first_time(book: Ledger) -> None:
    with book.leases.hold("vendors", 0) as lease:
        book.journal.sending(lease, call("c1"), [intent()])
        first = book.journal.intents(["i1"])["i1"]
        book.journal.settled(lease, None, [Settled("i1", "planned")], run_id="r", entity="vendors")
        book.journal.sending(lease, call("c2"), [intent(run_id="r2")])
        again = book.journal.intents(["i1"])["i1"]
    assert (again.created_at, again.call_id, again.run_id, again.status) == (first.created_at, "c2", "r2", "sent")


# -- links --


def test_a_link_is_written_once_and_then_moved_on(book: Ledger) -> None:
    with book.leases.hold("vendors", 0) as lease:
        book.journal.settled(lease, None, [], run_id="r", entity="vendors", links=[link(status="pending", content={"name": "A"})])
        book.journal.settled(lease, None, [], run_id="r", entity="vendors", links=[link(revision=1, content={"name": "B"})])
    (found,) = book.links.of("vendors")
    assert (found.status, found.revision, found.content) == ("active", 1, {"name": "B"})


@pytest.mark.parametrize("second", [link("V-2", "9001"), link("V-1", "9002")])
def test_one_record_has_one_counterpart(book: Ledger, second: Link) -> None:
    with book.leases.hold("vendors", 0) as lease:
        book.journal.settled(lease, None, [], run_id="r", entity="vendors", links=[link()])
        with pytest.raises(sa.exc.IntegrityError):
            book.journal.settled(lease, None, [], run_id="r", entity="vendors", links=[second])
        with pytest.raises(sa.exc.IntegrityError):
            book.journal.adopt(lease, "r", "vendors", [second], [])
    assert [(one.erp_key, one.procore_id) for one in book.links.of("vendors")] == [("V-1", "9001")]


@pytest.mark.parametrize("other", ["9002", None], ids=["with another", "the same pair again"])
def test_a_link_that_ended_leaves_a_tombstone_and_frees_both_ids(other: str | None, book: Ledger) -> None:
    with book.leases.hold("vendors", 0) as lease:
        book.journal.settled(lease, None, [], run_id="r", entity="vendors", links=[link()])
        (old,) = book.links.of("vendors")
        assert old.link_id is not None
        book.decisions.part(old, "a controller")
        assert book.links.of("vendors") == []
        book.journal.settled(lease, None, [], run_id="r", entity="vendors", links=[link("V-1", other or old.procore_id)])
        assert [one.procore_id for one in book.links.of("vendors")] == [other or old.procore_id]
    with book.engine.connect() as connection:
        assert sorted(connection.execute(sa.select(t.links.c.status)).scalars()) == ["active", "tombstone"]


def test_links_that_are_new_and_links_that_are_there_are_written_in_one_call(book: Ledger) -> None:
    with book.leases.hold("vendors", 0) as lease:
        first = [link(content={"name": "A"}, status="pending")]
        book.journal.settled(lease, None, [], run_id="r", entity="vendors", links=first)
        then = [link("V-2", "9002", content={"name": "C"}), link(content={"name": "B"}, revision=1)]
        book.journal.settled(lease, None, [], run_id="r", entity="vendors", links=then)
    told = [(one.erp_key, one.status, one.revision, dict(one.content or {})) for one in book.links.of("vendors")]
    assert sorted(told) == [("V-1", "active", 1, {"name": "B"}), ("V-2", "active", 0, {"name": "C"})]


def test_the_same_key_in_two_companies_is_two_records(book: Ledger) -> None:
    with book.leases.hold("vendors", 0) as lease:
        book.journal.settled(lease, None, [], run_id="r", entity="vendors", links=[link(), link(procore_id="9002", company="G2")])
    assert len(book.links.of("vendors")) == 2


def test_adoption_links_marks_done_and_audits(book: Ledger) -> None:
    book.outcomes.judge("r", "vendors", 0, [outcome("V-1", action="adopt")])
    with book.leases.hold("vendors", 0) as lease:
        book.journal.adopt(lease, "r", "vendors", [link(content={"name": "A"})], [outcome("V-1")])
    assert book.outcomes.of("r")[0].done is True
    assert [row.what for row in book.story.of("vendors", "V-1").notes] == ["adopted"]
    assert book.journal.call_count("r") == {}


# -- decisions, traffic, story --


def test_a_decision_takes_the_place_of_an_earlier_one_of_its_kind_and_lasts(book: Ledger) -> None:
    named = {"entity": "vendors", "company": "G1", "record_id": "1", "who": "ann"}
    book.decisions.decide(**named, content_hash="h1", decision="approve")
    book.decisions.decide(**named, content_hash="h2", decision="approve")
    book.decisions.decide(**named, pair="9", decision="link")
    assert [(one.decision, one.content_hash, one.pair) for one in book.decisions.of("vendors")] == [
        ("approve", "h2", ""), ("link", "", "9"),
    ]  # fmt: skip
    book.decisions.decide(**named, pair="9", decision="unlink")
    assert [one.decision for one in book.decisions.of("vendors")] == ["approve", "unlink"]
    assert book.decisions.of("projects") == [] and [one.decision for one in book.decisions.of("vendors", "unlink")] == ["unlink"]
    assert [row.what for row in book.story.of("vendors", "1").notes] == []


def test_a_decision_that_a_run_ended_is_told_once_and_by_a_plan_ends_nothing(book: Ledger) -> None:
    book.decisions.decide(
        entity="commitments", company="01", record_id="1", content_hash="h", decision="approve", who="ann", number="SC-1"
    )
    (said,) = book.decisions.of("commitments")
    for _ in range(2):
        book.decisions.ended(said, "r", "it changed", plan=True)
    assert [row.detail for row in book.story.decisions_ended("r")] == ["it changed"] and book.decisions.of("commitments") == [
        said
    ]
    book.decisions.ended(said, "r2", "it changed", plan=False)
    assert book.decisions.of("commitments") == []


def test_traffic_of_all_tasks_and_tries_adds_up(book: Ledger) -> None:
    assert book.runs.traffic("r") == (0, 0)
    for task, calls, writes in (("a", 3, 1), ("a", 2, 0), ("b", 5, 4)):
        book.runs.count_traffic("r", task, calls, writes)
    assert book.runs.traffic("r") == (10, 5)


def test_the_story_has_all_that_concerns_a_number_and_nothing_else(book: Ledger) -> None:
    book.records.remember([record("V-1", number="V-1", state="linked"), record("V-2", number="V-2")])
    book.outcomes.judge("r", "vendors", 0, [outcome("V-1", number="V-1"), outcome("V-2", number="V-2")])
    with book.leases.hold("vendors", 0) as lease:
        for name, key in (("i1", "V-1"), ("i2", "V-2")):
            book.journal.sending(lease, call(f"c{key}"), [intent(name, source_id=key)])
        book.journal.settled(lease, None, [], run_id="r", entity="vendors", links=[link()])
    book.decisions.decide(entity="vendors", company="G1", record_id="V-1", content_hash="h", decision="link", who="ann")
    story = book.story.of("vendors", "V-1")
    assert {field.name: len(getattr(story, field.name)) for field in fields(story)} == {
        "records": 1,
        "links": 1,
        "intents": 1,
        "calls": 1,
        "outcomes": 1,
        "decisions": 1,
        "notes": 1,
    }
    assert story.calls[0].call_id == "cV-1"
    assert not book.story.of("vendors", "V-9")


# -- threads --


def test_tasks_that_write_at_once_do_not_disturb_each_other(book: Ledger) -> None:
    """Each thread is a task with its own connection; both read, then write, again and again."""
    failures: list[BaseException] = []

    def work(name: str) -> None:
        mine = Ledger(book.url)
        try:
            with mine.leases.hold(name, 0) as lease:
                for number in range(15):
                    mine.journal.sending(
                        lease, call(f"{name}{number}")._replace(entity=name), [intent(f"{name}{number}", entity=name)]
                    )
                    mine.runs.move_watermark("erp", "vendors", f"2026-07-{number + 1:02}", name)
                    mine.journal.settled(lease, None, [Settled(f"{name}{number}", "confirmed")], run_id="r", entity=name)
                    mine.runs.count_traffic("r", "shared", 1, 1)
        except BaseException as error:  # noqa: BLE001  (the main thread shows it)
            failures.append(error)
        finally:
            mine.close()

    threads = [threading.Thread(target=work, args=(name,)) for name in ("vendors", "projects")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert book.runs.traffic("r") == (30, 30)
    assert book.runs.watermark("erp", "vendors") == "2026-07-15"
    assert book.journal.call_count("r") == {"procore": 30}
    assert book.journal.open_intents("vendors", 0) == []


def test_only_one_of_many_gets_the_lease(book: Ledger) -> None:
    start = threading.Barrier(4)
    won: list[Any] = []
    lost: list[Any] = []

    def work() -> None:
        mine = Ledger(book.url)
        start.wait(30)
        try:
            with mine.leases.hold("vendors", 0) as lease:
                won.append(lease)
                over.wait(30)
        except RetryLater as error:
            lost.append(error)
            if len(lost) == 3:
                over.set()
        finally:
            mine.close()

    over = threading.Event()
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (len(won), len(lost)) == (1, 3)


def test_moments_are_aware() -> None:
    found = moment(stamp())
    assert found is not None and found.tzinfo is not None and found <= datetime.now(UTC)


# -- a ledger that cannot be had --


def test_a_ledger_file_is_the_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        book = Ledger(f"sqlite:///{tmp_path}/of/ledger.sqlite")
        book.create()
        book.runs.open(run_row())
        with book.engine.connect() as reading:
            reading.execute(sa.select(t.runs)).all()
            made = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "of").iterdir()}
        book.close()
    finally:
        os.umask(before)
    assert made == dict.fromkeys(("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"), 0o600)
    assert (tmp_path / "of").stat().st_mode & 0o777 == 0o700


HOST = 'could not translate host name "db" to address: '
DRIVER_SAYS = [
    (f"{HOST}Name or service not known", ConfigurationError),
    (f"{HOST}Temporary failure in name resolution", RetryLater),
    ('FATAL: password authentication failed for user "sync"', ConfigurationError),
    ('FATAL: database "led" does not exist', ConfigurationError),
    ("FATAL: the database system is starting up", RetryLater),
    (psycopg2.errors.ReadOnlySqlTransaction("cannot execute INSERT in a read-only transaction"), RetryLater),
    (psycopg2.errors.InsufficientPrivilege("permission denied for table runs"), ConfigurationError),
    (None, RetryLater),
]


@pytest.mark.parametrize(("said", "kind"), DRIVER_SAYS)
def test_a_ledger_that_is_away_is_told_from_one_that_is_wrong(said: str | psycopg2.Error | None, kind: type[Exception]) -> None:
    book = Ledger("postgresql+psycopg2://sync:S3cret@127.0.0.1:1/led")

    def connect(*_: Any) -> None:
        raise said if isinstance(said, psycopg2.Error) else psycopg2.OperationalError(said)

    if said is not None:
        sa.event.listen(book.engine, "do_connect", connect)
    for ask in (book.ready, lambda: book.runs.get("r"), lambda: book.runs.finished("r", "window")):
        with pytest.raises(kind, match=rf"^The ledger \S+ .*{re.escape(str(said or 'Connection refused'))}") as caught:
            ask()
        assert type(caught.value) is kind
        assert "S3cret" not in "".join(traceback.format_exception(caught.value))


def test_a_ledger_file_that_takes_nothing_says_what_is_the_matter(tmp_path: Path) -> None:
    """Read only, full and damaged are no outage: each has a sentence of its own, and the way out."""
    path = tmp_path / "ledger.sqlite"
    book = Ledger(f"sqlite:///{path}")
    book.create()
    with book.engine.begin() as full:
        full.exec_driver_sql("PRAGMA max_page_count = 1")
        with pytest.raises(RetryLater, match=r"^The ledger \S+ cannot be written: .*is full.* Make room"):
            full.execute(sa.insert(t.runs), room.values(run_row()._replace(params="x" * 1_000_000)))
    book.close()
    reader = Ledger(f"sqlite:///file:{path}?mode=ro&uri=true")
    with pytest.raises(ConfigurationError, match=r"^The ledger \S+ may only be read: .*readonly.* Give the account .* right to"):
        reader.runs.open(run_row())
    reader.close()
    path.write_bytes(b"no SQLite at all, but a text of some length" * 100)
    damaged = Ledger(f"sqlite:///{path}")
    with pytest.raises(ConfigurationError, match=r"^The ledger \S+ cannot be read: .* Put back the last backup"):
        damaged.runs.get("r")
    damaged.close()


@pytest.mark.parametrize("make", [Ledger, Database], ids=["ledger", "erp"])
def test_a_password_behind_the_question_mark_is_not_shown_either(make: Any) -> None:
    address = "postgresql+psycopg2://sync:S3cret@127.0.0.1:1/led?password=S3cret&sslpassword=S3cret"
    opened = make(address)
    asked = opened.ready if isinstance(opened, Ledger) else lambda: opened.reading("place").__enter__()
    with pytest.raises(RetryLater, match=r"postgresql\+psycopg2://sync:\*\*\*@127\.0\.0\.1:1/led") as caught:
        asked()
    assert "S3cret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("address", ["postgresql+nothing://sync:S3cret@127.0.0.1/led", "sqlite:////no/such/folder/led.sqlite"])
def test_a_ledger_that_cannot_be_is_a_matter_of_configuration(address: str) -> None:
    with pytest.raises(ConfigurationError, match="ledger") as caught:
        Ledger(address).ready()
    assert "S3cret" not in "".join(traceback.format_exception(caught.value))


def test_an_error_of_the_ledger_names_no_parameters(tmp_path: Path) -> None:
    book = Ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    book.create()
    with pytest.raises(sa.exc.DBAPIError) as caught, book.engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO nothing VALUES (:name)"), {"name": "Harbor Steel"})
    assert "Harbor Steel" not in str(caught.value) and "hide_parameters" in str(caught.value)
    book.close()


@pytest.mark.parametrize("linked_by", ["erp_key", "procore_id"])
def test_what_was_begun_is_what_no_link_of_its_own_company_tells_of(book: Ledger, linked_by: str) -> None:
    """Two companies may have a vendor of one number: the link of one is none of the other, and only that one is sent again."""
    rows = [
        intent(f"{company} {step}", company=company, source_id="7", step=step, status=status, item=f'{{"of": "{company}"}}')
        for company in ("G1", "G2")
        for step, status in (("create", "confirmed"), ("note", "planned"))
    ]
    ids = ("7", "9001") if linked_by == "erp_key" else ("V-1", "7")
    there = link(*ids, company="G1", link_id=1)
    with book.journal.writing() as connection:
        connection.execute(sa.insert(t.intents), [room.values(row) for row in rows])
        connection.execute(sa.insert(t.links), [room.values(there)])
    assert book.journal.begun("vendors") == {("G2", "7"): {"of": "G2"}}
