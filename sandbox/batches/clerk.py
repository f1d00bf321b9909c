"""The clerk who posts batches: a document goes into the books by the ledger's own rules, or stays with the words of refusal.

As ``accept --clerk sandbox.batches.clerk:afterwards`` it serves the acceptance suite, on the ERP that ``$ERP_URL`` names.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from include.financials.record import Record
from sandbox.batches.schema import KINDS, Kind
from sandbox.clock import Clock
from sandbox.erp import clerk, schema
from sandbox.erp.tables import key_columns

BY_HAND = {"subcontractor_invoices": "ap", "owner_invoices": "ar", "commitments": "commitment"}
"""What the ERP's clerk posts and voids in the books, and how he calls it."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A document that waits in a batch. ``company`` and ``number`` as people call it."""

    kind: Kind
    batch: int
    seq: int
    company: str
    number: str

    @property
    def place(self) -> dict[str, int]:
        return {"batch": self.batch, "seq": self.seq}


class Clerk:
    """:param url: the ERP's database, as its owner reaches it."""

    def __init__(self, url: str | sa.URL) -> None:
        self.engine = sa.create_engine(url)

    def close(self) -> None:
        self.engine.dispose()

    def waiting(self) -> list[Waiting]:
        """What is neither posted nor refused, in the order in which it is posted."""
        with self.engine.connect() as connection:
            return [
                Waiting(kind, *row)
                for kind in KINDS
                for row in connection.exec_driver_sql(
                    f"SELECT h.batch, h.seq, h.company, {kind.number} FROM {kind.batch_header} h WHERE h.posted_as IS NULL"
                    " AND NOT EXISTS (SELECT 1 FROM batch_errors e WHERE e.batch = h.batch AND e.seq = h.seq) ORDER BY 1, 2"
                )
            ]

    def post(self, one: Waiting) -> str | None:
        """Into the books, in a transaction of its own; the ledger's refusal, which stays beside it in ``batch_errors``."""
        kind, place = one.kind, one.place
        header, key = ", ".join(kind.header_columns), ", ".join(key_columns(kind.header))
        lines, of = ", ".join(kind.line_columns), ", ".join(f"h.{name}" for name in key_columns(kind.header))
        there = "WHERE batch = :batch AND seq = :seq"
        try:
            with self.engine.begin() as connection:
                for statement in (
                    f"INSERT INTO {kind.header} ({header}, status) SELECT {header}, 'entering' FROM {kind.batch_header} {there}",
                    f"INSERT INTO {kind.lines} ({key}, {lines}) SELECT {of}, {', '.join(f'l.{n}' for n in kind.line_columns)}"
                    f" FROM {kind.batch_lines} l JOIN {kind.batch_header} h USING (batch, seq) {there} ORDER BY l.line_no",
                    f"UPDATE {kind.header} SET status = '{kind.posted}'"
                    f" WHERE ({key}) = (SELECT {key} FROM {kind.batch_header} {there})",
                    f"UPDATE {kind.batch_header} SET posted_as = {kind.key}, posted_at = sandbox_batch_now() {there}",
                ):
                    connection.execute(sa.text(statement), place)
        except sa.exc.DBAPIError as error:
            said = clerk.refusal(error)
            self.reject(one, said)
            return said
        return None

    def reject(self, one: Waiting, said: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(
                sa.text("INSERT INTO batch_errors (batch, seq, said) VALUES (:batch, :seq, :said)"), {**one.place, "said": said}
            )

    def by_hand(self, action: str, **fields: str) -> None:
        """What he does in the books. Raises LookupError for what they refuse."""
        with self.engine.connect() as connection:
            clock = Clock(schema.offset_us(connection))
        try:
            clerk.perform(self.engine, clock, {"action": action, **fields})
        except clerk.ClerkError as error:
            raise LookupError(str(error)) from None

    def __call__(self, action: str, record: Record) -> None:
        """For the acceptance suite, see ``include.erp.acceptance.suite.Clerk``."""
        found = [one for one in self.waiting() if (one.kind.entity, one.number) == (record.entity, record.number)]
        match action:
            case "post" if found:
                self.post(found[0])
            case "reject" if found:
                self.reject(found[0], f"RETURNED: {record.number} is not complete, ask the project manager")
            case "post" | "void" if record.entity in BY_HAND:
                self.by_hand(action, entity=BY_HAND[record.entity], number=record.number)
            case _:
                raise LookupError("it waits in no batch")


@contextmanager
def at(url: str | sa.URL) -> Iterator[Clerk]:
    made = Clerk(url)
    try:
        yield made
    finally:
        made.close()


def afterwards(action: str, record: Record) -> None:
    with at(os.environ["ERP_URL"]) as made:
        made(action, record)
