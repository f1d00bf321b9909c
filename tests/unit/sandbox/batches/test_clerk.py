"""What waits in a batch goes into the books by the ledger's own rules, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from sandbox.batches import schema
from sandbox.batches.clerk import Clerk, at
from tests.pg import postgres_url  # noqa: F401  (fixture)
from tests.unit.erp.trial import build

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def books(postgres_url: str) -> Iterator[Clerk]:  # noqa: F811
    build(postgres_url)
    with at(postgres_url) as made:
        yield made


@pytest.fixture
def clerk(books: Clerk) -> Clerk:
    schema.create(books.engine)
    return books


def ask(clerk: Clerk, statement: str) -> list[tuple[Any, ...]]:
    with clerk.engine.begin() as connection:
        found = connection.exec_driver_sql(statement)
        return [tuple(row) for row in found] if found.returns_rows else []


def hand_over(clerk: Clerk, number: str, *, vendor: str = "V-1042", lines: tuple[int, ...] = (90_000, 10_000)) -> None:
    ask(clerk, "INSERT INTO batches (company, module, source) VALUES ('01', 'commitments', 'PROCORE')")
    ask(
        clerk,
        "INSERT INTO batch_commitments (batch, seq, company, number, kind, job, vendor_group, vendor, title, currency,"
        " amount_cents, marker)"
        f" SELECT max(batch), 1, '01', '{number}', 'subcontract', '25-104', 'G1', '{vendor}', 'Slabs', 'USD', 100000,"
        f" 'mark {number}' FROM batches",
    )
    for place, cents in enumerate(lines, 1):
        ask(
            clerk,
            "INSERT INTO batch_commitment_lines (batch, seq, line_no, job, code, cost_type, amount_cents)"
            f" SELECT max(batch), 1, {place}, '25-104', '03-3000', '3', {cents} FROM batches",
        )


def test_posted_it_is_in_the_books_with_its_marker(clerk: Clerk) -> None:
    hand_over(clerk, "P-1")
    (one,) = clerk.waiting()
    assert (one.kind.module, one.number, clerk.post(one)) == ("commitment", "P-1", None)
    assert clerk.waiting() == []
    assert ask(clerk, "SELECT status, marker FROM v_commitments WHERE number = 'P-1'") == [("open", "mark P-1")]
    assert ask(clerk, "SELECT sum(amount_cents) FROM commitment_lines WHERE number = 'P-1'") == [(100_000,)]
    ((known, at_time),) = ask(clerk, "SELECT posted_as, posted_at FROM batch_commitments")
    assert known == "P-1" and at_time.startswith("2026-10-02T"), "by the ledger's clock"


@pytest.mark.parametrize(
    ("number", "change", "said"),
    [
        ("P-2", {"vendor": "V-1043"}, "VENDOR_HOLD"),
        ("P-3", {"lines": (90_000, 9_000)}, "TOTAL"),
        ("104-SC-900", {}, "DUPLICATE"),
    ],
)
def test_what_the_ledger_refuses_stays_with_its_words(clerk: Clerk, number: str, change: dict[str, Any], said: str) -> None:
    hand_over(clerk, number, **change)
    before = ask(clerk, "SELECT count(*) FROM commitments") + ask(clerk, "SELECT count(*) FROM commitment_lines")
    (one,) = clerk.waiting()
    told = clerk.post(one)
    assert told is not None and told.startswith(f"{said}: ")
    assert ask(clerk, "SELECT said FROM batch_errors") == [(told,)] and clerk.waiting() == []
    assert ask(clerk, "SELECT count(*) FROM commitments") + ask(clerk, "SELECT count(*) FROM commitment_lines") == before
    assert ask(clerk, "SELECT posted_as FROM batch_commitments") == [(None,)]


def test_a_batch_has_each_marker_once(clerk: Clerk) -> None:
    hand_over(clerk, "P-4")
    with pytest.raises(sa.exc.IntegrityError, match="marker"):
        hand_over(clerk, "P-4")
