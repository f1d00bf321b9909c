"""A connection of the ledger is used again while it is fresh, and what was read is kept as long as nothing changed it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
import sqlalchemy as sa

from include.financials.exceptions import RetryLater
from include.financials.ledger import Ledger, room
from include.financials.ledger import tables as t
from tests.pg import postgres_url  # noqa: F401  (fixture)
from tests.unit.financials.ledger.test_ledger import book, link, outcome, record, url  # noqa: F401  (fixtures)


@pytest.fixture
def taken(book: Ledger) -> Iterator[list[object]]:  # noqa: F811
    """What the pool handed out since."""
    found: list[object] = []

    def note(connection: object, *_: object) -> None:
        found.append(connection)

    sa.event.listen(book.engine, "checkout", note)
    yield found
    sa.event.remove(book.engine, "checkout", note)


def age(monkeypatch: pytest.MonkeyPatch) -> None:
    now = room.time.monotonic()
    monkeypatch.setattr(room.time, "monotonic", lambda: now + 10 * room.FRESH_SECONDS)


def test_a_connection_is_used_again_while_it_is_fresh(
    book: Ledger,  # noqa: F811
    taken: list[object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in range(5):
        book.records.remember([record(str(number))])
        assert len(book.records.seen("vendors", "erp")) == number + 1, "each question sees what was committed before it"
    before = len(taken)
    assert before <= 2, "one that reads and one that writes"
    age(monkeypatch)
    assert len(book.records.seen("vendors", "erp")) == 5 and len(taken) == before + 1


def test_questions_within_another_have_a_connection_of_their_own(book: Ledger) -> None:  # noqa: F811
    book.records.remember(record(str(number)) for number in range(3))
    walk = book.records.each("vendors", "erp")
    first = next(walk)
    assert len(book.records.seen("vendors", "erp")) == 3
    book.records.remember([record("9")])  # while the walk is under way
    assert {first.id, *(row.id for row in walk)} == {"0", "1", "2"}, "all that it shows is of one moment"
    half = book.records.each("vendors", "erp")
    next(half)
    half.close()  # type: ignore[attr-defined]
    assert len(book.records.seen("vendors", "erp")) == 4


def test_what_fails_leaves_nothing_behind(book: Ledger) -> None:  # noqa: F811
    def fail(connection: sa.Connection) -> None:
        connection.execute(sa.delete(t.runs))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), book.records.writing() as connection:
        fail(connection)
    assert book.runs.get("r") is not None
    with book.records.reading() as connection:
        connection.execute(sa.select(t.runs)).first()  # and its rows are not all taken
    book.records.remember([record()])
    assert len(book.records.seen("vendors", "erp")) == 1


def test_a_connection_that_its_server_ended_is_found_out_when_it_lay_unused(
    book: Ledger,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if book.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has no server that could end a connection")
    assert book.runs.get("r") is not None
    other = sa.create_engine(book.engine.url)
    with other.connect() as killer:
        mine = sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = :name")
        assert killer.execute(mine, {"name": book.engine.url.database}).all()
        with pytest.raises(RetryLater, match="cannot be reached"):  # used a moment ago: the task is tried again
            book.runs.get("r")
        assert book.runs.get("r") is not None
        assert killer.execute(mine, {"name": book.engine.url.database}).all()
        age(monkeypatch)
        assert book.runs.get("r") is not None, "asked first whether it is there"
    other.dispose()


def test_those_that_lie_unused_are_in_nobodys_way(book: Ledger) -> None:  # noqa: F811
    with ExitStack() as many:
        for room_ in [book.records, book.runs] * 3:
            many.enter_context(room_.reading())
    with ExitStack() as many:
        for _ in range(6):
            many.enter_context(book.links.reading())
        book.records.remember([record()])
    assert book.engine.pool.checkedout() <= 2, "one that reads and one that writes"  # type: ignore[attr-defined]


def test_who_closes_a_ledger_closes_all_its_connections(book: Ledger) -> None:  # noqa: F811
    book.records.remember([record()])
    book.records.seen("vendors", "erp")
    assert book.engine.pool.checkedout() > 0  # type: ignore[attr-defined]
    book._connections.close()
    assert book.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


def test_what_changes_no_link_of_an_entity_lets_its_links_be_kept(book: Ledger) -> None:  # noqa: F811
    def told() -> tuple[object, object]:
        return book.told("vendors"), book.told("commitments")

    before = told()
    with book.leases.hold("vendors", 0, "r"):
        assert told() == before
    book.outcomes.judge("r", "vendors", 0, [outcome()])
    vendors, commitments = told()
    assert vendors != before[0] and commitments == before[1]
    book.outcomes.mark_done("r", "vendors", [outcome()])
    assert told()[0] != vendors and told()[1] == commitments

    def beside_the_rooms() -> None:
        with book.engine.begin() as connection:
            connection.execute(sa.select(t.runs))

    for write in (lambda: book.decisions.part(link(), "ann"), lambda: book.records.remember([record()]), beside_the_rooms):
        last = told()
        write()
        assert told()[0] != last[0] and told()[1] != last[1], "whatever does not say what it is about may change everything"


def test_many_threads_ask_at_once(book: Ledger) -> None:  # noqa: F811
    """More than a pool has connections."""

    def ask(number: int) -> int:
        for _ in range(20):
            book.records.remember([record(str(number))])
            assert [row.id for row in book.records.of_id("vendors", "erp", str(number))] == [str(number)]
        return number

    with ThreadPoolExecutor(24) as threads:
        assert list(threads.map(ask, range(24))) == [*range(24)]
    assert len(book.records.seen("vendors", "erp")) == 24
