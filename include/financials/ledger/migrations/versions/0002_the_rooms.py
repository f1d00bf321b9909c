"""The oldest tables that there are: nothing leads to them but their definitions (``tables``), from which a new ledger is made.

The next migration changes these, with its own ``op.add_column`` and the like; ``HEAD`` in the package is its revision then.
"""

from __future__ import annotations

revision = "0002"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A ledger that is stamped with this has the tables."""


def downgrade() -> None:
    """Nothing comes before it."""
