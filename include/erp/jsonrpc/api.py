"""What the transport asks of an ERP that is reached by remote procedures on models: the same few things of each.

A preset implements it for one family of ERPs (:mod:`include.erp.jsonrpc.tryton`), and is a row of :data:`PRESETS` in
``include/erp/jsonrpc/presets.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from include.financials.exceptions import ContractBroken, OutcomeUnknown, Refused

Domain = Sequence[Any]
"""A search: conditions ``(path, operator, value)``, together; a nested list may begin with ``"OR"``."""
Doc = dict[str, Any]
"""A record with its related ones nested: ``{"id": 7, "party": {"id": 3, "code": "V-1042"}, "lines": [{...}]}``."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a model, as the ERP describes it. ``relation``: the model it leads to."""

    type: str
    required: bool = False
    relation: str | None = None


def made_of(answer: Any, many: int, what: str) -> list[int]:
    """The numbers of the records that a write was answered with. Raises OutcomeUnknown for anything else: they may be there."""
    if not isinstance(answer, list) or len(answer) != many or not all(type(one) is int and one > 0 for one in answer):
        raise OutcomeUnknown(f"{what}: the ERP answered {str(answer)[:60]!r} where the numbers of {many} records belong.")
    return answer


def found_of(answer: Any, kind: type, what: str) -> list[Any]:
    """A list of records (``dict``) or of their numbers (``int``). Raises ContractBroken for anything else: what is there is not
    known, least of all that nothing is."""
    if not isinstance(answer, list) or not all(type(one) is kind for one in answer):
        raise ContractBroken(f"{what}: the ERP answered {str(answer)[:60]!r} where a list of records belongs.")
    return answer


class Warned(Refused):
    """The ERP asks whether that is meant, and no policy of the mapping answers. ``name`` is its warning's."""

    def __init__(self, message: str, name: str) -> None:
        super().__init__(message)
        self.name = name


class Stale(Refused):
    """Somebody changed the record since it was read."""


class Api(Protocol):
    """One log-in. Methods raise the errors of ``include.financials.exceptions``: Refused where the ERP said no and rolled back,
    OutcomeUnknown where a write may have been applied, RetryLater where nothing was."""

    def version(self) -> str: ...

    def now(self) -> datetime:
        """The server's clock, UTC."""
        ...

    def fields(self, model: str) -> Mapping[str, Field]:
        """Raises Refused for a model that the ERP does not have, or does not show to us."""
        ...

    def search(
        self, model: str, domain: Domain, paths: Sequence[str], *, order: Sequence[tuple[str, str]] = (), limit: int | None = None
    ) -> list[Doc]:
        """Records with the fields that the paths name (``lines.product.code``), inactive ones too."""
        ...

    def create(self, model: str, values: Mapping[str, Any], beside: Sequence[Mapping[str, Any]] = ()) -> int:
        """A new record; a list of mappings as a value makes records that hang on it. ``beside``: further records of the model,
        made in the same transaction."""
        ...

    def write(self, model: str, ids: Sequence[int], values: Mapping[str, Any]) -> None: ...

    def delete(self, model: str, ids: Sequence[int]) -> None: ...

    def press(self, model: str, button: str, ids: Sequence[int]) -> None:
        """A button of a form. In a wrong state it may be ignored without a word: look afterwards."""
        ...

    def close(self) -> None: ...
