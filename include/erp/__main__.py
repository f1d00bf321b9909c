"""``python -m include.erp``: look at an ERP through its mapping, without Airflow and without Procore.

``check`` is for whoever writes a mapping: everything is read once, and a person sees whether 14,860.00 should have been
1,486,000.00.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from include.erp.registry import erp_system
from include.financials.entities import ENTITIES, MODELS
from include.financials.exceptions import ConfigurationError, SyncError
from include.financials.money import ZERO
from include.financials.port import Invalid, System
from include.financials.record import Record

SAMPLES = 3
UNREADABLE = 10
"""Records that cannot be read and are shown one by one; the rest is counted."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0, or 1 where something is wrong with the mapping, the database or a record; 2 for a wrong command line."""
    given = _parser().parse_args(arguments)
    try:
        erp: System = erp_system(given.url, given.mapping, origin_system="procore:0")
        try:
            lines = list(given.command(erp, given))
        finally:
            erp.close()
    except SyncError as error:
        lines = [f"problem: {line}" for line in str(error).splitlines()]
    for line in lines:
        print(_without_password(line, given.url))
    return int(any(line.startswith("problem: ") for line in lines))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m include.erp", description="Look at an ERP through its mapping.")
    commands = parser.add_subparsers(required=True, metavar="command")
    for name, command, help_text in (
        ("check", _check, "validate the mapping, run every read statement, show counts, sums and samples; exit 1 on problems"),
        ("sample", _sample, "records of one entity as canonical JSON, one per line"),
        ("totals", _totals, "counts and sums per entity, company and currency"),
    ):
        sub = commands.add_parser(name, help=help_text)
        sub.add_argument("mapping", help="a mapping file, or the name of one in include/mappings")
        sub.add_argument("url", help="the ERP's address, for a database its SQLAlchemy URL")
        if command is _sample:
            sub.add_argument("entity", choices=list(MODELS), metavar="entity", help="e.g. commitments")
            sub.add_argument("-n", type=int, default=SAMPLES, help=f"how many (default {SAMPLES})")
        sub.set_defaults(command=command)
    return parser


# -- the commands: each yields the lines of its answer; what is wrong begins with "problem: "


def _check(erp: System, given: argparse.Namespace) -> Iterator[str]:
    health = erp.check()
    yield f"{health.description}, {health.version}, clock {health.now.isoformat()}"
    for name in MODELS:
        yield from _entity(erp, name)
    yield from (f"problem: {problem}" for problem in health.problems)


def _sample(erp: System, given: argparse.Namespace) -> Iterator[str]:
    if given.entity not in erp.capabilities():
        raise ConfigurationError(f"the mapping leaves {given.entity} out")
    left = given.n
    for page in erp.read(given.entity):
        yield from map(_unreadable, page.invalid[:left])
        for record in page.records[:left]:
            yield json.dumps(record.model_dump(mode="json"), ensure_ascii=False, sort_keys=True)
            left -= 1
        if left <= 0:
            return


def _totals(erp: System, given: argparse.Namespace) -> Iterator[str]:
    rows = [("entity", "company", "currency", "records", "amount")]
    problems: list[str] = []
    for name in MODELS:
        if name not in erp.capabilities():
            continue
        seen = _Seen(erp, name)
        for (company, currency), count in sorted(seen.counts.items()):
            amount = f"{seen.sums[company, currency]:,.2f}" if seen.money else ""
            rows.append((name, company, currency, f"{count:,}", amount))
        problems += map(_unreadable, seen.invalid)
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    for row in rows:
        texts = [
            text.ljust(width) if i < 3 else text.rjust(width) for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(texts).rstrip()
    yield from problems


# -- one entity


class _Seen:
    """Everything that the ERP has of an entity, added up page by page."""

    def __init__(self, erp: System, name: str) -> None:
        self.money = "amount" in MODELS[name].model_fields
        self.counts: Counter[tuple[str, str]] = Counter()
        self.sums: dict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
        self.samples: list[Record] = []
        self.invalid: list[Invalid] = []
        self.uneven: list[str] = []
        """Numbers of documents whose lines do not add up to their amount."""
        for page in erp.read(name):
            self.samples += page.records[: SAMPLES - len(self.samples)]
            self.invalid += page.invalid
            self.uneven += [record.number for record in page.records if _uneven(record)]
            for record in page.records:
                key = record.company or "", getattr(record, "currency", None) or ""
                self.counts[key] += 1
                self.sums[key] += getattr(record, "amount", ZERO)


def _entity(erp: System, name: str) -> Iterator[str]:
    if name not in erp.capabilities():
        yield f"{name}: left out"
        return
    try:
        seen = _Seen(erp, name)
    except ConfigurationError as error:
        yield f"{name}: cannot be read"
        yield f"problem: {error}"
        return
    by_currency: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for (_, currency), amount in seen.sums.items():
        by_currency[currency] += amount
    sums = "; ".join(f"{amount:,.2f} {currency}".rstrip() for currency, amount in sorted(by_currency.items()))
    count = f"{sum(seen.counts.values()):,} records"
    yield f"{name}: {count}" + (f", sum {sums or '0.00'}" if seen.money else "")
    yield from (f"  {_shown(record)}" for record in seen.samples)
    if seen.uneven:
        yield f"  {len(seen.uneven):,} whose lines do not add up to their amount: {', '.join(seen.uneven[:SAMPLES])}"
    if unkept := _unkept(erp, name):
        yield f"  not kept, not compared: {', '.join(unkept)}"
    yield from map(_unreadable, seen.invalid[:UNREADABLE])
    if len(seen.invalid) > UNREADABLE:
        yield f"problem: {name}: {len(seen.invalid) - UNREADABLE:,} more cannot be read"


def _uneven(record: Record) -> bool:
    """Lines that are missing, or joined twice, in a document that has some."""
    lines: Sequence[Any] = getattr(record, "lines", ())
    return bool(lines) and sum((getattr(line, "amount", ZERO) for line in lines), ZERO) != getattr(record, "amount", ZERO)


def _unreadable(bad: Invalid) -> str:
    return f"problem: {bad.entity} {bad.number} cannot be read: field {bad.field}: {bad.message}"


def _shown(record: Record) -> str:
    """A record in a line: what people call it, where it belongs, its state, its money."""
    found = [record.number, *([f"({record.id})"] if record.id != record.number else [])]
    for field in ("company", "name", "title", "project", "commitment", "prime_contract", "vendor", "customer", "status"):
        value = getattr(record, field, None)
        if value is not None:
            found.append(f"{field} {value}")
    amount, lines = getattr(record, "amount", None), getattr(record, "lines", None)
    if amount is not None:
        found.append(f"amount {amount:,.2f} {getattr(record, 'currency', None) or ''}".rstrip())
    if lines is not None:
        found.append(f"{len(lines)} lines")
    return "  ".join(found)


def _unkept(erp: System, name: str) -> list[str]:
    row = ENTITIES.get(name)
    kept = row.kept(erp.capabilities()[name].keeps) if row else None
    return [field for field in row.content if field in kept.unkept] if row and kept else []


def _without_password(text: str, url: str) -> str:
    """No line ever shows the password, whatever a driver says in its error."""
    try:
        made = sa.make_url(url)
    except sa.exc.ArgumentError:
        return text
    secrets = [made.password, *(value for key, value in made.query.items() if "pass" in key.lower() or "pwd" in key.lower())]
    for secret in secrets:
        if isinstance(secret, str) and secret:
            text = text.replace(secret, "***")
    return text


if __name__ == "__main__":
    sys.exit(main())
