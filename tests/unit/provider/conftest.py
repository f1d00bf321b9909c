"""The hook is tested against the same server as the client behind it."""

from __future__ import annotations

from tests.unit.procore.conftest import fake

__all__ = ["fake"]
