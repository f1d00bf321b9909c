"""The client against a real server: tokens, headers, limits, repetition, and replies that no server should send."""

from __future__ import annotations

import gc
import gzip
import logging
import socket
import ssl
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
import requests
from urllib3.exceptions import MaxRetryError
from urllib3.exceptions import SSLError as TlsError
from urllib3.response import HTTPResponse

from include.financials import replies
from include.financials.exceptions import ConfigurationError, ContractBroken, OutcomeUnknown, Refused, RetryLater
from include.procore import sessions
from include.procore.address import clean_url, login_url_for, redact
from include.procore.client import ProcoreClient
from include.procore.exceptions import Unavailable
from include.procore.pacing import UNSAID
from include.procore.wire import network_error, whole
from tests.unit.procore.fake import NOW, Answer, Call, Clock, FakeProcore
from tests.unit.trickle import trickling

Make = Callable[..., ProcoreClient]
THINGS = "/rest/v1.0/things"


def test_a_call_carries_token_and_company_and_keeps_numbers_exact(fake: FakeProcore, client: ProcoreClient) -> None:
    fake.script(THINGS, Answer(b'{"id": 90071992547409931, "total": 0.10, "odd": NaN, "long": ' + b"9" * 5000 + b"}"))
    reply = client.get(THINGS, {"view": "extended", "left_out": None})
    assert reply.data["id"] == 90071992547409931
    assert reply.data["total"] == Decimal("0.10")
    assert reply.data["odd"].is_nan()
    assert reply.data["long"] == Decimal("9" * 5000), "no field takes it, and its page goes on"
    call = fake.asked(THINGS)[0]
    assert call.headers["authorization"] == "Bearer token-1"
    assert call.headers["procore-company-id"] == "8089"
    assert call.query == [("view", "extended")]


def test_a_decimal_is_sent_as_the_number_that_it_is(fake: FakeProcore, client: ProcoreClient) -> None:
    """Digit for digit, wherever it stands; text that looks like one stays text."""
    fake.script(THINGS, Answer({}), method="PATCH")
    body = {"a": [Decimal("0.10"), {"b": Decimal("-1E+3")}], "c": Decimal("12345678901234567890.05"), "d": "1.50", "é": None}
    client.patch(THINGS, body)
    (call,) = fake.asked(THINGS)
    assert call.body == b'{"a": [0.10, {"b": -1000}], "c": 12345678901234567890.05, "d": "1.50", "\\u00e9": null}'
    assert call.headers["content-type"] == "application/json"
    for wrong in (Decimal("NaN"), object()):
        with pytest.raises(ContractBroken):
            client.patch(THINGS, {"a": wrong})
    assert len(fake.asked(THINGS)) == 1


def test_connections_are_kept_alive(fake: FakeProcore, client: ProcoreClient) -> None:
    fake.script(THINGS, Answer([]))
    for _ in range(3):
        client.get(THINGS)
    assert len({call.peer for call in fake.calls}) == 1


# ---------------------------------------------------------------------- tokens


def test_one_token_serves_all_clients_of_a_process(fake: FakeProcore, make_client: Make) -> None:
    fake.script(THINGS, Answer([]))
    for _ in range(3):
        make_client(client_id="shared").get(THINGS)
    assert len(fake.tokens) == 1


def test_a_wrong_secret_is_found_out_although_a_token_is_at_hand(fake: FakeProcore, make_client: Make) -> None:
    fake.script(THINGS, Answer([]))
    make_client(client_id="same").get(THINGS)
    with pytest.raises(ConfigurationError, match="refused the client credentials") as caught:
        make_client(client_id="same", client_secret="wrong-secret").get(THINGS)
    assert "wrong-secret" not in str(caught.value)


def test_a_token_is_renewed_before_its_end(fake: FakeProcore, client: ProcoreClient, clock: Clock) -> None:
    fake.script(THINGS, Answer([]))
    client.get(THINGS)
    clock.now += 5400 - 301
    client.get(THINGS)
    assert len(fake.tokens) == 1
    clock.now += 2
    client.get(THINGS)
    assert len(fake.tokens) == 2
    assert not [call for call in fake.asked(THINGS) if call.headers["authorization"] == "Bearer token-0"]


def test_a_short_lived_token_is_not_fetched_for_every_call(fake: FakeProcore, client: ProcoreClient) -> None:
    fake.expires_in = 60
    fake.script(THINGS, Answer([]))
    for _ in range(5):
        client.get(THINGS)
    assert len(fake.tokens) == 1


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_a_401_renews_once_and_repeats_once(fake: FakeProcore, client: ProcoreClient, method: str) -> None:
    fake.script(THINGS, Answer([]), method=method)
    client.request(method, THINGS)
    fake.valid.clear()
    client.request(method, THINGS)
    assert [call.headers["authorization"] for call in fake.asked(THINGS)] == [
        "Bearer token-1",
        "Bearer token-1",
        "Bearer token-2",
    ]


def test_the_second_401_is_a_matter_of_configuration(fake: FakeProcore, client: ProcoreClient) -> None:
    fake.script(THINGS, Answer({"message": "The access token is invalid"}, 401))
    with pytest.raises(ConfigurationError, match="check client id"):
        client.get(THINGS)
    assert len(fake.asked(THINGS)) == 2
    assert len(fake.tokens) == 2


def test_threads_that_meet_a_401_together_renew_once(fake: FakeProcore, client: ProcoreClient) -> None:
    fake.script(THINGS, Answer([]))
    client.get(THINGS)
    fake.valid.clear()
    gate = threading.Barrier(4)

    @fake.route(THINGS)
    def slow(call: Call) -> Answer:
        return Answer([])

    answer = fake.answer

    def meet(call: Call) -> Answer:
        if call.headers.get("authorization") == "Bearer token-1":
            gate.wait(timeout=10)
        return answer(call)

    fake.answer = meet  # type: ignore[method-assign]
    with ThreadPoolExecutor(4) as pool:
        assert [reply.data for reply in pool.map(lambda _: client.get(THINGS), range(4))] == [[], [], [], []]
    assert len(fake.tokens) == 2
    assert client.calls == 9


def test_no_token_from_an_overloaded_login_host(fake: FakeProcore, client: ProcoreClient, clock: Clock) -> None:
    fake.script("/oauth/token", Answer({"error": "busy"}, 503, {"Retry-After": "200"}), method="POST")
    with pytest.raises(RetryLater, match="no token yet") as caught:
        client.get(THINGS)
    assert caught.value.seconds == 200
    assert not clock.slept


@pytest.mark.parametrize("body", [{"token": "x"}, {"access_token": ""}, ["x"]])
def test_a_login_host_that_is_none(fake: FakeProcore, client: ProcoreClient, body: Any) -> None:
    fake.script("/oauth/token", Answer(body), method="POST")
    with pytest.raises(ContractBroken, match="is the login URL right"):
        client.get(THINGS)


def test_a_page_in_place_of_a_token_passes_and_says_where_to_look_if_it_does_not(
    fake: FakeProcore, client: ProcoreClient, clock: Clock
) -> None:
    token, page = fake.answer, Answer(b"<html>back soon</html>")
    fake.script("/oauth/token", page, page, Answer({"access_token": "token-1", "expires_in": 5400}), method="POST")
    fake.script(THINGS, Answer([]))
    fake.valid = {"token-1"}
    assert client.get(THINGS).rows == [] and token and len(clock.slept) == 2
    fake.script("/oauth/token", page, method="POST")
    fake.valid = set()
    with pytest.raises(RetryLater, match=r"^POST /oauth/token on 127.0.0.1:\d+ answered 200, but not .*is the login URL right"):
        client.get(THINGS)


@pytest.mark.parametrize("value", ["secret-one\n", "secret\r\nHost: x", "secret-\u20ac", "secret one", "secret\x00"])
def test_a_token_that_no_header_can_hold_is_refused_unquoted(fake: FakeProcore, client: ProcoreClient, value: str) -> None:
    fake.script("/oauth/token", Answer({"access_token": value, "expires_in": 5400}), method="POST")
    with pytest.raises(ContractBroken, match="is the login URL right") as caught:
        client.get(THINGS)
    assert "secret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("told", [None, 0, -4, True, "soon", "5400", 10**400, 1e308, [5400]])
def test_a_life_that_makes_no_sense_is_a_short_one(fake: FakeProcore, client: ProcoreClient, clock: Clock, told: Any) -> None:
    fake.expires_in = told
    fake.script(THINGS, Answer([]))
    client.get(THINGS)
    client.get(THINGS)
    clock.now += 5400
    client.get(THINGS)
    assert len(fake.tokens) == 2


def test_no_more_of_a_login_hosts_reply_is_unpacked_than_a_token_takes(
    fake: FakeProcore, client: ProcoreClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirty kilobytes on the wire, thirty million bytes in memory."""
    read: list[int] = []
    piece = HTTPResponse.read1

    def counted(reply: HTTPResponse, *given: Any, **named: Any) -> bytes:
        found = piece(reply, *given, **named)
        read.append(len(found))
        return found

    monkeypatch.setattr(HTTPResponse, "read1", counted)
    packed = gzip.compress(b" " * 30_000_000 + b"{}")
    fake.script("/oauth/token", Answer(packed, headers={"Content-Encoding": "gzip"}), method="POST")
    with pytest.raises(Unavailable, match="is the login URL right"):
        client.get(THINGS)
    assert 0 < sum(read) < 2_000_000


def test_a_login_host_that_points_elsewhere_is_not_followed(fake: FakeProcore, client: ProcoreClient) -> None:
    fake.script("/oauth/token", Answer(b"", 302, {"Location": "https://evil.example/login"}), method="POST")
    with pytest.raises(ConfigurationError, match=r"answered 302 and points to evil\.example.*Correct the login URL"):
        client.get(THINGS)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_certificates_that_are_not_there_are_named(
    make_client: Make, monkeypatch: pytest.MonkeyPatch, scheme: str, fake: FakeProcore
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    client = make_client(base_url=fake.url.replace("http:", f"{scheme}:"))
    with pytest.raises(ConfigurationError, match=r"/nowhere/ca\.pem, are not there: correct REQUESTS_CA_BUNDLE"):
        client.post(THINGS, {})
    assert not fake.calls


@pytest.mark.parametrize("proxy", ["http://", "socks5://127.0.0.1:9"])
def test_a_proxy_that_cannot_be_used_is_thought_of(
    fake: FakeProcore, client: ProcoreClient, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(ConfigurationError, match="proxy of the environment"):
        client.get(THINGS)


# ---------------------------------------------------------------------- limits


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"Retry-After": "8"}, 8, 9),
        ({"Retry-After": "8", "X-Rate-Limit-Reset": str(NOW + 30), "X-Rate-Limit-Remaining": "0"}, 8, 9),
        ({"X-Rate-Limit-Reset": str(NOW + 20)}, 20, 21),
        ({"Retry-After": formatdate(NOW + 10, usegmt=True)}, 10, 11),
    ],
    ids=["retry-after", "retry-after wins", "reset", "retry-after as a date"],
)
@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_a_429_waits_as_long_as_it_says(
    fake: FakeProcore, client: ProcoreClient, clock: Clock, headers: dict[str, str], least: float, most: float, method: str
) -> None:
    fake.script(THINGS, Answer({"message": "limit"}, 429, headers), Answer({"ok": True}), method=method)
    assert client.request(method, THINGS).data == {"ok": True}
    assert len(fake.asked(THINGS)) == 2
    assert len(clock.slept) == 1
    assert least <= clock.slept[0] <= most


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "soon", "X-Rate-Limit-Reset": "later"}], ids=["none", "unreadable"])
@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_a_429_that_says_no_time_is_left_to_the_caller(
    fake: FakeProcore, client: ProcoreClient, clock: Clock, headers: dict[str, str], method: str
) -> None:
    """The limit may be the hour's: asking again in a second would only prolong it."""
    fake.script(THINGS, Answer({"message": "limit"}, 429, headers), Answer({"ok": True}), method=method)
    with pytest.raises(RetryLater) as caught:
        client.request(method, THINGS)
    assert (caught.value.seconds, clock.slept, len(fake.asked(THINGS))) == (UNSAID, [], 1)
    clock.now += UNSAID
    assert client.request(method, THINGS).data == {"ok": True}


def test_a_long_wait_is_left_to_the_caller(fake: FakeProcore, client: ProcoreClient, clock: Clock) -> None:
    fake.script(THINGS, Answer({"message": "limit"}, 429, {"Retry-After": "1800"}))
    with pytest.raises(RetryLater) as caught:
        client.get(THINGS)
    assert caught.value.seconds == 1800
    assert not clock.slept
    with pytest.raises(RetryLater, match="not sent"):
        client.get(THINGS)
    assert len(fake.asked(THINGS)) == 1, "nothing more is sent while the limit lasts"


def test_the_waits_of_one_call_are_limited_together(fake: FakeProcore, client: ProcoreClient, clock: Clock) -> None:
    fake.script(THINGS, Answer({"message": "limit"}, 429, {"Retry-After": "25"}))
    with pytest.raises(RetryLater):
        client.get(THINGS)
    assert sum(clock.slept) <= 60
    assert len(fake.asked(THINGS)) == len(clock.slept) + 1 == 3


def test_with_nothing_left_the_next_call_waits_for_the_reset(fake: FakeProcore, client: ProcoreClient, clock: Clock) -> None:
    gone = {"X-Rate-Limit-Limit": "25", "X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Reset": str(NOW + 9)}
    fake.script(THINGS, Answer([], headers=gone), Answer([]))
    client.get(THINGS)
    assert not clock.slept
    assert (client.pace.limit, client.pace.remaining) == (25, 0)
    client.get(THINGS)
    assert len(clock.slept) == 1
    assert 9 <= clock.slept[0] <= 10


@pytest.mark.parametrize("reset", ["soon", "", "-5", str(NOW * 1000), str(NOW + 9 * 365 * 86400)])
def test_a_reset_that_cannot_be_says_nothing(fake: FakeProcore, client: ProcoreClient, clock: Clock, reset: str) -> None:
    """Milliseconds, a clock that is years off: neither may keep the account from its calls until then."""
    nothing_left = {"X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Reset": reset}
    fake.script(THINGS, Answer([], 200, nothing_left), Answer(None, 429, nothing_left), Answer([], 200))
    client.get(THINGS)
    assert client.pace.wait() == 0
    with pytest.raises(Unavailable) as caught:
        client.get(THINGS)
    assert caught.value.seconds == client.pace.wait() == UNSAID


@pytest.mark.parametrize("wait", ["1e9", "-5", "", "8 s", formatdate(NOW + 70 * 365 * 86400, usegmt=True)])
@pytest.mark.parametrize("status", [429, 503])
def test_a_retry_after_that_cannot_be_says_nothing(
    fake: FakeProcore, client: ProcoreClient, clock: Clock, wait: str, status: int
) -> None:
    """A wait of thirty years would outlast the process: nothing that it does later would ever be sent."""
    fake.script(THINGS, Answer({"message": "busy"}, status, {"Retry-After": wait}), Answer([]))
    if status == 503:
        assert client.get(THINGS).rows == [] and 0 < sum(clock.slept) <= 1
        return
    with pytest.raises(Unavailable) as caught:
        client.get(THINGS)
    assert caught.value.seconds == client.pace.wait() == UNSAID


def test_clients_of_one_account_and_company_share_their_budget(make_client: Make) -> None:
    first, second, other = (make_client(client_id=name, pace=None) for name in ("a", "a", "b"))
    assert first.pace is second.pace
    assert first.pace is not other.pace


# ---------------------------------------------------------------------- repetition


@pytest.mark.parametrize(
    "trouble",
    [
        Answer({"message": "x"}, 500),
        Answer(b"<html>", 502),
        Answer(None, 503),
        Answer(None, 408),
        Answer(drop=True),
        Answer([1], cut=True),
    ],
    ids=["500", "502", "503", "408", "dropped", "cut"],
)
def test_a_read_is_repeated_after_passing_trouble(
    fake: FakeProcore, client: ProcoreClient, clock: Clock, trouble: Answer
) -> None:
    fake.script(THINGS, trouble, trouble, Answer([{"id": 1}]))
    assert client.get(THINGS).data == [{"id": 1}]
    assert len(fake.asked(THINGS)) == 3
    assert len(clock.slept) == 2
    assert clock.slept[0] < clock.slept[1] * 2.5


def test_a_read_is_not_repeated_for_ever(fake: FakeProcore, client: ProcoreClient, clock: Clock) -> None:
    fake.script(THINGS, Answer(None, 500))
    with pytest.raises(RetryLater, match="answered 500"):
        client.get(THINGS)
    assert len(fake.asked(THINGS)) == 6
    assert sum(clock.slept) <= 60


@pytest.mark.parametrize(
    "trouble",
    [
        Answer({"message": "x"}, 500),
        Answer(b"", 502),
        Answer(None, 503),
        Answer(None, 503, {"Retry-After": "2"}),
        Answer(None, 504),
        Answer(None, 408),
        Answer({"id": 1}, 202),
        Answer(drop=True),
        Answer([1], cut=True),
    ],
    ids=["500", "502", "503", "503 and when to come back", "504", "408", "202", "dropped", "cut"],
)
@pytest.mark.parametrize("method", ["PATCH", "POST"])
def test_a_write_without_outcome_is_sent_once(
    fake: FakeProcore, client: ProcoreClient, clock: Clock, trouble: Answer, method: str
) -> None:
    fake.script(THINGS, trouble, method=method)
    with pytest.raises(OutcomeUnknown, match=f"{method} {THINGS}"):
        client.request(method, THINGS, body={"a": 1})
    assert len(fake.asked(THINGS)) == 1
    assert not clock.slept


def tls(error: ssl.SSLError) -> requests.exceptions.SSLError:
    """As requests raises it, whenever it came: in the handshake, while sending or while waiting."""
    return requests.exceptions.SSLError(MaxRetryError(mock.Mock(host="h", port=443), THINGS, TlsError(error)))


@pytest.mark.parametrize(
    "error",
    [
        ssl.SSLEOFError(8, "EOF occurred in violation of protocol (_ssl.c:2427)"),
        ssl.SSLError(1, "[SSL: DECRYPTION_FAILED_OR_BAD_RECORD_MAC] decryption failed or bad record mac (_ssl.c:2580)"),
        ssl.SSLError(1, "[SSL: TLSV1_ALERT_INTERNAL_ERROR] tlsv1 alert internal error (_ssl.c:2580)"),
    ],
    ids=["the pooled connection was closed", "bad record", "alert"],
)
def test_tls_that_breaks_on_the_way_says_nothing_of_a_write(
    fake: FakeProcore, client: ProcoreClient, clock: Clock, error: ssl.SSLError
) -> None:
    """To say "not sent" would invite somebody to enter by hand what may be there; and no host or certificate is wrong."""
    client.token()
    with mock.patch.object(client._session, "send", side_effect=tls(error)):
        with pytest.raises(OutcomeUnknown, match="the write may have been applied"):
            client.post(THINGS, {"a": 1})
        with pytest.raises(RetryLater, match="ended without an answer"):
            client.get(THINGS)


@pytest.mark.parametrize(
    "error",
    [
        ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate"),
        ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1000)"),
        ssl.SSLError(1, "[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] sslv3 alert handshake failure"),
    ],
)
def test_a_host_that_cannot_be_trusted_was_sent_nothing(fake: FakeProcore, client: ProcoreClient, error: ssl.SSLError) -> None:
    with (
        mock.patch.object(client._session, "send", side_effect=tls(error)),
        pytest.raises(ConfigurationError, match="not sent: no trusted TLS connection"),
    ):
        client.post(THINGS, {"a": 1})


def test_a_write_that_was_turned_away_is_repeated(fake: FakeProcore, client: ProcoreClient) -> None:
    fake.script(THINGS, Answer(None, 429, {"Retry-After": "2"}), Answer({"ok": 1}), method="PATCH")
    assert client.patch(THINGS, {"a": 1}).data == {"ok": 1}
    assert [call.json for call in fake.asked(THINGS)] == [{"a": 1}, {"a": 1}]


def test_a_write_carries_a_token_that_follows_from_its_intent(fake: FakeProcore, make_client: Make) -> None:
    """The same when it is sent again, by this process or by another; another one for another intent or another content."""

    def tokens(key: str, body: dict[str, int]) -> list[str]:
        fake.calls.clear()
        fake.script(THINGS, Answer(None, 429, {"Retry-After": "1"}), Answer({"id": 1}), method="POST")
        client = make_client()
        with client.writing(key, lambda: None):
            client.post(THINGS, body)
        return [call.headers["idempotency-token"] for call in fake.asked(THINGS)]

    first = tokens("intent 1", {"a": 1})
    assert len(first) == 2 and len({*first, *tokens("intent 1", {"a": 1})}) == 1
    assert not {*first} & {*tokens("intent 2", {"a": 1}), *tokens("intent 1", {"a": 2})}


@pytest.mark.parametrize("body", [[], "ok", None, [{"id": 1}]], ids=["list", "text", "nothing", "list of one"])
def test_a_write_whose_answer_is_no_record_is_in_doubt(fake: FakeProcore, client: ProcoreClient, body: Any) -> None:
    fake.script(THINGS, Answer(body), method="POST")
    with pytest.raises(OutcomeUnknown, match="where one record belongs"):
        _ = client.post(THINGS, {}).object


def test_a_conflict_is_in_doubt(fake: FakeProcore, client: ProcoreClient, clock: Clock) -> None:
    fake.script(THINGS, Answer({"message": "busy"}, 409), method="PATCH")
    with pytest.raises(OutcomeUnknown, match="409"):
        client.patch(THINGS, {})
    assert len(fake.asked(THINGS)) == 1
    assert not clock.slept


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_a_refused_connection_sent_nothing(make_client: Make, clock: Clock, method: str, fake: FakeProcore) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: every connection is refused
        client = make_client(base_url=f"http://127.0.0.1:{taken.getsockname()[1]}", login_url=fake.url)
        with pytest.raises(RetryLater, match="not sent: the host cannot be reached"):
            client.request(method, THINGS, body=None if method == "GET" else {})
    assert len(clock.slept) == 5


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        (socket.EAI_NONAME, ConfigurationError, r"not sent: there is no host named nowhere\.invalid"),
        (socket.EAI_AGAIN, RetryLater, "not sent: the host cannot be reached"),
    ],
    ids=["mistyped", "resolver away"],
)
def test_an_unknown_host_sent_nothing(
    make_client: Make, fake: FakeProcore, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[Exception], said: str
) -> None:
    known = socket.getaddrinfo

    def resolve(host: Any, *more: Any, **options: Any) -> Any:
        if host == "nowhere.invalid":
            raise socket.gaierror(code, "as the resolver says")
        return known(host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    client = make_client(base_url="https://nowhere.invalid", login_url=fake.url)
    with pytest.raises(kind, match=said):
        client.patch(THINGS, {})


def test_a_silent_server_is_not_waited_for(fake: FakeProcore, make_client: Make) -> None:
    done = threading.Event()

    @fake.route(THINGS, "PATCH")
    def silent(call: Call) -> Answer:
        done.wait(10)
        return Answer({})

    try:
        with pytest.raises(OutcomeUnknown, match="without an answer"):
            make_client(read_timeout=0.2).patch(THINGS, {})
    finally:
        done.set()
    assert len(fake.asked(THINGS)) == 1


def test_a_refusal_is_not_repeated(fake: FakeProcore, client: ProcoreClient) -> None:
    fake.script(THINGS, Answer({"errors": {"name": ["is taken"]}}, 422), method="POST")
    with pytest.raises(Refused, match="name: is taken") as caught:
        client.post(THINGS, {"name": "x"})
    assert caught.value.field == "name"
    assert len(fake.asked(THINGS)) == 1


# ---------------------------------------------------------------------- replies that cannot be used


UNUSABLE = [
    (b'[{"name": "caf\xe9"}]', "not UTF-8"),
    (b"<html>maintenance</html>", "not JSON"),
    (b"[" * 200_000, "nested too deeply"),
]


@pytest.mark.parametrize(("body", "why"), UNUSABLE[2:], ids=["deep"])
def test_an_unusable_reply_names_its_call(fake: FakeProcore, client: ProcoreClient, body: bytes, why: str) -> None:
    fake.script(THINGS, Answer(body))
    with pytest.raises(ContractBroken, match=f"GET {THINGS}.*{why}") as caught:
        client.get(THINGS)
    assert len(str(caught.value)) < 300
    assert len(fake.asked(THINGS)) == 1


GARBLED = [
    *UNUSABLE[:2],
    (b'["' + b"x" * 3_000_000, "3,000,002 bytes is not JSON"),
    (b'[{"id": 1}, {"id"', "not JSON"),
    (b"", "without a body"),
]


@pytest.mark.parametrize(("body", "why"), GARBLED, ids=["latin-1", "html", "3 MB", "truncated", "empty"])
def test_a_garbled_answer_to_a_read_passes_like_a_502(fake: FakeProcore, client: ProcoreClient, body: bytes, why: str) -> None:
    """A gateway's page under status 200 must not end a read for good."""
    fake.script(THINGS, Answer(body), Answer([{"id": 1}]))
    assert client.get(THINGS).rows == [{"id": 1}]
    fake.script(THINGS, *[Answer(body)] * 6)
    with pytest.raises(Unavailable, match=f"GET {THINGS}.*{why}") as caught:
        client.get(THINGS)
    assert len(str(caught.value)) < 300 and len(fake.asked(THINGS)) == 2 + 6


def test_a_page_of_another_content_type_is_no_answer_to_a_read(fake: FakeProcore, client: ProcoreClient) -> None:
    fake.script(THINGS, Answer("sign in", headers={"Content-Type": "text/html"}), Answer([]))
    assert client.get(THINGS).rows == []
    assert len(fake.asked(THINGS)) == 2


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_refusal_for_want_of_the_company_header_names_the_setting(
    fake: FakeProcore, client: ProcoreClient, status: int
) -> None:
    """The refusal is still being rolled out, and 404 has been seen."""
    fake.script(THINGS, Answer({"message": "Missing Procore-Company-Id header!"}, status))
    with pytest.raises(ConfigurationError, match="company_id"):
        client.get(THINGS)


@pytest.mark.parametrize(("body", "why"), UNUSABLE[:2], ids=["latin-1", "html"])
def test_an_unusable_answer_to_a_write_leaves_its_outcome_open(
    fake: FakeProcore, client: ProcoreClient, body: bytes, why: str
) -> None:
    fake.script(THINGS, Answer(body), method="PATCH")
    with pytest.raises(OutcomeUnknown, match=why):
        client.patch(THINGS, {})


def test_a_reply_beyond_the_limit_is_not_read_to_its_end(fake: FakeProcore, make_client: Make) -> None:
    fake.script(THINGS, Answer(b'["' + b"x" * 3_000_000 + b'"]'))
    with pytest.raises(ContractBroken, match="longer than 1,000,000 bytes"):
        make_client(max_reply=1_000_000).get(THINGS)


def test_a_reply_that_comes_byte_after_byte_ends_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte in time for itself, of a body whose length is told: nobody waits until a piece of it is full."""
    done, now = threading.Event(), [1000.0]

    def drip(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n[")
            done.wait(10)

    def later() -> float:
        now[0] += 50.0
        return now[0]

    monkeypatch.setattr(replies, "time", SimpleNamespace(monotonic=later))
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=drip, args=(server,), daemon=True).start()
        try:
            response = requests.get(f"http://127.0.0.1:{server.getsockname()[1]}/", stream=True, timeout=2)
            with response, pytest.raises(requests.exceptions.ReadTimeout, match="no end of the reply after 40 s"):
                whole(response, 1_000_000, 40.0)
        finally:
            done.set()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_head_that_comes_line_after_line_ends_with_its_time(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    with trickling(monkeypatch, 20.0) as (address, sent), sessions.session("8089") as session:
        with pytest.raises(requests.exceptions.ReadTimeout) as found:
            session.request(method, address, timeout=(5, 60))
        kind = type(network_error(found.value, f"{method} /rest/v1.0/things", write=method == "POST"))
    assert len(sent) < 9 and kind is (OutcomeUnknown if method == "POST" else Unavailable)


TWO_WAYS = {
    "two values": (b'[{"id": 1, "amount": 1, "amount": 2}]', r"has 'amount' twice in one object"),
    "ten thousand levels": (b"[" * 10_000 + b"]" * 10_000, "is nested too deeply"),
    "some hundred levels": (b'{"a":' * 300 + b"1" + b"}" * 300, "is nested too deeply"),
}


@pytest.mark.parametrize("odd", TWO_WAYS)
def test_what_nobody_can_read_is_told_and_leaves_a_write_open(fake: FakeProcore, client: ProcoreClient, odd: str) -> None:
    body, why = TWO_WAYS[odd]
    gc.collect()  # what earlier tests left has no room to end itself so deep in a text
    fake.script(THINGS, Answer(body))
    fake.script(THINGS, Answer(body), method="POST")
    with pytest.raises(ContractBroken, match=why):
        client.get(THINGS)
    with pytest.raises(OutcomeUnknown, match=why):
        client.post(THINGS, {})
    assert [call.method for call in fake.asked(THINGS)] == ["GET", "POST"], "nothing is asked twice"


def test_a_huge_error_page_gives_a_short_message(fake: FakeProcore, client: ProcoreClient) -> None:
    fake.script(THINGS, Answer(b"<p>sorry</p>" * 300_000, 400))
    with pytest.raises(Refused, match="sorry") as caught:
        client.get(THINGS)
    assert len(str(caught.value)) < 800


def test_a_redirect_is_not_followed(fake: FakeProcore, client: ProcoreClient) -> None:
    fake.script(THINGS, Answer(None, 302, {"Location": "https://evil.example/steal"}))
    with pytest.raises(ConfigurationError, match=r"points to evil\.example"):
        client.get(THINGS)
    assert len(fake.calls) == 2


@pytest.mark.parametrize("status", [301, 302, 303, 304, 307, 308, 399])
def test_a_redirect_of_a_write_leaves_its_outcome_open(fake: FakeProcore, client: ProcoreClient, status: int) -> None:
    """A 303 is how a server shows what it has just made; no setting is wrong for that."""
    fake.script(THINGS, Answer(None, status, {"Location": "https://evil.example/things/1"}), method="POST")
    with pytest.raises(OutcomeUnknown, match=rf"answered {status} and points to evil\.example: whether it was applied"):
        client.post(THINGS, {})
    assert len(fake.asked(THINGS)) == 1


def test_the_token_is_sent_to_the_api_host_only(fake: FakeProcore, client: ProcoreClient) -> None:
    with pytest.raises(ContractBroken, match="the token is not sent there"):
        client.get("https://evil.example/rest/v1.0/things")
    with pytest.raises(ContractBroken, match="the token is not sent there"):
        client.get(fake.url + ".evil.example/rest")
    assert not fake.calls


@pytest.mark.parametrize("body", [{"id": 1}, "text", None, 5])
def test_a_list_that_is_none(fake: FakeProcore, client: ProcoreClient, body: Any) -> None:
    fake.script(THINGS, Answer(body))
    with pytest.raises(ContractBroken, match=f"GET {THINGS} answered .* where a list belongs"):
        list(client.pages(THINGS))


def test_the_envelope_of_v2(fake: FakeProcore, client: ProcoreClient) -> None:
    fake.script(THINGS, Answer({"data": [{"id": "1"}]}))
    assert client.get(THINGS).rows == [{"id": "1"}]


# ---------------------------------------------------------------------- time, counting, logging


def test_time_is_the_servers(fake: FakeProcore, client: ProcoreClient, clock: Clock) -> None:
    fake.script("/rest/v1.0/me", Answer({"id": 1}))
    assert client.now() == datetime.fromtimestamp(NOW, UTC)
    clock.now += 90
    assert client.now() == datetime.fromtimestamp(NOW + 90, UTC)
    assert client.calls == 1


def test_calls_and_writes_are_counted_and_reported(fake: FakeProcore, make_client: Make) -> None:
    seen: list[tuple[str, str, int]] = []
    client = make_client(on_call=lambda method, path, status, seconds: seen.append((method, path, status)))
    fake.script(THINGS, Answer(None, 500), Answer([]))
    fake.script(THINGS, Answer(drop=True), method="PATCH")
    client.get(THINGS, {"filters[search]": "Smith"})
    with pytest.raises(OutcomeUnknown):
        client.patch(THINGS, {})
    assert (client.calls, client.writes) == (3, 1)
    assert seen == [("GET", THINGS, 500), ("GET", THINGS, 200), ("PATCH", THINGS, 0)]


def test_no_secret_and_no_content_in_the_log(fake: FakeProcore, client: ProcoreClient, caplog: pytest.LogCaptureFixture) -> None:
    fake.script(THINGS, Answer({"tax_id": "12-3456789"}), method="PATCH")
    with caplog.at_level(logging.DEBUG):
        client.request("PATCH", THINGS, params=[("filters[search]", "Smith"), ("page", "2")], body={"name": "Secret Vendor"})
    text = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("include."))
    assert f"PATCH {THINGS}?filters[search]=***&page=2 -> 200" in text
    for secret in ("secret-secret", "token-1", "Smith", "Secret Vendor", "12-3456789"):
        assert secret not in text
    assert "secret" not in repr(client)


def test_redact() -> None:
    assert redact("https://u:p@h.example/a/b?page=2&filters%5Bid%5D%5B%5D=5&view=x") == "/a/b?page=2&filters[id][]=***&view=x"


# ---------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("host", "login"),
    [
        ("https://api.procore.com", "https://login.procore.com"),
        ("https://sandbox.procore.com", "https://login-sandbox.procore.com"),
        ("https://api-monthly.procore.com", "https://login-sandbox-monthly.procore.com"),
        ("https://api.procoregov.com", "https://login.procoregov.com"),
        ("http://127.0.0.1:8765", "http://127.0.0.1:8765"),
    ],
)
def test_the_login_host_follows_from_the_api_host(host: str, login: str) -> None:
    assert login_url_for(clean_url(host, "x")) == login


def test_the_port_that_the_scheme_implies_makes_no_other_host() -> None:
    """Procore's links to the next page do not name it."""
    assert clean_url("https://api.procore.com:443", "x") == clean_url("https://api.procore.com", "x") == "https://api.procore.com"
    assert clean_url("http://localhost:80/", "x") == "http://localhost"
    assert clean_url("https://[2001:db8::1]:8443", "x") == "https://[2001:db8::1]:8443"


def test_a_company_is_known_by_its_number() -> None:
    assert ProcoreClient("https://api.procore.com", None, " 08089\n", "a", "b").company_id == "8089"


def test_a_host_without_scheme_is_taken_as_https() -> None:
    assert clean_url("api.procore.com/", "x") == clean_url("api.procore.com.", "x") == "https://api.procore.com"


@pytest.mark.parametrize("url", ["http://127.0.0.1:8765", "http://127.1.2.3:8765", "http://[::1]:8765", "http://localhost:8765"])
def test_plain_http_is_for_this_machine(url: str) -> None:
    assert clean_url(url, "x") == url


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://api.procore.com", "must look like"),
        ("https://", "must look like"),
        ("https://me:pw@api.procore.com", "must not hold credentials"),
        ("https://api.procore.com/rest", "must end after the host"),
        ("http://api.procore.com", "must begin with https"),
        ("http://api.procore.com.", "must begin with https"),
        ("http://procore.internal:8765", "must begin with https"),
        ("http://10.0.0.1", "must begin with https"),
        ("http://127.0.0.1.example", "must begin with https"),
        ("http://localhost.example", "must begin with https"),
        ("https://api.procore.com:port", "must look like"),
    ],
)
def test_a_wrong_address_is_explained(url: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as caught:
        ProcoreClient(url, None, 1, "a", "b")
    assert "pw" not in str(caught.value)
    with pytest.raises(ConfigurationError, match=why):
        ProcoreClient("https://api.procore.com", url, 1, "a", "b")


@pytest.mark.parametrize(
    ("company", "client_id", "secret"),
    [
        ("x1", "a", "b"),
        ("", "a", "b"),
        (1, "", "b"),
        (1, "a", ""),
        ("\uff18\uff10", "a", "b"),
        (True, "a", "b"),
        ("9" * 20, "a", "b"),
    ],
)
def test_a_connection_must_be_complete(company: Any, client_id: str, secret: str) -> None:
    with pytest.raises(ConfigurationError):
        ProcoreClient("https://api.procore.com", None, company, client_id, secret)
