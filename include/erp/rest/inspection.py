"""A mapping held against the lists that the ERP really has, without writing: each is asked each of its questions once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from include.erp.mapping import loading
from include.erp.rest.asking import Condition
from include.erp.rest.documents import Documents
from include.erp.rest.grammar import RestMapping, Source
from include.erp.rest.odd import ODD, Docs
from include.erp.rest.paging import page
from include.financials.exceptions import ConfigurationError, ContractBroken

_NOBODY = "00000000-0000-0000-0000-000000000000"
"""Fits where an id must be a GUID, and names no record."""
_LONG_AGO = "2000-01-01T00:00:00Z"


def problems(mapping: loading.Mapping[RestMapping], documents: Documents, name: str) -> Iterator[str]:
    """Sentences for a person, each with its place in the file."""
    for index, source in enumerate(documents.spec.source):
        loc = (name, "from", index) if len(documents.spec.source) > 1 else (name, "from")
        place = mapping.at("entities", *loc)
        try:
            found, _ = page(documents.wire, documents.question(source, documents.always(source)), None, 2)
            found = documents.told(found, source)
        except (ConfigurationError, ContractBroken) as error:
            yield f"{place}: cannot be read: {error}"
            continue
        for row in documents.rows(found):
            if row.fault is not None:
                yield f"{place}: {row.key}: {row.fault.field} {row.fault.reason}"
        for key, conditions in _asked(documents, source, [one for one in found if ODD not in one]):
            try:
                page(documents.wire, documents.question(source, conditions, bare=True), None, 2)
            except (ConfigurationError, ContractBroken) as error:
                yield f"{mapping.at('entities', *loc, 'ask', key)}: cannot be asked: {error}"


def _asked(documents: Documents, source: Source, found: Docs) -> Iterator[tuple[str, Sequence[Condition]]]:
    """``found``: records of the list; the id of one of them is sure to be of its kind."""
    names: dict[str, Any] = dict.fromkeys(("id", "scope", "marker", *documents.spec.id.columns()), _NOBODY) | dict.fromkeys(
        ("since", "until"), _LONG_AGO
    )
    if found:
        names |= documents.names(found[0])
    for key, condition in source.ask.given():
        if key == "id" and source.fits is not None and not re.fullmatch(source.fits, names["id"]):
            continue
        if key != "where":
            yield key, [documents.filled(condition, names)]
