"""What the stand-ins share: a server in memory that is strict, and that fails on demand.

It is called with a request and answers it, in the process (``httpx.MockTransport``) or over a socket (:func:`served`).
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

import httpx

from include.erp.json import numbers

WRITES = ("POST", "PUT", "PATCH", "DELETE")


class Wrong(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, body: Any = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers or {}


@dataclass
class Fault:
    """Of the next request that fits. ``after``: its effect is there and the answer is lost; ``late``: the effect comes when
    :meth:`Standin.arrive` is called; ``before``: no effect."""

    method: str
    path: str
    when: Literal["before", "after", "late"]
    how: int | type[httpx.HTTPError]
    headers: dict[str, str] = field(default_factory=dict)


class Standin:
    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.log: list[httpx.Request] = []
        self._waiting: list[httpx.Request] = []
        self.time = datetime(2026, 9, 1, 12, tzinfo=UTC)

    # -- to be written by each

    def admit(self, request: httpx.Request) -> None:
        """Raises Wrong for who is not logged in. What is under way was admitted when it came."""

    def answer(self, request: httpx.Request) -> httpx.Response:
        raise NotImplementedError

    def wrong(self, status: int, message: str, code: str = "") -> Wrong:
        raise NotImplementedError

    # -- requests

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.log.append(request)
        fault = next((one for one in self.faults if one.method == request.method and re.search(one.path, request.url.path)), None)
        if fault is not None:
            self.faults.remove(fault)
            if fault.when == "after":
                self._answered(request)
            elif fault.when == "late":
                self.admit(request)
                self._waiting.append(request)
            if not isinstance(fault.how, int):
                raise fault.how("on demand", request=request)
            return self._reply(fault.how, {"message": "on demand"}, fault.headers)
        return self._answered(request)

    def arrive(self) -> None:
        """What was late takes effect now."""
        waiting, self._waiting = self._waiting, []
        for request in waiting:
            self._answered(request, admitted=True)

    def _answered(self, request: httpx.Request, *, admitted: bool = False) -> httpx.Response:
        self.time += timedelta(seconds=1)
        try:
            if not admitted:
                self.admit(request)
            reply = self.answer(request)
        except Wrong as wrong:
            reply = self._reply(wrong.status, wrong.body, wrong.headers)
        reply.headers.setdefault("Date", format_datetime(self.time, usegmt=True))
        return reply

    def _reply(self, status: int, body: Any = None, headers: Mapping[str, str] | None = None) -> httpx.Response:
        content = b"" if body is None else numbers.dumps(body).encode()
        return httpx.Response(status, content=content, headers={"Content-Type": "application/json", **(headers or {})})

    def sent(self, method: str, path: str) -> list[httpx.Request]:
        return [one for one in self.log if one.method == method and re.search(path, one.url.path)]

    @property
    def stamp(self) -> str:
        return self.time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def body_of(request: httpx.Request) -> Any:
    return json.loads(request.content, parse_float=Decimal) if request.content else {}


# -- $filter, as much of it as is documented to work: comparisons of one field with one literal, and, or, brackets

_TOKEN = re.compile(r"\s*(?:(\()|(\))|('(?:[^']|'')*'|datetimeoffset'[^']*')|([\w./:@-]+))")
Test = Callable[[Mapping[str, Any]], bool]


class Filter:
    """:param get: the value of a field in a record; raises KeyError for one that is none."""

    def __init__(self, text: str, get: Callable[[Mapping[str, Any], str], Any], known: Callable[[str], bool]) -> None:
        self.tokens = [next(part for part in found.groups() if part) for found in _TOKEN.finditer(text)]
        if "".join(self.tokens) != re.sub(r"\s+(?=(?:[^']*'[^']*')*[^']*$)", "", text):
            raise ValueError(f"syntax error in {text}")
        self.get, self.known, self.at = get, known, 0
        self.test = self._or()
        if self.at != len(self.tokens):
            raise ValueError(f"syntax error at {self.tokens[self.at]}")

    def _next(self) -> str:
        if self.at >= len(self.tokens):
            raise ValueError("the filter ends too early")
        self.at += 1
        return self.tokens[self.at - 1]

    def _is(self, word: str) -> bool:
        if self.at < len(self.tokens) and self.tokens[self.at] == word:
            self.at += 1
            return True
        return False

    def _or(self) -> Test:
        tests = [self._and()]
        while self._is("or"):
            tests.append(self._and())
        return lambda one: any(test(one) for test in tests)

    def _and(self) -> Test:
        tests = [self._one()]
        while self._is("and"):
            tests.append(self._one())
        return lambda one: all(test(one) for test in tests)

    def _one(self) -> Test:
        if self._is("("):
            test = self._or()
            if not self._is(")"):
                raise ValueError("a bracket is open")
            return test
        name, operator, literal = self._next(), self._next(), self._next()
        if not self.known(name):
            raise ValueError(f"there is no field {name}")
        wanted = _literal(literal)
        compare: Callable[[Any, Any], bool] = {
            "eq": lambda a, b: a == b, "ne": lambda a, b: a != b, "ge": lambda a, b: a >= b, "gt": lambda a, b: a > b,
            "le": lambda a, b: a <= b,
        }[operator]  # fmt: skip
        return lambda one: (found := self.get(one, name)) is not None and compare(_typed(found), wanted)


def _literal(text: str) -> Any:
    if text.startswith("datetimeoffset"):
        return datetime.fromisoformat(text[len("datetimeoffset'") : -1])
    if text.startswith("'"):
        return text[1:-1].replace("''", "'")
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text):
        return text
    try:
        return Decimal(text)
    except ArithmeticError:
        return datetime.fromisoformat(text)


def _typed(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT.*Z", value):
        return datetime.fromisoformat(value)
    return value


@contextmanager
def served(standin: Standin) -> Iterator[str]:
    """The stand-in on a socket of its own; the address of its host."""

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            host = f"http://127.0.0.1:{self.server.server_port}"  # type: ignore[attr-defined]
            request = httpx.Request(self.command, host + self.path, headers=dict(self.headers), content=content)
            try:
                reply = standin(request)
            except httpx.HTTPError:
                self.close_connection = True
                self.connection.close()
                return
            self.send_response_only(reply.status_code)
            for name, value in reply.headers.items():
                if name != "content-length":
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.content)))
            self.end_headers()
            self.wfile.write(reply.content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
