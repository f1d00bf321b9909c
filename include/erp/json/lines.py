"""The lines of a document: each a row of the ERP, or the rows that are one line of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from include.erp.json.paths import value

INDEX, DOCUMENT = "_index", "_document"
"""What stands in a line beside the ERP's own: its place, counted from 1, and the document."""


def lines_of(document: Mapping[str, Any], source: str, by: str | None) -> list[Any] | None:
    """What names of lines lead into. ``by``: rows that it gives the same value are one line, a list. None: the document has no
    such list, which is no proof that it has no lines. Raises ValueError for what is no list of rows."""
    rows: Sequence[Mapping[str, Any]] | None = value(source, document)
    if rows is None:
        return None
    if not isinstance(rows, list) or not all(isinstance(one, Mapping) for one in rows):
        raise ValueError("no list of rows")
    found = [{**one, INDEX: index, DOCUMENT: document} for index, one in enumerate(rows, start=1)]
    if by is None:
        return found
    groups: dict[str, list[Any]] = {}
    for one in found:
        groups.setdefault(str(value(by, one)), []).append(one)
    return list(groups.values())
