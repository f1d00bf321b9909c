"""Kinds of ERP adapter: one row each. A mapping file says with ``kind:`` which one speaks to its ERP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from include.erp.described import DescribedErp
from include.erp.mapping.loading import load_mapping, load_yaml
from include.erp.mapping.spec import suggest
from include.erp.sql import SqlSystem
from include.financials.exceptions import ConfigurationError
from include.financials.port import Described, System

MAPPINGS = Path(__file__).resolve().parent.parent / "mappings"
"""Where the mapping files that come with the project lie."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How an ERP of this kind is opened, and what its mapping tells of it before it is."""

    opened: Callable[..., System]
    described: Callable[[Path], Described]


def _sql(url: Any, path: Path, *, origin_system: str, **options: Any) -> System:
    return SqlSystem(url, load_mapping(path), origin_system=origin_system, **options)


KINDS: Mapping[str, Kind] = {"sql": Kind(_sql, lambda path: DescribedErp(load_mapping(path)))}


def mapping_path(name: str | Path) -> Path:
    """A mapping's path: as given, or a file of include/mappings by its name without ``.yaml``."""
    path = Path(name)
    return path if path.suffix or len(path.parts) > 1 else MAPPINGS / f"{path}.yaml"


def described_erp(mapping: str | Path) -> Described:
    """What ``mapping`` (path, or name of a file in include/mappings) tells of its ERP, which is not asked.

    Raises ConfigurationError for a mapping that is missing, bad, or of an unknown kind.
    """
    path = mapping_path(mapping)
    return _kind(path).described(path)


def erp_system(url: Any, mapping: str | Path, *, origin_system: str, **options: Any) -> System:
    """The ERP behind ``url``, spoken to as its mapping says.

    :param url: address in the form the kind needs; for ``sql`` an SQLAlchemy URL or engine.
    :param mapping: path, or name of a file in include/mappings.
    :param origin_system: name space of the markers that documents made from Procore carry, ``procore:{Procore company id}``.
    :param options: passed to the adapter (``sql``: settings, page_size, id_batch, lock_timeout).

    Raises ConfigurationError for a mapping that is missing, bad, or of an unknown kind.
    """
    path = mapping_path(mapping)
    return _kind(path).opened(url, path, origin_system=origin_system, **options)


def _kind(path: Path) -> Kind:
    data, places = load_yaml(path)
    kind = data.get("kind", "sql") if isinstance(data, dict) else "sql"
    if kind not in KINDS:
        raise ConfigurationError(f"{places.at('kind')}: {kind!r} is no kind of adapter{suggest(kind, KINDS)}")
    return KINDS[kind]
