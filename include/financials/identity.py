"""External ids: how a Procore record names its ERP counterpart, and the other way round.

``origin_id`` is ``{system}:{company}:{entity}:{key}``: unique per Procore company and type, and telling at a glance whose it is
(docs/procore-contract.md 2.1, docs/domain-rules.md 2.9). The ERP's counterpart is the *marker* of a document made from Procore.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from include.financials.record import Record


@dataclass(frozen=True, slots=True)
class Origin:
    system: str
    company: str
    entity: str
    key: str

    def __str__(self) -> str:
        return f"{self.system}:{self.company}:{self.entity}:{self.key}"


def parse_origin(text: str | None, system: str) -> Origin | None:
    """Our own external id, or None for an empty one and for one of another integration."""
    parts = (text or "").split(":", 3)
    return Origin(*parts) if len(parts) == 4 and parts[0] == system and all(parts) else None


def made_from(origin_data: str | None) -> str | None:
    """The ERP key in the ``origin_data`` that we write (``{"erp_key": "JC-000123"}``); None where it is not of our making."""
    try:
        told = json.loads(origin_data or "null")
    except ValueError:
        return None
    key = told.get("erp_key") if isinstance(told, dict) else None
    return key if isinstance(key, str) and key else None


def marker(namespace: str, entity: str, procore_id: str) -> str:
    return f"{namespace}:{entity}:{procore_id}"


NO_VALUE = frozenset({"", "n/a", "na", "none", "null", "nil", "-", "--", "0", "tbd"})
"""What people type into a field that asks for a value they do not have."""
_TAX_ID_NAME = re.compile(r"^(fein|ein|tin|ssn|us|no)(?=\d)")
_NUMBER = re.compile(r"[a-z]*0*([1-9][a-z0-9]*)")


def spelling(text: str) -> str:
    """A text as it is compared. Programs that people copy from write a hyphen as a dash, digits in full width, a letter and
    its accent as two characters, and put in what nobody sees (a byte order mark, a soft hyphen): none of that, nor case, makes
    another key."""
    if text.isascii():
        return text.casefold()
    seen = unicodedata.normalize("NFKC", text)
    seen = "".join("-" if one == "\N{MINUS SIGN}" or unicodedata.category(one) == "Pd" else one for one in seen)
    seen = "".join(one for one in seen if unicodedata.category(one) != "Cf")
    return unicodedata.normalize("NFKC", seen.casefold())


def tax_id(text: str | None) -> str | None:
    """What a tax id means: its digits and letters, however they are set apart (``89-7777777``, ``EIN 897777777``). Letters of
    other countries' forms (``DE123456789``) belong to it. None for none. It is shown and written as its side has it."""
    plain = re.sub(r"[\W_]", "", spelling(text or ""))
    plain = _TAX_ID_NAME.sub("", plain)
    return None if plain in NO_VALUE or not plain.strip("0") else plain


def retainage_percent(text: str | None) -> str:
    """What is retained of a contract in percent: that none is said, and zero, are the same. An ERP may know one of them only."""
    return text or "0"


def payment_number(text: str | None) -> str | None:
    """What a check's number tells several payments apart by: ``004999``, ``4999`` and ``CHK 4999`` are one. None for none."""
    plain = re.sub(r"[\W_]", "", spelling(text or ""))
    found = _NUMBER.fullmatch(plain)
    return found[1] if found else None if plain in NO_VALUE or not plain.strip("0") else plain


def code(text: str) -> str:
    """A code or number as it is compared: neither case, blanks around it nor its :func:`spelling` make another record of it."""
    return " ".join(spelling(text).split())


_BEFORE_NUMBER = re.compile(r"(?<=/)(?:change order|p?cco|co)?[ .:#-]*(?:no\b)?[ .:#-]*0*(?=\d+$)")


def change_number(text: str) -> str:
    """The number of contract (or job) and change as it is compared: ``104-SC-003/1`` and ``104-SC-003/CO-01`` are change 001."""
    return _BEFORE_NUMBER.sub("", code(text))


def number_key(record: Record) -> str:
    """The natural key as it is compared: neither case, blanks nor the zeros before a change's number make another document."""
    return (change_number if record.numbered_in else code)(record.natural_key)


_MEANING: Mapping[str, Callable[[Any], Any]] = {"tax_id": tax_id, "payment_number": payment_number}


def meaning(name: str, value: Any) -> Any:
    """A key's field as what it means; None where it means nothing."""
    if value is None:
        return None
    if isinstance(value, Decimal):
        return plain(value)  # 36.0 and 36.00 are one amount, and 0.00 is one, too
    return _MEANING.get(name, code)(str(value)) or None


def shard_of(text: str, shards: int) -> int:
    """A stable shard for a job number (Python's own ``hash`` differs between processes)."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) % shards


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and Decimals, dates as text: equal contents give equal texts."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_in_json)


def _in_json(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)


def digest(value: Any) -> str:
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


FROZEN = ("cost_code", "cost_type", "amount", "held", "released", "tax", "line")
"""Fields of any line that may not change once its document is linked."""
_MONEY = ("amount", "held", "released", "tax")
_AS_IT_IS, _SEVERAL = (str, int), (tuple, list)
"""Types as :func:`plain` takes them; made once, for it is asked of every value of every record."""


def plain(value: Any) -> Any:
    """A value as JSON holds it, amounts as text. 10, 10.0 and 10.0000 are one number, 0 and -0 too: without this every difference
    of scale would be a change."""
    if value is None or isinstance(value, _AS_IT_IS):
        return value
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, _SEVERAL):
        return [plain(item) for item in value]
    if isinstance(value, Decimal):
        normal = value.normalize() + 0
        exponent = normal.as_tuple().exponent
        return format(normal.quantize(1) if isinstance(exponent, int) and exponent > 0 else normal, "f")
    return str(value)


def content(record: Record, fields: Iterable[str]) -> dict[str, Any]:
    """The named fields as plain JSON values (Decimal as text with its scale normalised), lines by their key."""
    found: dict[str, Any] = {}
    names = tuple(fields)
    of_line = _of_line(names)
    for name in names:
        if "." in name:
            continue
        value = getattr(record, name)
        if name == "lines":
            found[name] = {
                line.key: {
                    key: plain(getattr(line, key))
                    for key in line.content
                    if getattr(line, key) is not None and (not of_line or key in of_line)
                }
                for line in value
            }
        else:
            found[name] = sorted(plain(value)) if isinstance(value, tuple) else plain(value)
    return found


def _of_line(names: Iterable[str]) -> set[str]:
    """Fields of a line that are named one by one (``lines.amount``); none: all that its model calls content."""
    return {name.removeprefix("lines.") for name in names if name.startswith("lines.")}


def known(agreed: Mapping[str, Any], fields: Iterable[str]) -> dict[str, Any]:
    """A remembered content (see :func:`content`) as far as these fields go."""
    names = set(fields)
    of_line = _of_line(names)
    found = {name: value for name, value in agreed.items() if name in names}
    if of_line and found.get("lines"):
        found["lines"] = {
            key: {name: value for name, value in line.items() if name in of_line} for key, line in found["lines"].items()
        }
    return found


_MEANINGS: Mapping[str, Callable[[str | None], str | None]] = {"tax_id": tax_id, "retainage_percent": retainage_percent}
"""Fields of a content that are compared as what they mean, however each side writes it."""


def differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of content fields that differ. Of a set (assigned cost types) only what the other side lacks counts; a line of amount
    zero that only one side has does not count: Procore leaves one behind when a change order opens a line (rule M-14)."""
    names = []
    for name in new:
        if old and name not in old:  # it was not agreed on: a field that a side did not keep then
            continue
        before, after = old.get(name), new[name]
        if name == "lines":
            changed = bool(differing_lines(before or {}, after))
        elif isinstance(after, list):
            changed = not set(after) <= set(before or ())
        elif (meaning := _MEANINGS.get(name)) is not None:
            changed = meaning(before) != meaning(after)
        else:
            changed = before != after
        if changed:
            names.append(name)
    return tuple(names)


def line_twice(record: Record) -> str | None:
    """The key that two lines of a record share: it cannot be compared line by line, each would stand for both. A line whose
    code or type is not known in the other side's keys has no key yet."""
    seen: set[str] = set()
    for line in getattr(record, "lines", ()):
        if any(getattr(line, name) is None for name in ("cost_code", "cost_type") if name in type(line).keyed):
            continue
        if line.key in seen:
            return str(line.key)
        seen.add(line.key)
    return None


def differing_lines(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, str, Any, Any]]:
    """(line, field, old, new) of what is frozen once a document is linked: money, code and type of each line."""
    found: list[tuple[str, str, Any, Any]] = []
    for key in sorted(set(old) | set(new), key=_natural):
        before, after = old.get(key), new.get(key)
        if before is None or after is None:
            only = before or after or {}
            if any(only.get(name) not in (None, "0", "0.00") for name in _MONEY):
                found.append((key, "line", before and before.get("amount"), after and after.get("amount")))
            continue
        found += [(key, name, before.get(name), after.get(name)) for name in FROZEN if before.get(name) != after.get(name)]
    return found


def _natural(key: str) -> tuple[int, str]:
    """Positions in the order of their numbers, other keys after them in the order of their text."""
    return (int(key), "") if key.isdecimal() else (10**9, key)
