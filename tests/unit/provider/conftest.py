"""The hook is tested against the same server as the client behind it, operators on the same pair of systems as the engine."""

from __future__ import annotations

from tests.unit.financials.conftest import full, stocked
from tests.unit.procore.conftest import fake

__all__ = ["fake", "full", "stocked"]
