"""The transport over HTTP. Documents are sent singly; each request is a transaction of the ERP."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import httpx

from include.erp.mapping import loading
from include.erp.rest.address import Address
from include.erp.rest.documents import Documents
from include.erp.rest.grammar import RestMapping
from include.erp.rest.inspection import problems
from include.erp.rest.odd import sound
from include.erp.rest.sending import Sending
from include.erp.rest.wire import Wire
from include.erp.transport import Adapter, Check, Document, Handed, Key, Probe, Receipt, Rows, Writing, one_by_one
from include.financials.exceptions import ConfigurationError, RetryLater
from include.financials.port import Beat, Window


class RestTransport:
    """:param address: ``https://login:password@host/path?tenant=...``; never logged.
    :param timeout: seconds to wait for an answer; a write that takes longer is in doubt.
    :param wire: how requests go out; for tests.
    :param pause: how to wait between the tries of a read; for tests.
    """

    transactional = False

    def __init__(
        self,
        address: str,
        mapping: loading.Mapping[RestMapping],
        *,
        timeout: float = 60.0,
        wire: httpx.BaseTransport | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.mapping, self.address = mapping, Address.of(address, mapping.spec.address)
        self.wire = Wire(self.address, mapping.spec, timeout=timeout, transport=wire, pause=pause)
        self.documents: Callable[[str], Documents] = cache(lambda name: Documents(mapping, name, self.wire))
        self._found: dict[tuple[str, str], Any] = {}
        self._seen: dict[tuple[str, str], dict[str, Any]] = {}

    def close(self) -> None:
        self.wire.close()

    def clock(self) -> datetime:
        """The time of an answer (header Date): no service has a better one in common."""
        spec = self.mapping.spec
        path = spec.health if spec.health is not None else next(iter(spec.entities.values())).source[0].path
        limit = {spec.paging.limit: "1"} if spec.health is None and spec.paging.limit else {}
        answer = self.wire.read(self.address.fill(path), limit)
        if answer.time is None:
            raise ConfigurationError(f"{self.address}: answers without the time (header Date), by which changes are told.")
        return answer.time

    def probe(self) -> Probe:
        self.clock()
        found = [told for name in self.mapping.spec.entities for told in problems(self.mapping, self.documents(name), name)]
        return Probe(str(self.address), f"{self.mapping.spec.kind} service", tuple(found))

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
        found, following = documents.page(window, scopes, cursor, size, bare)
        return Rows(documents.rows(found, bare), None if following is None else dict(following))

    def lookup(self, entity: str, *, ids: Sequence[Key] = (), markers: Sequence[str] = ()) -> Rows:
        documents = self.documents(entity)
        found, hidden = documents.of_ids(ids) if ids else ([], [])
        self._seen = {(entity, documents.key(one)): one for one in found}
        found += documents.of_markers(markers) if markers else []
        return Rows(documents.rows(sound(found)), hidden=hidden)

    # -- writing

    def submit(self, entity: str, action: Writing, documents: Sequence[Document], check: Check, beat: Beat) -> list[Receipt]:
        source = self.documents(entity)
        sending, applied = Sending(source, action, self._found), False

        def send(document: Document) -> Receipt:
            nonlocal applied
            try:
                there = None if action == "create" else self._there(entity, source, document)
                if action != "create" and there is None:
                    return document.missing(action)
                receipt = sending.send(document, there, beat)
            except ConfigurationError as error:
                if not applied:
                    raise
                raise RetryLater(str(error)) from error  # earlier documents are there: it is no longer true of the call
            applied = applied or receipt.status != "refused"
            return receipt

        return one_by_one(documents, beat, send)

    def _there(self, entity: str, source: Documents, document: Document) -> dict[str, Any] | None:
        """The record as the mapper just saw it: its ETag is of that state, and a change since then is refused by the ERP."""
        assert document.key is not None
        wanted = {"/".join(str(part) for part in parts.values()) for parts in document.key.parts}
        found = [one for key in wanted if (one := self._seen.pop((entity, key), None))]
        if not found:
            rows, _ = source.of_ids([document.key])
            found = [one for one in rows if source.key(one) in wanted]
        if len(found) != 1:
            return None
        if self.mapping.spec.etag == "header" and source.etag(found[0]) is None:
            (part,) = document.key.parts[:1]
            found = source.one(source.source_of(found[0]), {"id": document.key.id, **part}) or found
        return found[0]

    def settle(self, entity: str, handed: Sequence[Handed]) -> list[Receipt]:
        """An operation that was still at work is asked for. What waits for a person shows in the lists, and nowhere else."""
        return [self._settled(one) for one in handed]

    def _settled(self, one: Handed) -> Receipt:
        if not one.token:
            return Receipt(one.intent, "unknown")
        answer = self.wire.read(self.wire.place(one.token), allow=range(400, 500))
        if answer.status == 202:
            return Receipt(one.intent, "accepted", token=one.token)
        # Done or failed: the document is entered, and its row says what it has become.
        return Receipt(one.intent, "unknown")


ADAPTER = Adapter(RestMapping, RestTransport)
