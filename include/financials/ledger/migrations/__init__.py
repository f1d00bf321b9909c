"""How a ledger of an older version becomes one of this version (alembic). A new ledger is made from ``tables`` and stamped."""

HEAD = "0002"
"""The version of the tables as they are defined; a new migration's ``revision``."""
