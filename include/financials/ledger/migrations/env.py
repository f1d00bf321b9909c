"""Alembic's entry: the ledger opens the connection, so that tests, tasks and the command line migrate the same way."""

from __future__ import annotations

from alembic import context

from include.financials.ledger.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
