"""The families of ERPs that are spoken to in this way, one row each. A mapping file names one with ``preset:``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from include.erp.jsonrpc.api import Api
from include.erp.jsonrpc.odoo import Odoo
from include.erp.jsonrpc.tryton import Tryton

PRESETS: Mapping[str, Callable[..., Api]] = {"odoo": Odoo, "tryton": Tryton}
"""``preset(wire, warnings=...)``."""
