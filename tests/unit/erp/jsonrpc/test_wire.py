"""What a failure of a request says: surely not applied, refused, or nobody knows."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from include.erp.json.numbers import dumps
from include.erp.json.tagged import loads
from include.erp.jsonrpc.api import Stale, Warned
from include.erp.jsonrpc.tryton import Tryton
from include.erp.jsonrpc.wire import Address, LoggedOut, Wire
from include.financials.exceptions import ConfigurationError, ContractBroken, NotPermitted, OutcomeUnknown, Refused, RetryLater

ADDRESS = Address.of("http://sync:s%40cret@127.0.0.1:8000/erp")
AWAY = {"Location": "https://me:s3cret@erp.example.com/made/7"}
Answer = Callable[[httpx.Request], httpx.Response]


def wire(answer: Answer) -> Wire:
    return Wire(ADDRESS, transport=httpx.MockTransport(answer))


def broken(error: type[httpx.HTTPError]) -> Answer:
    def answer(request: httpx.Request) -> httpx.Response:
        raise error("no")  # type: ignore[call-arg]

    return answer


def too_long() -> Iterator[bytes]:
    """A reply that never ends: nobody takes it into memory."""
    for _ in range(40):
        yield b" " * 1024 * 1024
    raise AssertionError("it is read on and on")


def test_an_address_has_its_parts_and_never_shows_the_password() -> None:
    assert (ADDRESS.login, ADDRESS.password, ADDRESS.database) == ("sync", "s@cret", "erp")
    assert "cret" not in f"{ADDRESS} {ADDRESS!r}"


@pytest.mark.parametrize(
    "url",
    ["https://host/erp", "https://me:x@host", "ftp://me:x@host/erp", "erp", "http://me:hidden@erp.example.com/erp"],
)
def test_an_address_that_lacks_a_part_or_sends_the_password_in_plain_text_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError) as found:
        Address.of(url)
    assert "hidden" not in str(found.value)


@pytest.mark.parametrize(
    ("answer", "reading", "writing"),
    [
        (broken(httpx.ConnectError), RetryLater, RetryLater),
        (broken(httpx.ConnectTimeout), RetryLater, RetryLater),
        (broken(httpx.ReadTimeout), RetryLater, OutcomeUnknown),
        (broken(httpx.RemoteProtocolError), RetryLater, OutcomeUnknown),
        (lambda _: httpx.Response(503, headers={"Retry-After": "7"}), RetryLater, OutcomeUnknown),
        (lambda _: httpx.Response(504), RetryLater, OutcomeUnknown),
        (lambda _: httpx.Response(429, headers={"Retry-After": "7"}), RetryLater, RetryLater),
        (lambda _: httpx.Response(200, text="<html>"), RetryLater, OutcomeUnknown),
        (lambda _: httpx.Response(200, text="[" * 100_000), ContractBroken, OutcomeUnknown),
        (lambda _: httpx.Response(200, text="[" * 5_000 + "]" * 5_000), ContractBroken, OutcomeUnknown),
        (lambda _: httpx.Response(200, text='{"amount": 1, "amount": 2}'), ContractBroken, OutcomeUnknown),
        (lambda _: httpx.Response(200, content=too_long()), ConfigurationError, OutcomeUnknown),
        (lambda _: httpx.Response(408), RetryLater, OutcomeUnknown),
        (lambda _: httpx.Response(425), RetryLater, RetryLater),
        (lambda _: httpx.Response(499), ConfigurationError, OutcomeUnknown),
        (lambda _: httpx.Response(202), ConfigurationError, OutcomeUnknown),
        (
            lambda _: httpx.Response(303, headers=AWAY),
            ConfigurationError,
            OutcomeUnknown,
        ),
        (lambda _: httpx.Response(504, headers={"Date": "yesterday"}), RetryLater, OutcomeUnknown),
        (lambda _: httpx.Response(401), LoggedOut, LoggedOut),
        (lambda _: httpx.Response(403), NotPermitted, NotPermitted),
        (lambda _: httpx.Response(404), ConfigurationError, ConfigurationError),
        (lambda _: httpx.Response(400), ConfigurationError, ConfigurationError),
        (lambda _: httpx.Response(302), ConfigurationError, OutcomeUnknown),
    ],
)
def test_what_is_known_after_a_failure(answer: Answer, reading: type[Exception], writing: type[Exception]) -> None:
    for writes, expected in ((False, reading), (True, writing)):
        with pytest.raises(expected) as found:
            wire(answer).post("/erp/rpc/", {}, writes=writes)
        assert type(found.value) is expected and "s3cret" not in str(found.value)


@pytest.mark.parametrize("stamp", ["yesterday", "", "Fri, 31 Dec 9999 23:59:59 -1200"])
def test_a_clock_that_cannot_be_read_is_no_failure(stamp: str) -> None:
    """A write that was applied is not taken for one that failed."""
    one = wire(lambda _: httpx.Response(200, json={"id": 1}, headers={"Date": stamp}))
    assert one.post("/", {}, writes=True) == {"id": 1} and one.now is None


@pytest.mark.parametrize(
    ("name", "value"), [("HTTPS_PROXY", "nonsense://x"), ("HTTPS_PROXY", "http://a:b:c"), ("SSL_CERT_FILE", "/nowhere/ca.pem")]
)
def test_surroundings_that_cannot_be_used_are_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=r"environment .*HTTPS_PROXY, SSL_CERT_FILE"):
        Wire(ADDRESS)


@pytest.mark.parametrize(
    ("cause", "kind", "said"),
    [
        (socket.gaierror(socket.EAI_NONAME, "not known"), ConfigurationError, r"no host named 127\.0\.0\.1\. Correct it"),
        (socket.gaierror(socket.EAI_AGAIN, "try again"), RetryLater, "cannot be reached"),
        (ssl.SSLCertVerificationError("hostname mismatch"), ConfigurationError, "its certificate is not trusted"),
        (ConnectionRefusedError(111, "refused"), RetryLater, "cannot be reached"),
    ],
)
def test_a_host_that_does_not_exist_is_no_outage(cause: OSError, kind: type[Exception], said: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        try:
            raise cause
        except OSError as error:
            raise httpx.ConnectError("no") from error

    for writes in (False, True):
        with pytest.raises(kind, match=said):
            wire(answer).post("/", {}, writes=writes)


@pytest.mark.parametrize(("said", "seconds"), [("7", 7), ("9" * 400, None), ("²", None), ("soon", None)])
def test_what_is_no_time_to_come_back_is_not_taken_for_one(said: str, seconds: float | None) -> None:
    with pytest.raises(RetryLater) as found:
        wire(lambda _: httpx.Response(429, headers=[(b"Retry-After", said.encode())])).post("/", {})
    assert found.value.seconds == seconds


def test_it_says_when_to_come_back() -> None:
    with pytest.raises(RetryLater) as found:
        wire(lambda _: httpx.Response(429, headers={"Retry-After": "7"})).post("/", {})
    assert found.value.seconds == 7


class Server:
    """Answers log-ins, and everything else as told, one answer after the other."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.asked = list(answers), list[Any]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = loads(request.content)
        method = body["method"]
        self.asked.append(method)
        if method == "common.db.login":
            return self._json([7, f"token-{len(self.asked)}", None])
        if method.endswith("get_preferences"):
            return self._json({"company": 1, "language": "en"})
        if method.endswith("warning.skip"):
            return self._json(None)
        answer = self.answers.pop(0)
        return answer if isinstance(answer, httpx.Response) else self._json(answer)

    @staticmethod
    def _json(result: Any) -> httpx.Response:
        body = result if isinstance(result, dict) and "error" in result else {"id": 1, "result": result}
        return httpx.Response(200, content=dumps(body))


WARNING = {"error": ["UserWarning", ["abc.invoice_similar", "There is one like it", ""]]}


def test_a_session_that_ended_is_renewed_and_the_call_made_again() -> None:
    server = Server(httpx.Response(401), [[1]])
    assert Tryton(wire(server)).call("model.account.invoice", "post", [1], writes=True) == [[1]]
    assert [method for method in server.asked if not method.endswith("preferences")] == [
        "common.db.login", "model.account.invoice.post", "common.db.login", "model.account.invoice.post",
    ]  # fmt: skip


def test_a_server_that_ends_each_session_is_asked_twice_only() -> None:
    with pytest.raises(ConfigurationError):
        Tryton(wire(Server(*[httpx.Response(401)] * 9))).call("model.party.party", "read")


def test_a_warning_is_accepted_only_where_the_policy_says_so() -> None:
    server = Server(WARNING, True)
    assert Tryton(wire(server), warnings={"invoice_similar": "accept"}).call("model.account.invoice", "post", [1], writes=True)
    assert server.asked[-2:] == ["model.res.user.warning.skip", "model.account.invoice.post"]
    for policy in ({}, {"invoice_similar": "refuse"}, {"other": "accept"}):
        with pytest.raises(Warned, match="There is one like it"):
            Tryton(wire(Server(WARNING)), warnings=policy).call("model.account.invoice", "post", [1], writes=True)


def test_a_warning_that_comes_again_after_it_was_accepted_is_a_refusal() -> None:
    with pytest.raises(Warned):
        Tryton(wire(Server(WARNING, WARNING)), warnings={"invoice_similar": "accept"}).call("model.account.invoice", "post", [1])


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (["UserError", ["The period is closed", "reopen it", None]], Refused),
        (["ConcurrencyException", ["Record modified"]], Stale),
        (["database is locked", "Traceback"], RetryLater),
        (["'NoneType' object has no attribute 'id'", "Traceback"], Refused),
    ],
)
def test_what_the_erp_says(error: Any, expected: type[Exception]) -> None:
    with pytest.raises(expected) as found:
        Tryton(wire(Server({"error": error}))).call("model.account.move", "post", [1], writes=True)
    assert type(found.value) is expected


@pytest.mark.parametrize("odd", [None, 5, "7", [], ["7"], [7, 8], [True], [None], {"id": 7}, [0]])
def test_a_record_that_the_answer_does_not_name_may_have_been_made(odd: Any) -> None:
    with pytest.raises(OutcomeUnknown, match="party"):
        Tryton(wire(Server({"name": {"type": "char"}}, odd))).create("party.party", {"name": "A"})


@pytest.mark.parametrize("odd", [None, 5, "none", {"id": 7}, [5], [None]])
def test_what_is_no_list_of_records_is_not_none_of_them(odd: Any) -> None:
    with pytest.raises(ContractBroken, match="where a list of records belongs"):
        Tryton(wire(Server(odd))).search("party.party", [], ["name"])


@pytest.mark.parametrize("odd", [None, 5, "no", {}, []])
def test_an_error_that_says_nothing_leaves_a_write_in_doubt(odd: Any) -> None:
    for writes, kind in ((True, OutcomeUnknown), (False, ContractBroken)):
        with pytest.raises(kind):
            Tryton(wire(Server({"error": odd}))).call("model.account.move", "post", [1], writes=writes)
