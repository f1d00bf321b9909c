"""A transport over SQL that commits nothing: what would be sent is sent, read back, compared, and undone."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from include.erp.sql.submitting import Submission
from include.erp.sql.transport import SqlTransport
from include.erp.transport import Check, Document, Receipt, Writing
from include.financials.port import Beat


class _Undone(Submission):
    def _commit(self, connection: sa.Connection) -> None:
        connection.rollback()


class Rehearsal(SqlTransport):
    def submit(self, entity: str, action: Writing, documents: Sequence[Document], check: Check, beat: Beat) -> list[Receipt]:
        statements = self.statements(entity, action)
        return _Undone(self.database, self.selects(entity), statements, check, beat, self.id_batch).receipts(documents)
