"""The canonical record: what both systems are translated into, so that neither knows the other.

Money is :class:`~decimal.Decimal` and travels with its ISO currency; times are aware and in UTC; ids and keys are text
(Procore's newer ids exceed 32 bits). Models are strict and frozen: a wrong type is an error of the record, never coerced. Each
entity's model stands with its row, in ``entities/``; here is what they have in common.

A reference field (``vendor``, ``project``, ``cost_code`` ...) holds the *other record's key on the side it was read from*: the
Procore id on Procore's side, the ERP key on the ERP's. ``references.References`` translates Procore ids into ERP keys, the
language in which contents are compared and hashed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from operator import itemgetter
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from include.financials.money import text

PROJECTS: Final = "projects"
VENDORS: Final = "vendors"
SUB_JOBS: Final = "sub_jobs"
COST_CODES: Final = "cost_codes"
COST_TYPES: Final = "cost_types"
TAX_CODES: Final = "tax_codes"
PERIODS: Final = "periods"
"""Entities that shared code asks for by name: what all others are placed in (a project, a vendor, a cost key), and the calendar
of an ERP's periods, which is looked up and kept in step with nothing."""
GENERAL_LEDGER: Final = "GL"
"""The module whose calendar of periods holds for every module that has none of its own."""

Side = Literal["procore", "erp"]
Figures = dict[str, Any]
"""What the ledger keeps of a record for reconciliation and for later checks: plain JSON in ERP keys, amounts as text."""
Money = Annotated[Decimal, Field(max_digits=18, decimal_places=2, allow_inf_nan=False)]
Rate = Annotated[Decimal, Field(max_digits=18, decimal_places=6, allow_inf_nan=False)]
Percent = Annotated[Decimal, Field(max_digits=9, decimal_places=4, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1)]
Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
"""What a column of whole numbers holds, in staged pages as in databases."""


class _Given(set[str]):
    """Which fields of a record were given: nobody asks, and pydantic keeps a set of them for every single one, more than half of
    what a record takes in memory. All records have this one; a copy with other values adds nothing to it."""

    def __copy__(self) -> _Given:
        return self

    def update(self, *_: Iterable[str]) -> None:
        pass


_GIVEN = _Given()
_REPEATED = frozenset(
    (
        "commitment", "company", "cost_code", "cost_type", "currency", "customer", "prime_contract", "project", "status",
        "sub_job", "tax_code", "terms", "unit", "vendor",
    )
)  # fmt: skip
"""Fields of few values: words, and what many records name. Validation makes a new text for each; of those that are the same one
is enough."""


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", str_strip_whitespace=True)

    repeated: ClassVar[tuple[str, ...]] = ()
    """Its fields of few values."""
    names: ClassVar[tuple[str, ...]] = ()
    """All of its fields."""
    values_of: ClassVar[Callable[[Mapping[str, Any]], tuple[Any, ...]]]

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        cls.names = tuple(cls.model_fields)
        cls.repeated = tuple(name for name in cls.names if name in _REPEATED)
        cls.values_of = itemgetter(*cls.names)

    def model_post_init(self, _: Any) -> None:
        object.__setattr__(self, "__pydantic_fields_set__", _GIVEN)
        held = self.__dict__
        for name in self.repeated:
            word = held.get(name)  # of a record that is not whole it may be missing
            if word.__class__ is str:
                held[name] = sys.intern(word)

    def __reduce__(self) -> tuple[Any, ...]:
        """Packed as its class and its values, in the order of its fields: it was validated when it was read."""
        model = self.__class__
        return _restored, (model, model.values_of(self.__dict__))


def _restored(model: type[Model], values: tuple[Any, ...]) -> Model:
    found = model.__new__(model)
    _set(found, "__dict__", dict(zip(model.names, values, strict=True)))
    _set(found, "__pydantic_fields_set__", _GIVEN)
    _set(found, "__pydantic_extra__", None)
    _set(found, "__pydantic_private__", None)
    return found


_set = object.__setattr__


class LineModel(Model):
    """A line of a document. ``key`` tells it from the others of its document, the same on both sides; ``content`` are the fields
    that a write carries, ``frozen`` those of them that may not change once the document is linked."""

    content: ClassVar[tuple[str, ...]]
    frozen: ClassVar[tuple[str, ...]]
    keyed: ClassVar[tuple[str, ...]] = ("position",)
    """The fields that ``key`` is made of."""
    unmapped: ClassVar[tuple[str, ...]] = ()
    """Fields that no ERP keeps: they tell of Procore's answer itself."""

    id: Text
    position: Whole

    @property
    def key(self) -> str:
        return str(self.position)

    @property
    def untold(self) -> tuple[str, ...]:
        """Content of which its side says nothing, not even that there is none: no difference of it can be seen."""
        return ()

    def figures(self) -> Figures:
        """What is kept of the line, see :data:`Figures`."""
        raise NotImplementedError


class Record(Model):
    """One record as one side holds it.

    ``id`` is the record's own id on the side it was read from; ``company`` the ERP company (or shared group) it belongs to, None
    where a Procore record does not tell; ``number`` is what people call it. The three external-id fields exist on Procore's side
    only (docs/procore-contract.md 2.1).
    """

    entity: ClassVar[str]
    line: ClassVar[type[LineModel] | None] = None
    """Model of its ``lines``, for records that have some."""
    statuses: ClassVar[tuple[str, ...]] = ()
    """Every word that its ``status`` may be in the ERP (``statuses``)."""
    numbered_in: ClassVar[tuple[str, ...]] = ()
    """References that its number begins with (``104-SC-003/001``)."""

    id: Text
    company: str | None = None
    number: Text
    updated_at: datetime | None = None
    deleted: bool = False
    origin_id: str | None = None
    origin_data: str | None = None
    origin_code: str | None = None
    marker: str | None = None
    """The ERP side's counterpart of origin_id: the Procore record an ERP document was made from."""

    @property
    def natural_key(self) -> str:
        """The number that is unique in an ERP company."""
        return self.number

    def figures(self) -> Figures:
        """What reconciliation and later checks need of the record; empty for one that nothing is counted of. Of a document the
        sums and lines that all of them have; its own family adds what is special."""
        own: Any = self
        if not hasattr(self, "amount"):
            return {}
        return {
            "project": own.project,
            "amount": text(own.amount),
            "currency": own.currency,
            "status": getattr(self, "status", None),
            "lines": [line.figures() for line in getattr(self, "lines", ())],
        }


class Line(LineModel):
    """A line with a cost key and an amount: of a schedule of values, a direct cost, a budget, a change order.

    ``position`` is 1-based. ``amount`` is as the side states it; for a ``calculated`` line it is quantity x unit cost.
    """

    content: ClassVar[tuple[str, ...]] = (
        "position",
        "description",
        "cost_code",
        "cost_type",
        "amount",
        "quantity",
        "unit_cost",
        "unit",
        "extended_type",
        "tax_code",
    )
    frozen: ClassVar[tuple[str, ...]] = ("cost_code", "cost_type", "amount")

    description: str | None = None
    cost_code: str | None
    cost_type: str | None
    sub_job: str | None = None
    amount: Money
    extended_type: Literal["manual", "calculated"] = "manual"
    quantity: Rate | None = None
    unit_cost: Rate | None = None
    unit: str | None = None
    tax_code: str | None = None

    def figures(self) -> Figures:
        """``key`` as in the document, ``x`` its cost key, ``amount``; ``id`` and ``position`` find it from elsewhere."""
        return line_figures(self)


def cost_key(code: str | None, cost_type: str | None) -> str:
    """``code / type`` of a line in ERP keys (``25-104//03-3000 / 3``), a question mark where a line has none."""
    return f"{code or '?'} / {cost_type or '?'}"


def line_figures(line: Any) -> Figures:
    return {
        "key": line.key,
        "position": line.position,
        "id": line.id,
        "x": cost_key(line.cost_code, line.cost_type),
        "amount": text(line.amount),
    }


def contract_of(record: Record) -> str | None:
    """The contract that a document of a contract names."""
    return getattr(record, "commitment", None) or getattr(record, "prime_contract", None)


@dataclass(frozen=True, slots=True)
class Held:
    """A record of Procore as it was last read, and what was said of it."""

    number: str
    company: str = ""
    state: str | None = None
    rule: str | None = None
    message: str | None = None
    origin_id: str | None = None
    deleted: bool = False
    figures: Mapping[str, Any] = field(default_factory=dict)
