"""What a target's field takes: length, alphabet, digits and decimals of a value (``port.Capability``)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from include.financials.port import Capability
from include.financials.record import LineModel, Record


def limits_fault(record: Record | LineModel, capability: Capability, names: Sequence[str], target: str) -> str | None:
    """The first field that the target cannot hold as it is: too long, of other characters, too many digits or decimals."""
    for name in names:
        value = getattr(record, name, None)
        if isinstance(value, str) and (fault := alphabet_fault(name, value, capability, target)):
            return fault
        if isinstance(value, str) and len(value) > capability.max_lengths.get(name, len(value)):
            return f"{name} has {len(value)} characters, {target} allows {capability.max_lengths[name]}"
        if isinstance(value, Decimal) and (fault := number_fault(name, value, capability, target)):
            return fault
    return None


def alphabet_fault(name: str, value: str, capability: Capability, target: str) -> str | None:
    """Characters that the target does not take in a field. Each system has an alphabet of its own, and says it; none: all."""
    alphabet = capability.alphabets.get(name)
    if alphabet is None:
        return None
    other = dict.fromkeys(char for char in value if re.fullmatch(f"[{alphabet}]", char) is None)
    return f"{name} {value!r} has {' '.join(map(repr, other))}, {target} takes {alphabet} only" if other else None


def number_fault(name: str, value: Decimal, capability: Capability, target: str) -> str | None:
    whole = len(str(abs(int(value))))
    if whole > capability.max_digits.get(name, whole):
        return f"{name} {value:f} has {whole} digits before the point, {target} allows {capability.max_digits[name]}"
    exponent = value.normalize().as_tuple().exponent
    places = max(0, -exponent) if isinstance(exponent, int) else 0
    if places > capability.decimals.get(name, places):
        return f"{name} {value.normalize():f} has {places} decimals, {target} allows {capability.decimals[name]}"
    return None
