"""How this Procore company is set up; ``POST /_sandbox/reset`` may change any of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

COMPANY_ID = 8089
COMPANY_NAME = "Harborstone Builders"
CLIENT_ID = "sandbox-client"
CLIENT_SECRET = "sandbox-secret"
LOCKS = ("off", "approved_complete", "beyond_draft")


class SettingsError(ValueError):
    """A setting that does not exist or cannot have that value."""


@dataclass(frozen=True, slots=True)
class Settings:
    """``sov_lock`` and ``always_editable_sov``: docs/domain-rules.md §1.4. Limits in calls, ``token_seconds`` in seconds.

    ``shuffle_sync``: sync replies come in another order than they were sent. ``line_touches_parent``: a line write moves its
    contract's ``updated_at``. ``large_ids``: new ids of some kinds lie above 2**32.
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

    def changed(self, changes: Mapping[str, Any]) -> Settings:
        """A copy with these changes. Raises :class:`SettingsError`."""
        types = {field.name: type(getattr(self, field.name)) for field in fields(self)}
        for name, value in changes.items():
            if name not in types:
                raise SettingsError(f"unknown setting {name!r}; known are {sorted(types)}")
            if type(value) is not types[name]:
                raise SettingsError(f"setting {name} must be of type {types[name].__name__}")
            if types[name] is int and value < 1:
                raise SettingsError(f"setting {name} must be at least 1")
        if changes.get("sov_lock", self.sov_lock) not in LOCKS:
            raise SettingsError(f"sov_lock must be one of {', '.join(LOCKS)}")
        return replace(self, **changes)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
