"""The batch tables beside the ledger of ``sandbox.erp``, on PostgreSQL: what is handed over, and is in no book yet.

``batches`` has one row for each call that handed documents over. A document waits in ``batch_{header}`` with its lines in
``batch_{lines}``: the columns of the table that it will be posted into, without a status. ``posted_as`` is its key in the books
once it is posted; ``batch_errors`` has the words with which posting or the clerk refused it. Nothing is judged on the way in:
the ledger's rules speak when a document is posted (``clerk.py``).
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from sandbox.erp import render
from sandbox.erp.tables import METADATA, business_columns, key_columns

TABLES = sa.MetaData()
_NOW = "sandbox_batch_now"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of document that enters a batch. ``key``: SQL of its key in the books (own-side id of the mapping); ``number``: SQL
    of what people call it; ``posted``: the status of a posted one."""

    entity: str
    module: str
    header: str
    lines: str
    key: str
    number: str
    posted: str

    @property
    def batch_header(self) -> str:
        return f"batch_{self.header}"

    @property
    def batch_lines(self) -> str:
        return f"batch_{self.lines}"

    @property
    def header_columns(self) -> tuple[str, ...]:
        return tuple(name for name in business_columns(self.header) if name != "status")

    @property
    def line_columns(self) -> tuple[str, ...]:
        """Without the header's key, which a line of a batch has by its batch and place there."""
        return tuple(name for name in business_columns(self.lines) if name not in key_columns(self.header))


KINDS = (
    Kind("commitments", "commitment", "commitments", "commitment_lines", "number", "number", "open"),
    Kind(
        *("commitment_change_orders", "change order", "change_orders", "change_order_lines"),
        *("commitment || '/' || number", "commitment || '/' || number", "posted"),
    ),
    Kind(
        *("subcontractor_invoices", "invoice", "ap_invoices", "ap_invoice_lines"),
        *("vendor || '/' || invoice", "invoice", "posted"),
    ),
)
"""In the order in which a clerk posts: what stands on another document after it."""

sa.Table(
    "batches",
    TABLES,
    sa.Column("batch", sa.BigInteger, sa.Identity(start=1001), primary_key=True),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("company", "module", "source")),
    sa.Column("opened_at", sa.Text, nullable=False, server_default=sa.text(f"{_NOW}()")),
)
sa.Table(
    "batch_errors",
    TABLES,
    sa.Column("batch", sa.ForeignKey("batches.batch"), primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("said", sa.Text, nullable=False),
    sa.Column("said_at", sa.Text, nullable=False, server_default=sa.text(f"{_NOW}()")),
)


def _copies(table: str, names: tuple[str, ...]) -> list[sa.Column[object]]:
    columns = METADATA.tables[table].c
    return [
        sa.Column(name, columns[name].type, nullable=columns[name].nullable, server_default=columns[name].server_default)
        for name in names
    ]


for _kind in KINDS:
    sa.Table(
        _kind.batch_header,
        TABLES,
        sa.Column("batch", sa.ForeignKey("batches.batch"), primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        *_copies(_kind.header, _kind.header_columns),
        *(sa.Column(name, sa.Text) for name in ("posted_as", "posted_at")),
        # One document for each marker, whether it waits or is posted; a refused one is taken away before it comes again.
        sa.UniqueConstraint("marker"),
    )
    sa.Table(
        _kind.batch_lines,
        TABLES,
        sa.Column("batch", sa.BigInteger),
        sa.Column("seq", sa.Integer),
        *_copies(_kind.lines, _kind.line_columns),
        sa.PrimaryKeyConstraint("batch", "seq", "line_no"),
        sa.ForeignKeyConstraint(
            ["batch", "seq"], [f"{_kind.batch_header}.batch", f"{_kind.batch_header}.seq"], ondelete="CASCADE"
        ),
    )


def create(engine: sa.Engine) -> None:
    """Empty batch tables beside a ledger that is there (``sandbox.erp.schema.create``)."""
    with engine.begin() as connection:
        TABLES.drop_all(connection)
        connection.exec_driver_sql(
            f"CREATE OR REPLACE FUNCTION {_NOW}() RETURNS text LANGUAGE sql AS $$ SELECT {render.POSTGRESQL.now} $$"
        )
        TABLES.create_all(connection)
