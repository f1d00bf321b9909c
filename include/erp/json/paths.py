"""Names of a mapping are JMESPath into a document; a few functions stand for what it lacks with text and Decimals."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import jmespath
from jmespath import functions
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult

from include.erp.transport import LOST, Fault


class _Functions(functions.Functions):
    @functions.signature({"types": []}, {"types": ["string"]})
    def _func_split(self, text: Any, at: str) -> list[str] | None:
        """The parts of a text, blanks around them dropped; null of null."""
        return None if text is None else [part.strip() for part in str(text).split(at)]

    @functions.signature({"types": []})
    def _func_total(self, amounts: Any) -> Decimal | None:
        """The sum of a list of amounts, nulls left out; null of null."""
        return None if amounts is None else sum((one for one in amounts if one is not None), Decimal(0))

    @functions.signature({"types": []}, {"types": []})
    def _func_less(self, amount: Any, other: Any) -> Decimal | None:
        """``amount`` less ``other``, where null is nothing; null of two nulls."""
        return None if amount is None and other is None else (amount or Decimal(0)) - (other or Decimal(0))

    @functions.signature({"types": []})
    def _func_percent(self, rate: Any) -> Decimal | None:
        """A rate of 0.0725 in percent."""
        return None if rate is None else Decimal(rate).scaleb(2)

    @functions.signature({"types": ["array", "null"]}, {"types": ["string"]}, {"types": ["string"]})
    def _func_under(self, rows: Any, name: str, beginning: str) -> list[Any]:
        """Those of the rows whose text at ``name`` begins with ``beginning``."""
        return [row for row in rows or () if str(row.get(name) or "").startswith(beginning)]

    @functions.signature({"types": ["array", "null"]}, {"types": ["string"]}, {"types": []})
    def _func_at(self, rows: Any, name: str, wanted: Any) -> list[Any]:
        """Those of the rows whose value at ``name`` reads as ``wanted`` does."""
        return [] if wanted is None else [row for row in rows or () if str(row.get(name)) == str(wanted)]

    @functions.signature({"types": ["string", "null"]})
    def _func_day_after(self, day: str | None) -> str | None:
        """The day after ``2026-06-30``."""
        return None if day is None else (date.fromisoformat(day) + timedelta(days=1)).isoformat()


_OPTIONS = jmespath.Options(custom_functions=_Functions())


@cache
def compiled(name: str) -> ParsedResult:
    return jmespath.compile(name)


class Unreadable(ValueError):
    """Something stands at a name that its functions do not take: a text where a list or an amount belongs."""


def value(name: str, document: Any) -> Any:
    """What stands at the name; None where nothing does. Raises Unreadable."""
    try:
        return compiled(name).search(document, _OPTIONS)
    except (JMESPathError, ArithmeticError, AttributeError, TypeError, ValueError) as error:
        raise Unreadable(f"cannot be read in the ERP's answer: {str(error).splitlines()[0]}") from error


def values(names: Iterable[str], document: Any) -> tuple[dict[str, Any], Fault | None]:
    """What stands at each of the names, and the first that is :class:`Unreadable`: its record is named, and its page goes on."""
    found: dict[str, Any] = {}
    wrong: Fault | None = None
    for name in names:
        try:
            found[name] = value(name, document)
        except Unreadable as error:
            found[name] = LOST
            wrong = wrong or Fault(name, str(error))
    return found, wrong


def fault(name: str) -> str | None:
    try:
        compiled(name)
    except JMESPathError as error:
        return f"is no JMESPath: {str(error).splitlines()[0]}"
    return None
