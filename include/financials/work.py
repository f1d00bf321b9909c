"""What a load needs to know of a record, as its check left it in the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from include.financials.entity import Entity
from include.financials.identity import canonical_json
from include.financials.ledger import Judged, decoded
from include.financials.record import Record


@dataclass(frozen=True, slots=True)
class Work:
    """``link``: the version of the link that this was decided on; a load that finds another one leaves the record to the next
    run. ``agreed``: contents that the target holds already, where that is not what the record says by now. ``finished``: all
    steps of its making were taken by an earlier run."""

    link: str | None
    record: Mapping[str, Any] = field(default_factory=dict)
    """The source record in ERP keys, as JSON has it."""
    changes: tuple[str, ...] = ()
    level: int = 0
    agreed: Mapping[str, Any] | None = None
    finished: bool = False

    @classmethod
    def of(cls, judged: Judged) -> Work | None:
        """None where nothing is to be done."""
        held = decoded(judged.work)
        return cls(**{**held, "changes": tuple(held.get("changes", ()))}) if held else None

    def text(self) -> str:
        # Not dataclasses.asdict, which copies all that is in the record.
        return canonical_json({one.name: getattr(self, one.name) for one in fields(self)})

    def source(self, row: Entity) -> Record:
        return row.model.model_validate(self.record, strict=False)
