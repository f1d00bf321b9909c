"""A connection that goes away while a document is carried over: whether it may be said that nothing was applied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from include.erp.jsonrpc.grammar import Call
from include.erp.jsonrpc.sending import Sending
from include.erp.transport import Document, Key
from include.financials.exceptions import OutcomeUnknown, RetryLater

VOID = Call.model_validate({"press": "account.invoice.cancel", "from": ["posted"]})
LINES = Call.model_validate({"create": "purchase.line", "each": "lines", "once": {"number": ":position"}, "as": "line"})


class Api:
    """An ERP of one document that is away from its ``away``-th question on."""

    def __init__(self, away: int) -> None:
        self.away, self.asked = away, 0
        self.state, self.made = "posted", 0

    def _ask(self) -> None:
        self.asked += 1
        if self.asked >= self.away:
            raise RetryLater("the ERP cannot be reached")

    def search(self, model: str, domain: Any, paths: Any, **_: Any) -> list[dict[str, Any]]:
        self._ask()
        return [{"id": 7, "state": self.state}] if model == "account.invoice" else []

    def press(self, model: str, button: str, ids: Sequence[int]) -> None:
        self._ask()
        self.state = "cancelled"

    def create(self, model: str, values: Any, beside: Sequence[Any] = ()) -> int:
        self._ask()
        self.made += 1
        return self.made


def send(api: Api, call: Call, *, there: bool) -> Any:
    lines = [{"position": 1}, {"position": 2}]
    key = Key("7") if there else None
    document = Document("i-1", "commitments", "01", "SC-1", "m-1", key, (0,), {}, lines)
    sending = Sending(cast(Any, None), [call], cast(Any, api), cast(Any, None))
    return sending.send(document, {"id": 7} if there else None, lambda: None)


def test_a_button_that_was_pressed_and_cannot_be_looked_at_is_in_doubt() -> None:
    assert send(Api(99), VOID, there=True).status == "done"
    for away in (1, 2):
        api = Api(away)
        with pytest.raises(RetryLater):
            send(api, VOID, there=True)
        assert api.state == "posted", "nothing was applied"
    api = Api(3)
    with pytest.raises(OutcomeUnknown, match="SC-1 was begun and not finished"):
        send(api, VOID, there=True)
    assert api.state == "cancelled"


def test_some_lines_of_the_first_call_are_not_nothing() -> None:
    with pytest.raises(RetryLater):
        send(Api(2), LINES, there=False)
    api = Api(3)
    with pytest.raises(OutcomeUnknown):
        send(api, LINES, there=False)
    assert api.made == 1


def test_a_record_that_depends_on_a_value_of_the_document_stands_after_those_of_its_lines() -> None:
    made: list[Any] = []

    class Taking(Api):
        def create(self, model: str, values: Any, beside: Any = ()) -> int:
            made.append(values)
            return super().create(model, values, beside)

    rows = [{"each": {"price": ":amount"}}, {"if": "markup", "price": ":markup"}]
    call = Call.model_validate({"create": "sale.sale", "once": {"number": "x"}, "values": {"number": "x", "lines": rows}})
    assert (call.binds(), call.line_binds()) == (("markup",), ("amount",))
    for markup, wanted in ((5, [1, 2, 5]), (0, [1, 2]), (None, [1, 2])):
        document = Document("i-1", "orders", "01", "x", "m", None, (0,), {"markup": markup}, [{"amount": 1}, {"amount": 2}])
        Sending(cast(Any, None), [call], cast(Any, Taking(99)), cast(Any, None)).send(document, None, lambda: None)
        assert [row["price"] for row in made.pop()["lines"]] == wanted
