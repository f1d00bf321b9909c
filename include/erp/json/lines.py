"""The lines of a document: each a row of the ERP, or the rows that are one line of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from include.erp.json.paths import Unreadable, value
from include.erp.transport import Fault

INDEX, DOCUMENT = "_index", "_document"
"""What stands in a line beside the ERP's own: its place, counted from 1, and the document."""


def rows_of(found: Any) -> Sequence[Mapping[str, Any]]:
    """A list of rows; none where nothing stands in its place. Raises Unreadable for what is no list of rows."""
    if found is None:
        return ()
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise Unreadable("is no list of rows in the ERP's answer")
    return found


def lists_of(names: Mapping[str, str], found: Mapping[str, Any]) -> tuple[dict[str, tuple[Any, ...]], Fault | None]:
    """The lists of values of a document by field, each value once, and the first that is none: its record is named, and its page
    goes on. ``names``: field to the name at which ``found`` has it; an ERP may have false where there is nothing."""
    lists: dict[str, tuple[Any, ...]] = {}
    wrong: Fault | None = None
    for field, name in names.items():
        given = found[name] or []
        if not isinstance(given, list) or any(isinstance(one, list | Mapping) for one in given):
            wrong = wrong or Fault(field, "is no list of values in the ERP's answer")
            given = []
        lists[field] = tuple(dict.fromkeys(given))
    return lists, wrong


def lines_of(document: Mapping[str, Any], source: str, by: str | None) -> list[Any] | None:
    """What names of lines lead into. ``by``: rows that it gives the same value are one line, a list. None: the document has no
    such list, which is no proof that it has no lines. Raises Unreadable for what is no list of rows."""
    given = value(source, document)
    if given is None:
        return None
    rows = rows_of(given)
    found = [{**one, INDEX: index, DOCUMENT: document} for index, one in enumerate(rows, start=1)]
    if by is None:
        return found
    groups: dict[str, list[Any]] = {}
    for one in found:
        groups.setdefault(str(value(by, one)), []).append(one)
    return list(groups.values())
