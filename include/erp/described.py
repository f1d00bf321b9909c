"""What is known of an ERP by its mapping file alone: all that a task which judges, or shows a link, needs of this side."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from functools import cached_property
from types import MappingProxyType
from urllib.parse import quote

from include.erp.mapping.loading import Mapping
from include.erp.mapping.spec import PAGE_PARTS, MappingSpec
from include.financials.entities import MODELS
from include.financials.port import Capability
from include.financials.record import Record, Side


class DescribedErp:
    """By its mapping: no engine, no address, no secret."""

    side: Side = "erp"

    def __init__(self, mapping: Mapping[MappingSpec]) -> None:
        self.mapping = mapping
        self.name = mapping.system

    @property
    def namespace(self) -> str:
        return self.mapping.system

    def capabilities(self) -> MappingOf[str, Capability]:
        return self._capabilities

    @cached_property
    def _capabilities(self) -> MappingOf[str, Capability]:
        """A mapping does not change once it is read; judging asks for this with every record."""
        found = {name: spec.capability(MODELS[name].line) for name, spec in self.mapping.spec.entities.items()}
        return MappingProxyType(found)

    def web_url(self, record: Record | None = None, address: str | None = None) -> str | None:
        """As the mapping's ``web_url`` of the entity says; None where it says nothing, or the record lacks what stands in it."""
        spec = self.mapping.spec.entities.get(record.entity) if record is not None else None
        if spec is None or spec.web_url is None:
            return None
        parts = {name: str(getattr(record, name, None) or "") for name in PAGE_PARTS if f"{{{name}}}" in spec.web_url}
        return (
            spec.web_url.format_map({name: quote(part, safe="") for name, part in parts.items()}) if all(parts.values()) else None
        )
