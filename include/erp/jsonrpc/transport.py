"""The transport over remote procedures with JSON. Documents are sent singly; each call is a transaction of the ERP."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import httpx

from include.erp.jsonrpc.api import Api
from include.erp.jsonrpc.documents import ORDER, Documents
from include.erp.jsonrpc.grammar import JsonMapping
from include.erp.jsonrpc.inspection import problems
from include.erp.jsonrpc.presets import PRESETS
from include.erp.jsonrpc.sending import Sending
from include.erp.jsonrpc.wire import Address, Wire
from include.erp.mapping import loading
from include.erp.transport import Adapter, Check, Document, Handed, Key, Probe, Receipt, Rows, Writing, one_by_one
from include.financials.exceptions import OutcomeUnknown, Refused
from include.financials.port import Beat, Window

_SMALLEST = 20
"""Ids in one question; a template's are a condition each."""


class JsonRpcTransport:
    """:param address: ``https://login:password@host/database``; never logged.
    :param timeout: seconds to wait for an answer; a write that takes longer is in doubt.
    :param wire: how requests go out; for tests.
    """

    transactional = False

    def __init__(
        self,
        address: str,
        mapping: loading.Mapping[JsonMapping],
        *,
        timeout: float = 60.0,
        wire: httpx.BaseTransport | None = None,
    ) -> None:
        self.mapping, self.address = mapping, Address.of(address)
        preset = PRESETS[mapping.spec.preset]
        self.api: Api = preset(Wire(self.address, timeout=timeout, transport=wire), warnings=mapping.spec.warnings)
        self.documents: Callable[[str], Documents] = cache(lambda name: Documents(mapping, name, self.api))
        self._numbers: dict[tuple[str, str, str], int] = {}

    def close(self) -> None:
        self.api.close()

    def clock(self) -> datetime:
        return self.api.now()

    def probe(self) -> Probe:
        return Probe(str(self.address), self.api.version(), tuple(problems(self.mapping, self.api)))

    # -- reading

    def fetch(
        self,
        entity: str,
        *,
        window: Window | None,
        scopes: Sequence[str] | None,
        cursor: Mapping[str, Any] | None,
        size: int,
        bare: bool = False,
    ) -> Rows:
        documents = self.documents(entity)
        found = documents.page(window, scopes, cursor["after"] if cursor else None, size)
        last = {"after": found[-1]["id"]} if len(found) == size else None
        return Rows(documents.rows(found), last)

    def lookup(self, entity: str, *, ids: Sequence[Key] = (), markers: Sequence[str] = ()) -> Rows:
        documents, found = self.documents(entity), Rows([])
        step = 200 if not (documents.spec.id.template or documents.spec.asked or documents.spec.marked) else _SMALLEST
        for start in range(0, max(len(ids), len(markers)), step):
            part = slice(start, start + step)
            found.rows += documents.rows(documents.of_ids(ids[part])) if ids[part] else []
            found.rows += documents.rows(documents.of_markers(markers[part])) if markers[part] else []
        return found

    # -- writing

    def submit(self, entity: str, action: Writing, documents: Sequence[Document], check: Check, beat: Beat) -> list[Receipt]:
        source = self.documents(entity)
        sending = Sending(source, source.spec.write.calls(action), self.api, self._find)  # type: ignore[arg-type]

        def send(document: Document) -> Receipt:
            there = None
            if action != "create":
                assert document.key is not None
                found = source.of_ids([document.key])
                if len(found) != 1:
                    return document.missing(action)
                there = found[0]
            try:
                return sending.send(document, there, beat)
            except OutcomeUnknown as error:
                return Receipt(document.intent, "unknown", message=str(error))

        return one_by_one(documents, beat, send)

    def settle(self, entity: str, handed: Sequence[Handed]) -> list[Receipt]:
        """Nothing waits where the mapping's ``from`` does not show it."""
        return [Receipt(one.intent, "accepted") for one in handed]

    def _find(self, model: str, where: Sequence[Sequence[Any]], any_one: bool, take: str) -> int:
        """A field of the one record that fits. Remembered, since what is looked up are settings and master data of the ERP."""
        key = (model, take, repr(where))
        if key not in self._numbers:
            found = self.api.search(model, where, (take,), order=ORDER, limit=1 if any_one else 2)
            if len(found) != 1:
                told = ", ".join(f"{name} {wanted!r}" for name, _, wanted in where)
                raise Refused(f"the ERP has {'no' if not found else 'more than one'} {model} with {told}")
            self._numbers[key] = found[0][take]
        return self._numbers[key]


ADAPTER = Adapter(JsonMapping, JsonRpcTransport)
