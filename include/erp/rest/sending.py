"""A document carried into the ERP, request by request.

A document and its lines are one request, so that nothing half made is left. What follows (release, post) is an action on a
document that is there: where it fails or nobody knows, the document is entered and not in the books, which is *accepted*.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from include.erp.json.paths import value
from include.erp.json.patterns import NAMED, Filling, filled
from include.erp.rest.answers import Answer
from include.erp.rest.documents import NO_SEGMENTS, Documents
from include.erp.rest.grammar import Call
from include.erp.transport import Document, Receipt, Writing
from include.financials.exceptions import ConfigurationError, ContractBroken, OutcomeUnknown, Refused, RetryLater
from include.financials.port import Beat


class Sending:
    """The calls of one entity and action."""

    def __init__(self, documents: Documents, action: Writing, found: dict[tuple[str, str], Any]) -> None:
        """``found``: what was looked up, for all that is sent."""
        self.documents, self.wire, self.action, self.found = documents, documents.wire, action, found
        self.calls: Sequence[Call] = getattr(documents.spec.write, action)

    def send(self, document: Document, there: Mapping[str, Any] | None, beat: Beat) -> Receipt:
        """``there``: the record of an update or a void. Raises RetryLater and ConfigurationError where nothing was applied."""
        given: dict[str, Any] = {}
        tag = None if there is None else self.documents.etag(there)
        if there is not None:
            given = {name: value(path, there) for name, path in self.documents.spec.write.record.items()}
        done = 0
        for index in document.calls:
            call = self.calls[index]
            values = {**document.header, **given}
            if any(values[name] not in wanted for name, wanted in call.chosen.items()):
                continue
            if done:
                beat()
            try:
                answer = self._call(call, index, document, values, tag)
                done += 1
                tag = self.documents.etag_of(answer)
                given |= {name: value(path, answer.body) for name, path in call.gives.items()}
                late = self._late(answer)
            except (Refused, OutcomeUnknown, RetryLater, ConfigurationError, ContractBroken) as error:
                if done:
                    return self._begun(document, error)
                if isinstance(error, OutcomeUnknown):
                    return Receipt(document.intent, "unknown", message=f"{document.number}: {error}")
                if isinstance(error, Refused):
                    return document.refused(f"{document.number}: {error}", error.field)
                raise
            if late is not None:
                return Receipt(document.intent, "accepted", token=late, message=f"{document.number}: the ERP is still at work")
        if not done:
            told = ", ".join(sorted({name for index in document.calls for name in self.calls[index].chosen}))
            return document.refused(
                f"{document.number}: none of the mapping's requests is for a document of this {told or 'kind'}."
            )
        return Receipt(document.intent, "done")

    def _begun(self, document: Document, error: Exception) -> Receipt:
        """An earlier call was applied."""
        if self.action == "create":
            message = f"{document.number}: it is entered, and not released: {error}"
            return Receipt(document.intent, "accepted", message=message)
        return Receipt(document.intent, "unknown", message=f"{document.number}: a part was written, then: {error}")

    def _call(self, call: Call, index: int, document: Document, values: Mapping[str, Any], tag: str | None) -> Answer:
        """``tag``: the record's ETag, as it was seen last."""
        method, path = call.request
        file = self.documents.file
        headers = {name: filled(text, values) for name, text in call.headers.items()}
        query = {name: filled(text, values) for name, text in call.query.items()}
        if file.idempotency is not None:
            own = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{document.intent}/{self.action}/{index}"))
            headers |= {file.idempotency.header: own} if file.idempotency.header else {}
            query |= {file.idempotency.query: own} if file.idempotency.query else {}
        if call.match:
            if tag is None:
                raise Refused("the ERP gives the record no ETag, so nobody could tell whether it changed meanwhile")
            headers["If-Match"] = tag
        for name in NAMED.findall(path):
            if values[name] in NO_SEGMENTS:
                raise Refused(f"{name} is {values[name]!r}, of which no request's address can be made")
        filling = Filling(
            values, document.lines, wrap=file.wrap, empty=self.action == "update", numbers=file.numbers, find=self._find
        )
        for name, pattern in call.free.items():
            asked = filling.of(pattern)
            if len(asked) == len(pattern) and self.documents.look(name, asked):  # what is empty is no number
                told = ", ".join(f"{part} {wanted!r}" for part, wanted in asked.items())
                raise Refused(f"the ERP has one with {told} already (look-up {name!r}); it is another document")
        return self.wire.write(
            method,
            filled(path, values, lambda one: quote(str(one), safe="")),
            query,
            headers,
            None if call.body is None else filling.of(call.body),
        )

    def _find(self, name: str, asked: Mapping[str, Any], take: str | None) -> Any:
        """A value of the one record that fits. Remembered: what is looked up are settings and master data of the ERP."""
        lookup, key = self.documents.file.lookups[name], (name, repr(sorted(asked.items())))
        if key not in self.found:
            found = self.documents.look(name, asked)
            if not found or (len(found) > 1 and not lookup.several):
                told = ", ".join(f"{part} {wanted!r}" for part, wanted in asked.items())
                raise Refused(f"the ERP has {'no' if not found else 'more than one'} {name} with {told}")
            self.found[key] = found[0]
        return value(take or lookup.take, self.found[key])

    def _late(self, answer: Answer) -> str | None:
        """Where to ask for the end of an operation that takes longer than we wait."""
        place = answer.headers.get("Location") if answer.status == 202 else None
        if place is None:
            return None
        link = self.wire.place(place)
        last = self.wire.finished(link)
        if last.status == 202:
            return link
        if not last.good:
            raise Refused(f"the operation ended with {last.status}: {last.text[:300]}")
        return None
