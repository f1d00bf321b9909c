"""Kinds of ERP adapter, found by entry point. A mapping file says with ``kind:`` which one speaks to its ERP."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from include.erp.composed import composed
from include.erp.described import DescribedErp
from include.erp.mapping.block import suggest
from include.erp.mapping.loading import Mapping, load_yaml, mapping_path, read_mapping
from include.erp.mapping.spec import MappingSpec
from include.erp.system import MappedSystem
from include.erp.transport import Adapter
from include.financials.exceptions import ConfigurationError

GROUP = "procore_erp_sync.adapters"
"""The entry points that name an :class:`include.erp.transport.Adapter`, by its kind."""

_OWN = ("settings", "page_size", "id_batch")
"""Options of the system itself; the others are the adapter's."""


@cache
def kinds() -> MappingOf[str, EntryPoint]:
    return {found.name: found for found in entry_points(group=GROUP)}


def adapter(kind: str, place: str = "kind") -> Adapter:
    """The adapter of a kind; ``place`` is where the mapping file names it. Raises ConfigurationError where there is none."""
    found = kinds().get(kind)
    if found is None:
        known = suggest(kind, kinds()) if kinds() else "; none is installed: run scripts/setup_env.py"
        raise ConfigurationError(f"{place}: {kind!r} is no kind of adapter{known}")
    try:
        loaded = found.load()
    except ImportError as error:
        raise ConfigurationError(f"{place}: the adapter {kind!r} cannot be loaded: {error}. Install what it needs.") from error
    if not isinstance(loaded, Adapter):
        raise ConfigurationError(f"{place}: {found.value}, the adapter {kind!r}, is no include.erp.transport.Adapter")
    return loaded


def adapter_of(kind: str, writes: str | None, place: str = "kind", place_of_writes: str = "writes") -> Adapter:
    """That of a mapping file: of its kind, or composed of two where another takes the documents. Raises ConfigurationError."""
    reads = adapter(kind, place)
    if writes is None:
        return reads
    outbox = adapter(writes, place_of_writes).outbox
    if outbox is None:
        raise ConfigurationError(f"{place_of_writes}: {writes!r} takes documents only where it reads as well: make it the `kind`")
    try:
        return composed(reads, writes, outbox)
    except ValueError as error:
        raise ConfigurationError(f"{place_of_writes}: {kind!r} and {writes!r} do not go together: {error}") from None


def load_mapping(path: str | Path) -> Mapping[MappingSpec]:
    """Read and check a mapping file of any kind. Raises ConfigurationError for one that is missing, bad, or of no kind."""
    data, places = load_yaml(Path(path))
    if not isinstance(data, dict):
        return read_mapping(path, adapter("sql").grammar)  # refused, with its place
    kind, writes = data.get("kind", "sql"), data.get("writes")
    return read_mapping(path, adapter_of(kind, writes, places.at("kind"), places.at("writes")).grammar)


def described_erp(mapping: str | Path) -> DescribedErp:
    """What ``mapping`` (path, or name of a file in include/mappings) tells of its ERP, which is not asked.

    Raises ConfigurationError for a mapping that is missing, bad, or of an unknown kind.
    """
    return DescribedErp(load_mapping(mapping_path(mapping)))


def connected(address: Any, mapping: Mapping[MappingSpec], *, origin_system: str, **options: Any) -> MappedSystem:
    """The ERP at ``address``, spoken to as a loaded mapping says; see :func:`erp_system`."""
    own = {name: options.pop(name) for name in _OWN if name in options}
    mapping.settings(own.get("settings") or {})  # a choice that the file does not offer is found before anything is opened
    spec, writes = mapping.spec, options.pop("writes", None)
    if (spec.writes is None) != (writes is None):
        raise ConfigurationError(
            f"{mapping.at('writes')}: documents go to an address of their own ({spec.writes}), and none is given; see "
            "docs/erp-files-adapter.md"
            if spec.writes is not None
            else f"{mapping.at()}: the mapping writes where it reads; an address for documents (writes) means nothing here"
        )
    given = options if writes is None else {**options, "writes": writes}
    transport = adapter_of(spec.kind, spec.writes).open(address, mapping, **given)
    return MappedSystem(mapping, transport, origin_system=origin_system, **own)


def erp_system(address: Any, mapping: str | Path, *, origin_system: str, **options: Any) -> MappedSystem:
    """The ERP behind ``address``, spoken to as its mapping says.

    :param address: in the form the kind needs; for ``sql`` an SQLAlchemy URL or engine.
    :param mapping: path, or name of a file in include/mappings.
    :param origin_system: name space of the markers that documents made from Procore carry, ``procore:{Procore company id}``.
    :param options: ``settings``, ``page_size``, ``id_batch`` (MappedSystem), ``writes`` (the address for documents, where the
        mapping's ``writes`` names a kind for them), and those of the adapter (``sql``: lock_timeout).

    Raises ConfigurationError for a mapping that is missing, bad, or of an unknown kind.
    """
    return connected(address, load_mapping(mapping_path(mapping)), origin_system=origin_system, **options)
