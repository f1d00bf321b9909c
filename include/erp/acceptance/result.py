"""What came of an acceptance: kept beside the mapping, with the hash of the mapping that it is true of."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from include.erp.mapping.loading import load_yaml

Verdict = Literal["passed", "failed", "skipped"]


@dataclass(slots=True)
class Check:
    """One check of one entity. ``told``: why it failed or was skipped; ``notes``: what a person should know all the same."""

    name: str
    entity: str
    case: str
    verdict: Verdict
    seconds: float
    told: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def label(self) -> str:
        return f"{self.name} ({self.case})" if self.case else self.name


@dataclass(slots=True)
class Result:
    """``stage``: the entities of the stages up to it were looked at; ``writes``: it was allowed to write; ``partial``: only some
    of the checks were run, which accepts nothing."""

    mapping: str
    sha256: str
    erp: str
    version: str
    on: str
    stage: int
    writes: bool
    partial: bool
    checks: list[Check]
    empty: list[str]
    """Entities of which the ERP showed no record at all."""

    @property
    def accepted(self) -> bool:
        return not self.partial and bool(self.checks) and all(one.verdict != "failed" for one in self.checks)

    def save(self, path: Path) -> None:
        told = {"accepted": self.accepted, **asdict(self)}
        path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    # -- for people

    def lines(self) -> Iterator[str]:
        """The table, what failed, what was not looked at and why, and the verdict."""
        yield from self._table()
        for name in self.empty:
            yield f"ZERO RECORDS: the ERP shows no {_words(name)} at all. Is that so, or does `from` or the login hide them?"
        for verdict in ("failed", "skipped"):
            grouped: dict[str, dict[str, list[str]]] = {}
            for one in self.checks:
                if one.verdict == verdict:
                    grouped.setdefault(one.told, {}).setdefault(one.label, []).append(_words(one.entity))
            for told, labels in grouped.items():
                yield f"{verdict}: {told}"
                yield from (f"    {label}: {', '.join(where)}" for label, where in labels.items())
        noted = dict.fromkeys(f"note: {_words(one.entity)}: {note}" for one in self.checks for note in one.notes)
        yield from noted
        counts = Counter(one.verdict for one in self.checks)
        yield f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped"
        if self.accepted:
            yield f"accepted on {self.on} for {self._scope()}"
        else:
            yield "problem: not accepted" + (": only some of the checks were run" if self.partial else "")

    def _table(self) -> Iterator[str]:
        entities = list(dict.fromkeys(one.entity for one in self.checks))
        width = max((len(_words(name)) for name in entities), default=0)
        yield f"{'':{width}}  passed  failed  skipped"
        for name in entities:
            counts = Counter(one.verdict for one in self.checks if one.entity == name)
            row = f"{_words(name):{width}}  {counts['passed']:6}  {counts['failed'] or '':6}  {counts['skipped'] or '':7}"
            yield row.rstrip()

    def _scope(self) -> str:
        return scope(self.stage, self.writes)


def scope(stage: int, writes: bool) -> str:
    return ("stage 1" if stage == 1 else f"stages 1 to {stage}") + ("" if writes else ", reading only")


def _words(name: str) -> str:
    return name.replace("_", " ")


def digest(mapping: Path) -> str:
    """Of the file as it stands, and of those that it extends: a changed comment is a changed file, and an acceptance is cheap."""
    _, places = load_yaml(mapping)
    return hashlib.sha256(b"".join(path.read_bytes() for path in (mapping, *places.bases))).hexdigest()


def beside(mapping: Path) -> Path:
    """Where the result of a mapping is kept: in version control, as the mapping is."""
    return mapping.with_suffix(".accepted.json")


def acceptance(mapping: Path) -> str:
    """What a preflight says of a mapping, after its name and "is": whether it was accepted as it stands."""
    path = beside(mapping)
    try:
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        on, held = told["on"], scope(int(told["stage"]), bool(told["writes"]))
        accepted, same = bool(told["accepted"]), told["sha256"] == digest(mapping)
    except FileNotFoundError:
        return "not accepted yet: python -m include.erp accept"
    except (OSError, ValueError, KeyError, TypeError):
        return f"not known to be accepted: {path.name} cannot be read"
    if not accepted:
        return f"not accepted: the suite failed on {on}"
    return f"accepted on {on} for {held}" + ("" if same else ", and was changed since")
