"""Helpers to build the views of a resource."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sandbox.procore.context import Context
from sandbox.procore.schema import View
from sandbox.procore.store import Record

Derive = Callable[[Context, Sequence[Record]], list[dict[str, Any]]]


def stored(names: str) -> View:
    """A view that shows stored fields as they are."""
    wanted = names.split()

    def view(_: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
        return [{name: row.get(name) for name in wanted} for row in rows]

    return view


def picked(derive: Derive, names: str) -> View:
    """A view of these names, each from what ``derive`` computes or else from the record."""
    wanted = names.split()

    def view(context: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
        derived = derive(context, rows)
        return [
            {name: more[name] if name in more else row.get(name) for name in wanted}
            for row, more in zip(rows, derived, strict=True)
        ]

    return view


def dated(view: View, names: str) -> View:
    """The view with these times as plain days, where the company is set so: one witness declares them as days (§14)."""

    def shown(context: Context, rows: Sequence[Record]) -> list[dict[str, Any]]:
        found = view(context, rows)
        if context.settings.bare_days:
            for row in found:
                row.update({name: row[name] and row[name][:10] for name in names.split() if name in row})
        return found

    return shown


def reference(record: Record | None, name: str = "name") -> dict[str, Any] | None:
    """``{id, name}`` of a record that is referred to."""
    return None if record is None else {"id": record["id"], name: record.get("name")}
