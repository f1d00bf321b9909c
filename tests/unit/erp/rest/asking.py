"""How the tests of the shipped mappings ask the port."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx

from include.erp.mapping.loading import mapping_path
from include.erp.registry import connected, load_mapping
from include.erp.system import MappedSystem
from include.financials.port import Item, Outcome
from tests.unit.erp.rest.standin import Standin
from tests.unit.erp.strangers import item


def system_on(standin: Standin, mapping: str, address: str, **options: Any) -> MappedSystem:
    """The ERP through a shipped mapping, in this process: nothing is waited for."""
    return connected(
        address,
        load_mapping(mapping_path(mapping)),
        origin_system="procore:8089",
        wire=httpx.MockTransport(standin),
        pause=lambda _: None,
        **options,
    )


def of(record: Any, **more: Any) -> Item:
    """A record on its way into its company."""
    return replace(item(record, company=record.company), **more)


def post(system: MappedSystem, *items: Item, action: Any = "create") -> list[Outcome]:
    (step,) = system.steps(items[0].record.entity, action)
    return system.post(step, items)


def find(system: MappedSystem, *items: Item, action: Any = "create") -> list[Outcome]:
    (step,) = system.steps(items[0].record.entity, action)
    return system.find(step, items)


def records(system: MappedSystem, entity: str, **more: Any) -> list[Any]:
    """All of them; none of them may be unreadable."""
    pages = list(system.read(entity, **more))
    assert all(not page.invalid for page in pages), [one.message for page in pages for one in page.invalid]
    return [one for page in pages for one in page.records]


def everything(system: MappedSystem, entity: str, **more: Any) -> list[str]:
    return [one.id for one in records(system, entity, **more)]
