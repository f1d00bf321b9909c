"""The hooks are tested against the same servers as the client behind them."""

from __future__ import annotations

from tests.unit.procore.conftest import fake, sandbox

__all__ = ["fake", "sandbox"]
