"""How this Procore company is set up; ``POST /_sandbox/reset`` may change any of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

COMPANY_ID = 8089
COMPANY_NAME = "Harborstone Builders"
CLIENT_ID = "sandbox-client"
CLIENT_SECRET = "sandbox-secret"
APPLICATION_ID = 61_001
"""Of the app whose service account calls; events of its writes name it."""
LOCKS = ("off", "approved_complete", "beyond_draft")
TIERS = (1, 2)
HEADER_STATUSES = (400, 403, 404)
STATUS_WRITES = ("ignored", "refused")
LEAST = {"direct_cost_busy_seconds": 0}
"""Smallest values of numbers that may be less than 1."""


class SettingsError(ValueError):
    """A setting that does not exist or cannot have that value."""


@dataclass(frozen=True, slots=True)
class Settings:
    """``sov_lock`` and ``always_editable_sov``: docs/domain-rules.md §1.4. Limits in calls, ``token_seconds`` in seconds.

    ``shuffle_sync``: sync replies come in another order than they were sent. ``line_touches_parent``: a line write moves its
    contract's ``updated_at``. ``large_ids``: new ids of some kinds lie above 2**32. ``direct_cost_busy_seconds``: for so long
    after a write on a direct cost or its lines every other write on it is answered 409.
    ``commitment_tiers``, ``prime_tiers``: 1 a change order package brings the potential change order that holds its lines, 2
    potential change orders are gathered in packages (docs/procore-contract.md §13 has the defaults).

    Where Procore's own pages disagree, the stricter reading is the default (docs/procore-contract.md §14):
    ``strict_requests``: parameters and fields that are not described are refused, and so are missing required ones; off: ignored.
    ``purchase_order_sync_id``: entries of the purchase order sync take an ``id``.
    ``company_wide_origin_id``: an external id is on one record of the company, whatever its kind; off: one of each kind.
    ``bare_days``: some times are answered as a plain day. ``company_header_status``: of the refusal without the company header.
    ``linked_invoice_needs_admin``: an invoice that is approved or not its contract's latest is changed with admin permission
    on commitments only; ``commitments_admin``: the service account has it.
    ``webhooks_api``: the service account has the permission to manage webhooks (§7.1).
    ``workflow_status_write``: a status written while a workflow is active is ``ignored`` (200, the old status) or ``refused``
    (422); ``workflow_service_assignee``: the service account is an assignee of the accounting steps (§9).
    """

    sov_lock: str = "approved_complete"
    always_editable_sov: bool = False
    rate_limit_hour: int = 3600
    rate_limit_spike: int = 100
    token_seconds: int = 5400
    shuffle_sync: bool = True
    line_touches_parent: bool = False
    large_ids: bool = True
    cost_code_delimiter: str = "-"
    direct_cost_busy_seconds: int = 0
    commitment_tiers: int = 1
    prime_tiers: int = 2
    strict_requests: bool = True
    purchase_order_sync_id: bool = False
    company_wide_origin_id: bool = True
    bare_days: bool = True
    company_header_status: int = 400
    linked_invoice_needs_admin: bool = True
    commitments_admin: bool = True
    webhooks_api: bool = True
    workflow_status_write: str = "ignored"
    workflow_service_assignee: bool = True

    def changed(self, changes: Mapping[str, Any]) -> Settings:
        """A copy with these changes. Raises :class:`SettingsError`."""
        types = {field.name: type(getattr(self, field.name)) for field in fields(self)}
        for name, value in changes.items():
            if name not in types:
                raise SettingsError(f"unknown setting {name!r}; known are {sorted(types)}")
            if type(value) is not types[name]:
                raise SettingsError(f"setting {name} must be of type {types[name].__name__}")
            if types[name] is int and value < LEAST.get(name, 1):
                raise SettingsError(f"setting {name} must be at least {LEAST.get(name, 1)}")
        if changes.get("sov_lock", self.sov_lock) not in LOCKS:
            raise SettingsError(f"sov_lock must be one of {', '.join(LOCKS)}")
        if changes.get("company_header_status", self.company_header_status) not in HEADER_STATUSES:
            raise SettingsError(f"company_header_status must be one of {', '.join(map(str, HEADER_STATUSES))}")
        if changes.get("workflow_status_write", self.workflow_status_write) not in STATUS_WRITES:
            raise SettingsError(f"workflow_status_write must be one of {', '.join(STATUS_WRITES)}")
        for name in ("commitment_tiers", "prime_tiers"):
            if changes.get(name, getattr(self, name)) not in TIERS:
                raise SettingsError(
                    f"{name} must be 1 or 2: change orders with {changes[name]} tiers are not part of this sandbox"
                )
        return replace(self, **changes)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
