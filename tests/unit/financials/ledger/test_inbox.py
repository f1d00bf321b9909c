"""The inbox of events: kept once, taken once, never lost with the run that took it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from include.financials.entities import ENTITIES
from include.financials.exceptions import ConfigurationError
from include.financials.ledger import Ledger, RunRow, inbox, stamp
from include.financials.ledger import tables as t
from include.financials.ledger.inbox import Claimed, Event, with_parents
from include.financials.run import Run, load_run, open_run
from include.provider.operators.head import WindowOperator
from tests.pg import postgres_url  # noqa: F401  (fixture)
from tests.unit.financials.ledger.test_ledger import url  # noqa: F401  (fixture)
from tests.unit.financials.pair import START, World, draft, make_settings

CONCERNS = {"Work Order Contracts": ("commitments",), "Change Order Packages": ("commitment_change_orders",)}
OURS = "5100001"


@pytest.fixture
def book(url: str) -> Iterator[Ledger]:  # noqa: F811
    opened = Ledger(url)
    opened.create()
    yield opened
    opened.close()


def event(ident: str = "01J", **changes: Any) -> Event:
    return replace(Event(ident, "Work Order Contracts", "77", "update", "9", "31"), **changes)


def run_row(ledger: Ledger, run_id: str) -> None:
    ledger.runs.open(RunRow(run_id, "apply", "manual", "{}", "h", None, stamp(), stamp()))


def taken(ledger: Ledger, run_id: str) -> int:
    return ledger.inbox.claim(run_id, CONCERNS, OURS).events


def test_an_event_is_kept_once_and_taken_once(book: Ledger) -> None:
    assert [book.inbox.receive(event(ident)) for ident in ("a", "b", "a")] == [True, True, False]
    assert (book.inbox.waiting(), taken(book, "one"), book.inbox.waiting(), taken(book, "two")) == (2, 2, 0, 0)
    assert book.inbox.receive(event("c")) and taken(book, "two") == 1, "what comes later is the next run's"
    assert book.inbox.settle("one", succeeded=True) == 2 and book.inbox.settle("one", succeeded=True) == 0
    assert not book.inbox.receive(event("a")), "delivered again after it is done with"
    assert taken(book, "three") == 0


def test_what_was_done_with_long_ago_is_removed_by_a_run_that_succeeds(book: Ledger) -> None:
    for days, ident in ((91, "long ago"), (89, "lately"), (None, "open")):
        book.inbox.receive(event(ident))
        if days is not None:
            done = stamp(datetime.now(UTC) - timedelta(days=days))
            with book.engine.begin() as connection:
                connection.execute(sa.update(t.webhook_inbox).where(t.webhook_inbox.c.event_id == ident).values(done_at=done))

    def kept() -> list[str]:
        with book.engine.connect() as connection:
            return list(connection.execute(sa.select(t.webhook_inbox.c.event_id).order_by(t.webhook_inbox.c.event_id)).scalars())

    book.inbox.settle("plan", succeeded=False)
    assert kept() == ["lately", "long ago", "open"], "a plan and a run that failed remove nothing"
    book.inbox.settle("one", succeeded=True)
    assert kept() == ["lately", "open"]


def test_what_a_failed_run_had_taken_is_free_again(book: Ledger) -> None:
    book.inbox.receive(event())
    assert taken(book, "one") == 1
    assert taken(book, "one") == 1, "a later try of the run goes on with it"
    assert book.inbox.settle("one", succeeded=False) == 1 and book.inbox.waiting() == 1
    assert taken(book, "two") == 1


def test_a_run_that_died_gives_its_events_back(book: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    book.inbox.receive(event())
    run_row(book, "one")
    assert taken(book, "one") == 1 and taken(book, "two") == 0
    book.runs.finish("one", "failed")  # and ended before it could settle
    assert taken(book, "two") == 1
    monkeypatch.setattr(inbox, "DEAD_AFTER", timedelta(seconds=-1))
    assert taken(book, "three") == 1, "never heard of again"


def test_a_claim_says_what_the_run_is_about(linked: World) -> None:
    (job,) = linked.ledger.links.of("projects")
    here = {"project_id": job.procore_id}
    linked.ledger.inbox.receive(event("own", **here, user_id=OURS))
    linked.ledger.inbox.receive(event("unknown", **here, resource="Drawings"))
    linked.ledger.inbox.receive(event("elsewhere", project_id="4711"))
    assert linked.ledger.inbox.claim("one", CONCERNS, OURS) == Claimed(3, (), ())
    linked.ledger.inbox.receive(event("change", **here, resource="Change Order Packages"))
    assert linked.ledger.inbox.claim("two", CONCERNS, OURS) == Claimed(
        1, ("commitments", "commitment_change_orders"), ("25-104",)
    )


def test_an_entity_brings_what_it_refers_to_in_procore() -> None:
    assert with_parents(["owner_invoices"]) == {"owner_invoices", "prime_change_orders"}
    assert with_parents(["budgets"]) == {"budgets"}


def test_a_run_of_events_reads_these_and_nothing_else(linked: World) -> None:
    (job,) = linked.ledger.links.of("projects")
    draft(linked)
    linked.ledger.inbox.receive(event(project_id=job.procore_id))
    claimed = linked.ledger.inbox.claim("events__1", CONCERNS, OURS)
    asked = len(linked.procore.calls)
    run = open_run(
        linked.ledger, linked.settings, run_id="events__1", kind="manual", source_now=linked.clock.tick(), claimed=claimed
    )
    assert (run.entities, run.projects, run.partial) == (("commitments",), ("25-104",), True)
    sync = linked.run("events__1")
    assert linked.states(sync, "commitments") == {"SC-1": ("created", "")}
    read = {call.removeprefix("read ") for call in linked.procore.calls[asked:] if call.startswith("read ")}
    assert {name for name in read if ENTITIES[name].document} == {"commitments"}, "the others are what it refers to"
    assert load_run(linked.ledger, "events__1").entities == ("commitments",)


def test_a_run_of_no_events_is_about_nothing(ledger: Ledger) -> None:
    run = open_run(ledger, make_settings(), run_id="e", kind="manual", source_now=START, claimed=Claimed(0, (), ()))
    assert run.entities == ()


def test_nobody_chooses_what_a_run_of_events_is_about(ledger: Ledger) -> None:
    for given in ({"projects": ["25-104"]}, {"documents": ["SC-1"]}, {"since": "2026-09-01"}):
        with pytest.raises(ConfigurationError, match="takes what these are about"):
            open_run(
                ledger, make_settings(), run_id="e", kind="manual", source_now=START, params=given, claimed=Claimed(0, (), ())
            )


def test_a_run_of_events_has_the_mode_of_a_scheduled_one(ledger: Ledger) -> None:
    settings = make_settings(scheduled_mode="plan")
    run = open_run(ledger, settings, run_id="e", kind="manual", source_now=START, claimed=Claimed(0, (), ()))
    assert run.plan


@pytest.mark.parametrize("given", ["false", "no", 0, None])
def test_whether_a_run_is_one_of_events_is_true_or_false(linked: World, given: Any) -> None:
    source = SimpleNamespace(account=lambda: OURS, now=linked.clock.tick, client=None)
    context: Any = {"params": {"events": given, "mode": "plan"}, "dag_run": SimpleNamespace(run_type="manual")}
    window = WindowOperator(task_id="window", sync_run_id="events__1")
    with pytest.raises(ConfigurationError, match="it is true or false"):
        window.run_of(context, linked.ledger, linked.settings, {"procore": source, "erp": source})
    assert linked.ledger.runs.get("events__1") is None


def test_a_window_that_is_tried_again_is_about_the_same_events(linked: World) -> None:
    """Also when more have come meanwhile: those are the next run's."""
    (job,) = linked.ledger.links.of("projects")
    linked.ledger.inbox.receive(event("a", project_id=job.procore_id))
    source = SimpleNamespace(account=lambda: OURS, now=linked.clock.tick, client=None)
    context: Any = {
        "params": {"events": True, "entities": [*ENTITIES], "mode": "apply", "since": None, "projects": []},
        "dag_run": SimpleNamespace(run_type="manual"),
    }
    window = WindowOperator(task_id="window", sync_run_id="events__1")

    def opened() -> Run:
        return window.run_of(context, linked.ledger, linked.settings, {"procore": source, "erp": source})

    first = opened()
    assert (first.entities, first.projects) == (("commitments",), ("25-104",))
    linked.ledger.inbox.receive(event("b", project_id=job.procore_id, resource="Change Order Packages"))
    assert opened() == first and linked.ledger.inbox.waiting() == 1
