"""A document carried into the ERP, call by call.

Every call looks first whether it was made already, so that a document whose making was interrupted at any point is finished and
not made twice: a record is told by what ``once`` says, a button by the state that it leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from include.erp.json.patterns import BOUND, MINUS, filled, fitting
from include.erp.jsonrpc.api import Api, Doc
from include.erp.jsonrpc.documents import Documents
from include.erp.jsonrpc.grammar import Call
from include.erp.transport import Document, Receipt
from include.financials.exceptions import OutcomeUnknown, Refused, RetryLater
from include.financials.port import Beat

Lookup = Callable[[str, Sequence[Sequence[Any]], bool, str], int]


class Sending:
    """The calls of one entity and action. ``find`` gives a field of the one record that fits a domain, or of any."""

    def __init__(self, documents: Documents, calls: Sequence[Call], api: Api, find: Lookup) -> None:
        self.documents, self.calls, self.api, self.find = documents, calls, api, find
        self._applied = False
        """Whether anything of the document at hand was written: then no failure says that nothing was."""

    def send(self, document: Document, there: Doc | None, beat: Beat) -> Receipt:
        """``there``: the record of an update or a void. Raises what the connection raises; RetryLater only while nothing was
        written, OutcomeUnknown after it."""
        made: dict[str, Any] = {"document": there["id"]} if there else {}
        begun, self._applied = len(made), False
        for done, place in enumerate(document.calls):
            call = self.calls[place]
            if done:
                beat()
            try:
                self._call(call, document, made)
            except Refused as error:
                return document.refused(self._told(document, error, self._undo(document, made)), getattr(error, "field", None))
            except RetryLater as error:
                if not self._applied and len(made) == begun:
                    raise
                raise OutcomeUnknown(f"{document.number} was begun and not finished: {error}") from error
        return Receipt(document.intent, "done")

    @staticmethod
    def _told(document: Document, error: Refused, left: str | None) -> str:
        """In the ERP's words."""
        number = "" if document.number in str(error) else f"{document.number}: "
        return f"{number}{error}" + (f" What was begun could not be deleted in the ERP: {left}" if left else "")

    def _undo(self, document: Document, made: Mapping[str, Any]) -> str | None:
        """Delete what a refused document leaves behind; the answer is why that could not be done."""
        try:
            for place in document.calls:
                call = self.calls[place]
                if call.create and call.redo and call.name in made:
                    self._discard(call, made[call.name])
        except (Refused, RetryLater) as error:
            return str(error)
        return None

    def _discard(self, call: Call, number: int) -> bool:
        """Whether the record was not in the books yet, and is gone now."""
        assert call.create is not None
        buttons = call.redo.get(self._state(call, call.create, number))
        if buttons is None:
            return False
        for button in buttons:
            self.api.press(call.create, button, [number])
            self._applied = True
        self.api.delete(call.create, [number])
        self._applied = True
        return True

    def _call(self, call: Call, document: Document, made: dict[str, Any]) -> None:
        if call.create and call.each:
            lines = [Scope(self, {**document.header, **line}, made, index) for index, line in enumerate(document.lines)]
            for scope in lines:
                self._create(call, scope)
        elif call.create:
            self._create(call, Scope(self, document.header, made, lines=document.lines))
        elif call.write:
            scope = Scope(self, document.header, made, lines=document.lines)
            self.api.write(call.write, [scope.of(call.on)], scope.of(call.values))
            self._applied = True
        else:
            self._press(call, Scope(self, document.header, made))

    def _create(self, call: Call, scope: Scope) -> None:
        assert call.create is not None
        domain = [[name, "=", scope.of(pattern)] for name, pattern in call.once.items()]
        found = self.api.search(call.create, domain, ("id",), limit=2)
        if len(found) > 1:
            raise Refused(f"the ERP has more than one {call.create} of {', '.join(str(one[2]) for one in domain)}")
        if not found or (call.redo and self._discard(call, found[0]["id"])):
            taken = [condition for name, pattern in call.unique.items() if (condition := scope.condition(name, pattern))]
            if taken and self.api.search(call.create, taken, ("id",), limit=1):
                told = ", ".join(f"{name} {value!r}" for name, operator, value in taken if operator == "=")
                raise Refused(f"the ERP has a {call.create} with {told} already; it is another document")
            scope.keep(call.name, self.api.create(call.create, scope.of(call.values), scope.of(call.beside) or ()))
        else:
            scope.keep(call.name, found[0]["id"])

    def _press(self, call: Call, scope: Scope) -> None:
        model, _, button = (call.press or "").rpartition(".")
        if any(scope.values[name] != wanted for name, wanted in call.given.items()):
            return
        number = scope.of(call.on)
        there = self._there(model, number, (call.state, *call.needs))
        if there[call.state] not in call.before:
            return
        for name, values in call.needs.items():
            if there[name] not in values:
                raise Refused(f"the ERP says {name} {there[name]!r}, and the mapping has {button} only where it is {values!r}")
        self.api.press(model, button, [number])
        self._applied = True
        if (state := self._state(call, model, number)) in call.before:
            raise Refused(f"the ERP left it {state!r} when asked to {button}")

    def _state(self, call: Call, model: str, number: int) -> Any:
        return self._there(model, number, (call.state,))[call.state]

    def _there(self, model: str, number: int, names: Sequence[str]) -> Doc:
        found = self.api.search(model, [["id", "=", number]], names, limit=1)
        if not found:
            raise OutcomeUnknown(f"{model} {number} is gone while it was worked on.")
        return found[0]


class Scope:
    """Where the patterns of a call take their values from."""

    def __init__(
        self,
        sending: Sending,
        values: Mapping[str, Any],
        made: dict[str, Any],
        index: int | None = None,
        lines: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.sending, self.values, self.made, self.index, self.lines = sending, values, made, index, lines

    def keep(self, name: str, number: int) -> None:
        """A record that was made: ``$name`` of later calls, of the same line where it was made for one."""
        self.made[name if self.index is None else f"{name}[{self.index}]"] = number

    def of(self, pattern: Any) -> Any:
        if isinstance(pattern, str):
            return self._text(pattern)
        if isinstance(pattern, Mapping):
            for key, special in (("find", self._found), ("each", self._each), ("choose", self._chosen), ("join", self._joined)):
                if key in pattern:
                    return special(pattern)
            values = {name: self.of(one) for name, one in pattern.items()}
            return {name: one for name, one in values.items() if one is not None}  # the ERP's own defaults stand for the rest
        if isinstance(pattern, list | tuple):
            return [one for item in pattern for one in self._items(item) if one is not None]
        return pattern

    def _items(self, pattern: Any) -> Iterable[Any]:
        """What one element of a list stands for: with ``each`` many, none where the values do not call for it."""
        if not isinstance(pattern, Mapping):
            return (self.of(pattern),)
        if "each" in pattern:
            return self._each(pattern)
        wanted = fitting(pattern, self.values)
        return () if wanted is None else (self.of(wanted),)

    def _found(self, pattern: Mapping[str, Any]) -> int | None:
        """The record with these values; nothing where one of them is empty."""
        where = [self.condition(name, one) for name, one in pattern["where"].items()]
        known = [one for one in where if one is not None]
        if len(known) < len(where):
            return None
        return self.sending.find(pattern["find"], known, bool(pattern.get("any")), pattern.get("take", "id"))

    def condition(self, name: str, pattern: Any) -> list[Any] | None:
        """``field: value`` or ``field: [operator, value]`` as a condition of a search; None where that value is empty."""
        if isinstance(pattern, list | tuple):
            return [name, pattern[0], self.of(pattern[1])]
        wanted = self.of(pattern)
        return None if wanted is None else [name, "=", wanted]

    def _chosen(self, pattern: Mapping[str, Any]) -> Any:
        word = self.of(pattern["choose"])
        return self.of(pattern.get("" if word is None else word, pattern.get("else")))

    def _joined(self, pattern: Mapping[str, Any]) -> str | None:
        parts = [self.of(one) for one in pattern["join"]]
        return None if None in parts else "".join(map(str, parts))

    def _text(self, pattern: str) -> Any:
        if pattern.startswith("$"):
            name = pattern[1:]
            return self.made.get(f"{name}[{self.index}]", self.made.get(name))
        if found := BOUND.fullmatch(pattern):
            return self.values[found[1]]
        if found := MINUS.fullmatch(pattern):
            amount = self.values[found[1]]
            return None if amount is None else -Decimal(amount)
        return filled(pattern, self.values)

    def _each(self, pattern: Mapping[str, Any]) -> list[Any]:
        """A record for each line and pattern."""
        patterns = pattern["each"]
        listed = patterns if isinstance(patterns, list | tuple) else [patterns]
        scopes = [Scope(self.sending, {**self.values, **line}, self.made, index) for index, line in enumerate(self.lines)]
        return [one for scope in scopes for part in listed for one in scope._items(part)]
