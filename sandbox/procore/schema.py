"""What a resource of the API is made of; the resources themselves are rows in ``resources``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from sandbox.procore.attributes import Attribute
from sandbox.procore.errors import Shape
from sandbox.procore.store import Condition, Record

if TYPE_CHECKING:
    from sandbox.procore.context import Context

Scope = Literal["company", "project", "parent"]
Action = Literal["list", "show", "create", "update", "delete", "sync"]
View = Callable[["Context", Sequence[Record]], list[dict[str, Any]]]
"""Turns a page of records into their replies; a whole page at once, so that what they refer to is read once."""

STANDARD_ACTIONS: tuple[Action, ...] = ("list", "show", "create", "update", "sync")


@dataclass(frozen=True, slots=True)
class Filter:
    """A list filter. ``equal`` one value or several; ``range`` of times, ``days`` of plain days; ``deleted`` only|with; ``like``
    part of any field."""

    kind: Literal["equal", "range", "days", "deleted", "like"]
    fields: tuple[str, ...] = ()
    number: bool = False
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Paging:
    """Records per page when not asked for, and at most."""

    default: int = 100
    most: int = 2000


@dataclass(frozen=True, slots=True)
class Sync:
    """``scope``: where the scope ids come. ``by_id``: False where the documented entry has no ``id``, which is then ignored."""

    scope: Literal["query", "body", "both", "either"] = "body"
    by_id: bool = True


def nothing(*_: Any) -> None:
    """A hook that does nothing."""


def no_conditions(_: Context) -> list[Condition]:
    return []


@dataclass(frozen=True, slots=True)
class Hooks:
    """A resource's true peculiarities.

    ``conditions``: more WHERE for its lists. ``scope``: checks scope values of its own, before anything else.
    ``prepare(context, draft, sent, existing)``: completes or refuses a draft before it is written.
    ``written(context, record, existing)``: what a write entails. ``removing(context, record)``: may refuse a delete;
    ``removed(context, record)``: what it entails.
    Refusals are raised as ``errors.Refused``.
    """

    conditions: Callable[[Context], list[Condition]] = no_conditions
    scope: Callable[[Context], None] = nothing
    prepare: Callable[[Context, Record, Mapping[str, Any], Record | None], None] = nothing
    written: Callable[[Context, Record, Record | None], None] = nothing
    removing: Callable[[Context, Record], None] = nothing
    removed: Callable[[Context, Record], None] = nothing


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource: its place, attributes, views, filters.

    ``list_view``, ``show_view``: what is shown when ``view`` is not given; ``list_views``, ``show_views``: what may be asked for.
    ``path``: of the collection, with ``{placeholders}``; ``wrapper``: the key around the attributes in bodies; ``sequence`` and
    ``first_id``: ids of new records (``first_id`` above 2**32 for kinds that show 64-bit ids); ``needs``: further ids required in
    queries or bodies, by stored field (``standard_cost_code_list_id``); ``parent``: kind of the parent for scope ``parent``.
    """

    kind: str
    path: str
    wrapper: str
    scope: Scope
    views: Mapping[str, View]
    list_view: str
    show_view: str
    attributes: tuple[Attribute, ...] = ()
    actions: tuple[Action, ...] = STANDARD_ACTIONS
    sync_view: str = ""
    filters: Mapping[str, Filter] = field(default_factory=dict)
    sorts: Mapping[str, str] = field(default_factory=dict)
    paging: Paging = field(default_factory=Paging)
    sync: Sync = field(default_factory=Sync)
    hooks: Hooks = field(default_factory=Hooks)
    errors: Shape = "default"
    list_errors: Shape | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    first_id: int = 1
    sequence: str = ""
    siblings: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    either_scope: bool = False
    parent: str = ""
    list_views: tuple[str, ...] = ()
    show_views: tuple[str, ...] = ()
    list_parameter: str = "view"
    soft_delete: bool = False
