"""The limits within which a reply of an ERP on the web is read."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import httpx
import pytest

from include.erp.json import web
from include.erp.json.numbers import dumps
from include.financials import replies
from include.financials.exceptions import ConfigurationError, RetryLater
from tests.unit.trickle import trickling

MB = 1024 * 1024
Answer = Callable[[httpx.Request], httpx.Response]


def client(answer: Answer) -> httpx.Client:
    return web.client(60.0, httpx.MockTransport(answer))


def pieces(taken: list[int], many: int, piece: bytes = b" " * MB) -> Iterator[bytes]:
    for number in range(many):
        taken.append(number)
        yield piece


@pytest.mark.parametrize("status", [200, 400])
def test_of_a_long_reply_no_more_is_read_than_a_limit(status: int) -> None:
    """Of one that says why something failed the beginning is enough."""
    taken: list[int] = []
    with client(lambda _: httpx.Response(status, content=pieces(taken, 3_000))) as one:
        if status == 200:
            with pytest.raises(web.Overlong) as found:
                one.get("https://erp.example.com/")
            told = web.silent(found.value, "https://erp.example.com")
            assert type(told) is ConfigurationError and "longer than 33,554,432 bytes" in str(told)
        else:
            assert len(one.get("https://erp.example.com/").content) == replies.MAX_ERROR_REPLY
    assert len(taken) <= 33


def test_what_is_small_on_its_way_and_large_unpacked_is_long() -> None:
    packed = gzip.compress(b" " * 40 * MB)
    assert len(packed) < MB
    answer = httpx.Response(200, headers={"Content-Encoding": "gzip"}, content=iter([packed]))
    with client(lambda _: answer) as one, pytest.raises(web.Overlong):
        one.get("https://erp.example.com/")


def test_a_packed_reply_is_unpacked_once() -> None:
    packed = gzip.compress(dumps({"amount": "1.00"}).encode())
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json", "Date": "Wed, 30 Sep 2026 18:00:00 GMT"}
    with client(lambda _: httpx.Response(200, headers=headers, content=packed)) as one:
        reply = one.get("https://erp.example.com/")
    assert (reply.json(), reply.headers["Date"]) == ({"amount": "1.00"}, headers["Date"])


def test_a_reply_that_comes_byte_after_byte_ends_with_the_time_for_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]

    def drops() -> Iterator[bytes]:
        while True:
            now[0] += 50.0  # each in time for itself
            yield b" "

    clock = SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr(replies, "time", clock)
    monkeypatch.setattr(web, "time", clock)
    answer = httpx.Response(200, content=drops())
    with client(lambda _: answer) as one, pytest.raises(httpx.ReadTimeout, match="no end of the reply") as found:
        one.get("https://erp.example.com/")
    assert now[0] <= 1100.0
    assert type(web.silent(found.value, "https://erp.example.com")) is RetryLater


def test_a_head_that_comes_line_after_line_ends_with_the_time_for_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        trickling(monkeypatch, 20.0) as (address, sent),
        web.client(60.0) as one,
        pytest.raises(httpx.ReadTimeout, match="no end of the reply after 60 s"),
    ):
        one.get(address)
    assert len(sent) < 9
