"""Reading a mapping file. A bad one is refused before any database is asked, one line per fault: ``file:line: key: message``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from include.configfile import Loc, Malformed, parse
from include.erp.mapping.block import suggest
from include.erp.mapping.checks import Checks
from include.erp.mapping.spec import EntitySpec, MappingSpec
from include.financials.exceptions import ConfigurationError

MAPPINGS = Path(__file__).resolve().parents[2] / "mappings"
"""Where the mapping files that come with the project lie."""


def mapping_path(name: str | Path, beside: Path | None = None) -> Path:
    """A mapping's path: as given (relative to the file ``beside`` that names it), or a file of include/mappings by its name
    without ``.yaml``."""
    path = Path(name)
    if not path.suffix and len(path.parts) == 1:
        return MAPPINGS / f"{path}.yaml"
    return path if beside is None else beside.parent / path


@dataclass(frozen=True, slots=True)
class Places:
    """Where the keys of a file stand. ``lines``: line (from 1) of each key and element; ``lists``: which blocks are lists.
    ``bases``: the files that it extends, nearest first; ``taken``: which of them a key that is not its own stands in."""

    path: Path
    lines: dict[Loc, int]
    lists: set[Loc]
    bases: tuple[Path, ...] = ()
    taken: dict[Loc, Path] = field(default_factory=dict)

    def line(self, loc: Loc) -> int:
        """The line of a place, or of the nearest block around it."""
        return self.lines.get(self._known(loc), 1)

    def _known(self, loc: Loc) -> Loc:
        while loc and loc not in self.lines:
            loc = loc[:-1]
        return loc

    def at(self, *loc: str | int) -> str:
        """``file:line: key.path``; elements of lists are counted from 1."""
        names = [str(int(part) + 1) if loc[:index] in self.lists else str(part) for index, part in enumerate(loc)]
        path = self.taken.get(self._known(loc), self.path)
        return f"{path}:{self.line(loc)}" + (f": {'.'.join(names)}" if names else "")


S = TypeVar("S", bound=MappingSpec, covariant=True)


@dataclass(frozen=True, slots=True)
class Mapping(Generic[S]):
    """A mapping file that was found good. ``at`` names a place of it for messages."""

    spec: S
    places: Places

    @property
    def system(self) -> str:
        return self.spec.system

    def at(self, *loc: str | int) -> str:
        return self.places.at(*loc)

    def entity(self, name: str) -> EntitySpec:
        """Raises ConfigurationError when the file says nothing of the entity."""
        try:
            return self.spec.entities[name]
        except KeyError:
            raise ConfigurationError(
                f"{self.at('entities')}: has no '{name}'. Add it, or switch the entity off in the settings."
            ) from None

    def settings(self, chosen: MappingOf[str, Any]) -> dict[str, Any]:
        """Every setting's value: as chosen, else its default. Raises ConfigurationError for one that the file does not offer."""
        known = self.spec.settings
        for name, value in chosen.items():
            if name not in known:
                raise ConfigurationError(f"{self.at('settings')}: offers no setting {name!r}{suggest(name, known)}")
            if value not in known[name].allowed:
                raise ConfigurationError(
                    f"{self.at('settings', name)}: {value!r} is not allowed{suggest(value, known[name].allowed)}"
                )
        return {name: spec.default for name, spec in known.items()} | dict(chosen)


EXTENDS = "extends"


def load_yaml(path: Path, *, extended_by: tuple[Path, ...] = ()) -> tuple[Any, Places]:
    """A YAML file as plain values, what it extends joined to it, and where its keys stand; nobody may change them. Raises
    ConfigurationError."""
    data, places = _parsed(*_version(path))
    if not isinstance(data, dict) or EXTENDS not in data:
        return data, places
    name = data[EXTENDS]
    if not isinstance(name, str) or not name:
        raise ConfigurationError(
            f"{places.at(EXTENDS)}: must be the path of a mapping file, or the name of one in include/mappings"
        )
    base = mapping_path(name, path)
    if base.resolve() in {one.resolve() for one in (path, *extended_by)}:
        raise ConfigurationError(f"{places.at(EXTENDS)}: {name} extends this file, or is this file")
    return _joined(*load_yaml(base, extended_by=(path, *extended_by)), data, places)


def _joined(base: Any, below: Places, own: Any, above: Places) -> tuple[Any, Places]:
    """A file and the one that it extends: blocks are joined key by key, where an empty value takes the key away; a list is
    joined with a block of places (from 0); of everything else the file's own holds."""
    if not isinstance(base, dict):
        raise ConfigurationError(f"{below.at()}: must be a block of keys")
    kept: set[Loc] = set()

    def join(old: Any, new: Any, loc: Loc) -> Any:
        if isinstance(old, list) and isinstance(new, dict) and new and all(key in range(len(old)) for key in new):
            kept.update((*loc, place) for place in range(len(old)) if place not in new)
            return [join(one, new[place], (*loc, place)) if place in new else one for place, one in enumerate(old)]
        if not (isinstance(old, dict) and isinstance(new, dict)):
            return new
        kept.update((*loc, key) for key in old if key not in new)
        found = {**old, **{key: join(old.get(key), value, (*loc, key)) for key, value in new.items()}}
        return {key: value for key, value in found.items() if value is not None or key not in new}

    data = join(base, own, ())
    taken = [loc for loc in below.lines if any(loc[:end] in kept for end in range(1, len(loc) + 1))]
    places = Places(
        above.path,
        above.lines | {loc: below.lines[loc] for loc in taken},
        above.lists | {loc for loc in taken if loc in below.lists},
        (below.path, *below.bases),
        {loc: below.taken.get(loc, below.path) for loc in taken},
    )
    return data, places


def _version(path: Path) -> tuple[Path, int, int]:
    try:
        stat = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from None
    return path, stat.st_mtime_ns, stat.st_size


@lru_cache(maxsize=8)
def _parsed(path: Path, changed: int, size: int) -> tuple[Any, Places]:
    """Parsed once per version of the file: a task opens its systems more than once."""
    try:
        content = parse(path.read_text(encoding="utf-8"))
    except Malformed as error:
        raise ConfigurationError(f"{path}:{error.line}: {error.problem}") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}:1: is not in UTF-8: {error}") from None
    except OSError as error:
        raise _unreadable(path, error) from None
    return content.data, Places(path, content.lines, content.lists)


def _unreadable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"{path}: cannot be read ({error.strerror}). Check the path of the mapping file.")


def read_mapping(path: str | Path, grammar: type[S]) -> Mapping[S]:
    """Read and check a mapping file, once per version of it and of those that it extends. Raises ConfigurationError with every
    fault found, one per line: file, line, key."""
    _, places = load_yaml(Path(path))
    return _checked(Path(path), grammar, tuple(map(_version, (places.path, *places.bases))))


@lru_cache(maxsize=8)
def _checked(path: Path, grammar: type[S], versions: tuple[tuple[Path, int, int], ...]) -> Mapping[S]:
    data, places = load_yaml(path)
    faults: list[tuple[Loc, str]] = []
    spec: S | None = None
    try:
        spec = grammar.model_validate(data, context=grammar.name_fault)
    except ValidationError as error:
        for fault in error.errors():
            faults.extend(_fault(fault, places.lines))
    if spec is not None:
        faults.extend(Checks(spec).faults())
    if faults:
        faults.sort(key=lambda fault: places.line(fault[0]))
        raise ConfigurationError("\n".join(f"{places.at(*loc)}: {message}" for loc, message in faults))
    assert spec is not None
    return Mapping(spec, places)


def _fault(error: Any, lines: dict[Loc, int]) -> Iterator[tuple[Loc, str]]:
    """pydantic's error as (place, sentence). Parts of the location that are not in the file (union branches) are left out."""
    loc: Loc = ()
    for part in error["loc"]:
        if (*loc, part) in lines:
            loc = (*loc, part)
    context = error.get("ctx") or {}
    match error["type"]:
        case "unknown_keys":
            for key in context["keys"]:
                yield (*loc, key), f"unknown key{suggest(key, context['allowed'])}"
        case "missing":
            yield (*loc, error["loc"][-1]), "is required and missing"
        case "literal_error":
            allowed = re.findall(r"'([^']*)'", context["expected"])
            yield loc, f"{error['input']!r} is not allowed{suggest(error['input'], allowed)}"
        case _:
            found = error["input"]
            shown = "value" in context or not isinstance(found, str | int | Decimal) or len(str(found)) > 40
            yield loc, error["msg"] + ("" if shown else f" (found {found!r})")
