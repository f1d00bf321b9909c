"""Log-ins, pages, questions and ETags of a small service that can be asked in every way."""

from __future__ import annotations

import base64
import json
import re
import socket
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from include.erp.__main__ import main
from include.erp.json.numbers import dumps
from include.erp.mapping.loading import read_mapping
from include.erp.mapping.spec import EntitySpec, LinesSpec, MappingSpec, WriteSpec
from include.erp.rest.answers import Answer, Meaning
from include.erp.rest.asking import Beside, Conditions, Domain, Language, Lookup
from include.erp.rest.grammar import (
    Auth,
    Call,
    ErrorRow,
    Errors,
    Idempotency,
    Paging,
    RestEntity,
    RestLines,
    RestMapping,
    RestWrite,
    Source,
)
from include.erp.rest.transport import RestTransport
from include.erp.system import MappedSystem
from include.financials.exceptions import ConfigurationError, ContractBroken, OutcomeUnknown, RetryLater
from include.financials.port import NO_ID, Outcome, Window
from tests.unit.erp.rest.acumatica import Acumatica
from tests.unit.erp.rest.standin import Fault, Standin, Wrong, body_of, served
from tests.unit.erp.strangers import commitment, item

MAPPING = """\
kind: rest
system: small
address: {company: null}
base: api/{company}
auth: {preset: basic}
records: items
paging: {preset: offset, limit: limit, offset: offset, most: 4}
etag: header
idempotency: Idempotency-Key
errors:
  words: error
  code: code
  table:
    - {code: VENDOR_HOLD, field: vendor}
    - {says: "(?i)try again", means: later}
    - {status: 409, means: unknown}
entities:
  commitments:
    from:
      path: orders
      order: {sort: id}
      expand: {include: lines}
      ask: {since: {changed_after: "{since}"}, scope: {job: "{scope}"}, marker: {reference: "{marker}"}}
      one: orders/{id}
    id: id
    company: _address.company
    number: number
    scope: job
    changed_since: changed
    fields:
      kind: {constant: subcontract}
      project: job
      vendor: vendor
      title: title
      status: {column: state, map: {open: open, void: void}}
      amount: amount
    lines:
      from: lines
      fields:
        id: "{_document.number}/{_index}"
        position: _index
        cost_code: code
        cost_type: type
        amount: amount
    find: {marker: reference, void: {status: void}}
    capabilities: {create: true, update: true, void: true}
    write:
      record: {key: id}
      create:
        - post: orders
          body:
            number: ":number"
            job: ":project"
            vendor: ":vendor"
            title: ":title"
            amount: ":amount"
            reference: ":marker"
            lines: {each: {code: ":cost_code", type: ":cost_type", amount: ":amount"}}
      update:
        - {when: title, match: true, patch: "orders/{key}", body: {title: ":title"}}
        - {when: vendor, match: true, patch: "orders/{key}", body: {vendor: ":vendor"}}
      void:
        - {match: true, delete: "orders/{key}"}
"""


class Small(Standin):
    """Orders, with every way of paging; which one is asked is in the log."""

    def __init__(self) -> None:
        super().__init__()
        self.orders: list[dict[str, Any]] = []
        self.largest = 3
        self.total = ""
        """What a range says of the length of the list, if not the truth."""
        self.excluded = False
        """Ranges as Tryton has them: the second number is the first record that is not wanted, and the answer is a plain 200."""
        self.keys: dict[str, httpx.Response] = {}
        self.allowed: Callable[[httpx.Request], bool] = lambda request: request.headers.get("Authorization") == BASIC

    def wrong(self, status: int, message: str, code: str = "") -> Wrong:
        return Wrong(status, {"error": message, "code": code})

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/site/login":
            return self._reply(200, {"auth": {"token": f"t{len(self.log)}"}})
        if request.url.path == "/site/logout":
            return self._reply(200, {})
        if not self.allowed(request):
            raise self.wrong(401, "who are you")
        _, found, rest = request.url.path.partition("/site/api/7/orders")
        if not found:
            raise self.wrong(404, "no such path")
        if rest:
            return self._one(request, next((one for one in self.orders if f"/{one['id']}" == rest), None))
        return self._list(request) if request.method == "GET" else self._create(request)

    def _list(self, request: httpx.Request) -> httpx.Response:
        query = dict(request.url.params)
        found = [one for one in self.orders if one["state"] != "gone"]
        sort = query.pop("sort", "id")
        found.sort(key=lambda one: str(one[sort]))
        for parameter, field in (("job", "job"), ("reference", "reference")):
            if (wanted := query.pop(parameter, None)) is not None:
                found = [one for one in found if one[field] == wanted]
        if (since := query.pop("changed_after", None)) is not None:
            found = [one for one in found if datetime.fromisoformat(one["changed"]) >= datetime.fromisoformat(since)]
        if query.pop("include", "") != "lines":
            found = [{name: value for name, value in one.items() if name != "lines"} for one in found]
        size = min(self.largest, int(query.pop("limit", self.largest)))
        page, offset = query.pop("page", None), int(query.pop("offset", 0))
        start = (int(page) - 1) * size if page else offset
        if ranged := request.headers.get("Range"):
            first, last = ranged.removeprefix("items=").split("-")
            start, size = int(first), min(size, int(last) - int(first) + (not self.excluded))
            if start >= len(found):
                raise Wrong(416)
        if query:
            raise self.wrong(400, f"unknown {sorted(query)}")
        shown = found[start : start + size]
        more = (
            {"Link": f'<{request.url.copy_set_param("offset", str(start + size))}>; rel="next"'}
            if start + size < len(found)
            else {}
        )
        if ranged and self.excluded:
            return self._reply(
                200, {"items": shown}, {"Content-Range": f"items {start}-{start + len(shown)}/{self.total or len(found)}"}
            )
        return self._reply(206 if ranged else 200, {"items": shown}, more)

    def _create(self, request: httpx.Request) -> httpx.Response:
        key = request.headers["Idempotency-Key"]
        if key in self.keys:
            return self.keys[key]
        body = body_of(request)
        if body["vendor"] == "V2":
            raise self.wrong(422, "the vendor is on hold", "VENDOR_HOLD")
        number = len(self.orders) + 1
        self.orders.append({"id": f"o{number:02d}", "state": "open", "version": 1, "changed": self.stamp, **body})
        self.keys[key] = self._reply(201, {"id": f"o{number:02d}"})
        return self.keys[key]

    def _one(self, request: httpx.Request, order: dict[str, Any] | None) -> httpx.Response:
        if order is None:
            raise self.wrong(404, "no such order")
        tag = f'"{order["version"]}"'
        if request.method == "GET":
            return self._reply(200, order, {"ETag": tag})
        if request.headers.get("If-Match") != tag:
            raise self.wrong(428 if "If-Match" not in request.headers else 412, "it has changed")
        order |= {"state": "void"} if request.method == "DELETE" else body_of(request)
        order["version"] += 1
        return self._reply(204, headers={"ETag": f'"{order["version"]}"'})


BASIC = "Basic " + base64.b64encode(b"me:secret:1").decode()


def small(
    folder: Path, standin: Small, *changes: tuple[str, str], address: str = "http://me:secret%3A1@127.0.0.1/site?company=7"
) -> MappedSystem:
    text = MAPPING
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / "small.yaml"
    path.write_text(text, encoding="utf-8")
    mapping = read_mapping(path, RestMapping)
    transport = RestTransport(address, mapping, wire=httpx.MockTransport(standin), pause=lambda _: None)
    return MappedSystem(mapping, transport, origin_system="procore:8089")


def send(system: MappedSystem, *numbers: str, action: Any = "create", **more: Any) -> list[Outcome]:
    (step,) = system.steps("commitments", action)
    return system.post(step, [item(commitment(number, **({"contract_date": None} | more)), company="7") for number in numbers])


def everything(system: MappedSystem) -> list[str]:
    pages = list(system.read("commitments"))
    assert all(not page.invalid for page in pages), [one.message for page in pages for one in page.invalid]
    return [one.id for page in pages for one in page.records]


# -- paging

PAGINGS = {
    "offset": "{preset: offset, limit: limit, offset: offset, most: 4}",
    "page": "{preset: page, limit: limit, page: page, most: 2}",
    "link": "{preset: next, link: header, limit: limit, most: 4}",
    "range": "{preset: range, unit: items, most: 4}",
    "range without its end": "{preset: range, unit: items, end: excluded, most: 2}",
    "none": "{preset: none}",
}


@pytest.mark.parametrize("preset", PAGINGS)
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 8])
def test_every_way_of_paging_gives_the_whole_list(tmp_path: Path, preset: str, count: int) -> None:
    standin = Small()
    standin.excluded = "without" in preset
    system = small(tmp_path, standin, (PAGINGS["offset"], PAGINGS[preset]))
    if count:
        send(system, *(f"SC-{n}" for n in range(count)))
    standin.largest = 100 if preset == "none" else 3
    assert everything(system) == [f"o{n:02d}" for n in range(1, count + 1)]


@pytest.mark.parametrize(("total", "asked"), [("", 3), ("*", 4)])
def test_a_list_whose_length_is_told_is_not_asked_beyond_it(tmp_path: Path, total: str, asked: int) -> None:
    standin = Small()
    standin.excluded, standin.total, standin.largest = True, total, 3
    system = small(tmp_path, standin, (PAGINGS["offset"], PAGINGS["range without its end"].replace("most: 2", "most: 3")))
    send(system, *(f"SC-{n}" for n in range(7)))
    standin.log.clear()
    assert len(everything(system)) == 7 and len(standin.sent("GET", "/orders$")) == asked


@pytest.mark.parametrize("preset", ["offset", "range"])
def test_a_list_that_never_stands_still_is_read_later(tmp_path: Path, preset: str) -> None:
    standin = Small()
    system = small(tmp_path, standin, (PAGINGS["offset"], PAGINGS[preset]))
    send(system, *(f"SC-{n}" for n in range(8)))
    answer = standin.answer

    def moving(request: httpx.Request) -> httpx.Response:
        reply = answer(request)
        standin.orders.append({**standin.orders.pop(0), "id": f"p{len(standin.log):03d}"})
        return reply

    standin.answer = moving  # type: ignore[method-assign]
    with pytest.raises(RetryLater, match="changes faster than it can be read"):
        everything(system)


@pytest.mark.parametrize("length", [1, 2, 3, 7])
def test_links_that_come_round_again_are_no_endless_loop(tmp_path: Path, length: int) -> None:
    standin = Small()
    system = small(tmp_path, standin, (PAGINGS["offset"], PAGINGS["link"]))

    def circling(request: httpx.Request) -> httpx.Response:
        at = int(request.url.params.get("offset", "0"))
        onward = 3 + (at - 2) % length if at >= 3 else at + 1
        return httpx.Response(200, json={"items": []}, headers={"Link": f"</site/api/7/orders?offset={onward}>; rel=next"})

    standin.answer = circling  # type: ignore[method-assign]
    with pytest.raises(ContractBroken, match="the list goes in a circle"):
        everything(system)
    assert len(standin.log) < 4 * (length + 3)


@pytest.mark.parametrize("form", ['rel="prev next"', 'REL="Next"', "title=x; rel=next", 'rel = "next"'])
def test_a_link_onward_in_every_spelling(tmp_path: Path, form: str) -> None:
    standin = Small()
    system = small(tmp_path, standin, (PAGINGS["offset"], PAGINGS["link"]))
    send(system, *(f"SC-{n}" for n in range(5)))
    answer = standin.answer

    def spelt(request: httpx.Request) -> httpx.Response:
        reply = answer(request)
        if "Link" in reply.headers:
            reply.headers["Link"] = '</none>; rel="next-archive", ' + reply.headers["Link"].replace('rel="next"', form)
        return reply

    standin.answer = spelt  # type: ignore[method-assign]
    assert len(everything(system)) == 5


def test_an_erp_that_knows_no_pages_is_not_read_for_ever(tmp_path: Path) -> None:
    """It leaves the parameter alone, and each page is the first one."""
    standin = Small()
    system = small(tmp_path, standin, (PAGINGS["offset"], PAGINGS["page"]))
    send(system, "SC-1", "SC-2", "SC-3")
    answer = standin.answer
    standin.answer = lambda request: answer(  # type: ignore[method-assign]
        httpx.Request(request.method, request.url.copy_remove_param("page"), headers=request.headers)
    )
    with pytest.raises(ContractBroken, match=r"page 2 has the records of the one before it\. Does the ERP know parameter 'page'"):
        everything(system)


@pytest.mark.parametrize(
    ("location", "there"), [("https://evil.example.com/x", r"evil\.example\.com"), ("/login", "elsewhere"), (None, "elsewhere")]
)
def test_an_erp_that_points_elsewhere_is_not_followed(tmp_path: Path, location: str | None, there: str) -> None:
    standin = Small()
    system = small(tmp_path, standin)
    headers = {} if location is None else {"Location": location}
    standin.answer = lambda request: httpx.Response(302, headers=headers)  # type: ignore[method-assign]
    with pytest.raises(ConfigurationError, match=rf"answered 302 and points to {there}; correct the address"):
        everything(system)


@pytest.mark.parametrize(
    "auth", ["{preset: basic}", "{preset: oauth2, url: 'http://127.0.0.1/token'}", "{preset: session, login: login}"]
)
def test_a_host_that_does_not_exist_is_no_outage(tmp_path: Path, auth: str) -> None:
    standin = Small()
    system = small(tmp_path, standin, ("auth: {preset: basic}", f"auth: {auth}"))

    def nowhere(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no") from socket.gaierror(socket.EAI_NONAME, "not known")

    standin.answer = nowhere  # type: ignore[method-assign]
    with pytest.raises(ConfigurationError, match=r"There is no host named 127\.0\.0\.1\. Correct it in the ERP"):
        everything(system)
    with pytest.raises(ConfigurationError, match="There is no host named"):
        send(system, "SC-1")


def test_parts_that_make_no_address_are_explained(tmp_path: Path) -> None:
    system = small(tmp_path, Small(), address="http://me:secret%3A1@127.0.0.1/site?company=7%0a")
    with pytest.raises(ConfigurationError, match="its parts make no address with the path 'orders'") as caught:
        everything(system)
    assert "secret" not in "".join(traceback.format_exception(caught.value))


# -- questions


def test_questions_by_parameters(tmp_path: Path) -> None:
    standin = Small()
    system = small(tmp_path, standin)
    send(system, "SC-1", project="J1")
    standin.time = datetime(2026, 9, 2, tzinfo=UTC)
    send(system, "SC-2", project="J2")
    send(system, "SC-3", project="J3")
    since = Window(datetime(2026, 9, 2, tzinfo=UTC), None)
    assert [one.number for page in system.read("commitments", window=since) for one in page.records] == ["SC-2", "SC-3"]
    of_two = [one.number for page in system.read("commitments", scopes=["J1", "J3"]) for one in page.records]
    assert of_two == ["SC-1", "SC-3"], "a question for each project, where they cannot be asked together"
    assert list(system.keys("commitments", scopes=["J2", "none"])) == ["o02"]
    assert [page.records for page in system.read("commitments", scopes=[])] == [[]]
    assert list(system.keys("commitments", scopes=["", "J2"])) == ["o02"], (
        "it cannot be asked for those of no project: looked through"
    )
    (page,) = list(system.read_ids("commitments", [("J1", "o01"), (None, "o99"), ("J1", "o02")]))
    assert [one.id for one in page.records] == ["o01"] and page.hidden == []


def test_what_is_hidden_is_not_gone(tmp_path: Path) -> None:
    standin = Small()
    system = small(tmp_path, standin)
    standin.faults.append(Fault("GET", "/orders/o01$", "before", 403))
    (page,) = list(system.read_ids("commitments", [(None, "o01")]))
    assert (page.records, page.hidden) == ([], ["o01"])


# -- writing


def test_an_etag_of_a_header(tmp_path: Path) -> None:
    standin = Small()
    system = small(tmp_path, standin)
    send(system, "SC-1")
    (step,) = system.steps("commitments", "update")
    changed = item(commitment("SC-1", title="New", contract_date=None), company="7", changes=("title",), erp_key="o01")
    assert system.post(step, [changed])[0].message is None and standin.orders[0]["title"] == "New"
    both = item(
        commitment("SC-1", title="Newer", vendor="V3", contract_date=None),
        company="7",
        changes=("title", "vendor"),
        erp_key="o01",
    )
    assert system.post(step, [both])[0].message is None and (standin.orders[0]["title"], standin.orders[0]["vendor"]) == (
        "Newer",
        "V3",
    )
    (void,) = system.steps("commitments", "void")
    assert system.post(void, [both])[0].status == "confirmed" and standin.orders[0]["state"] == "void"
    assert standin.sent("DELETE", "o01")[0].headers["If-Match"] == '"4"'


def test_a_key_of_its_own_for_each_request_the_same_when_it_is_sent_again(tmp_path: Path) -> None:
    standin = Small()
    system = small(tmp_path, standin)
    standin.faults.append(Fault("POST", "/orders$", "late", 504))
    with pytest.raises(OutcomeUnknown):
        send(system, "SC-1")
    send(system, "SC-1")
    standin.arrive()
    assert len(standin.orders) == 1, "the late one carries the same key"
    send(system, "SC-2")
    keys = [one.headers["Idempotency-Key"] for one in standin.sent("POST", "/orders$")]
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize("key", ["..", ".", "a/../../secret", "o01?x=1", "o01#x"])
def test_an_id_cannot_name_another_place(tmp_path: Path, key: str) -> None:
    standin = Small()
    system = small(tmp_path, standin, ('delete: "orders/{key}"', 'delete: "orders/{number}"'))
    send(system, "SC-1")
    standin.orders[0] |= {"id": "o01", "number": key}
    (step,) = system.steps("commitments", "void")
    voided = item(commitment(key, contract_date=None), company="7", erp_key="o01")
    assert system.post(step, [voided])[0].status == "rejected" and standin.orders[0]["state"] == "open"
    assert all(one.url.path.startswith("/site/api/7/orders") for one in standin.log)
    assert [page.records for page in system.read_ids("commitments", [(None, key)])] == [[]]


def test_the_table_of_errors(tmp_path: Path) -> None:
    standin = Small()
    system = small(tmp_path, standin)
    (held,) = send(system, "SC-1", vendor="V2")
    assert (held.status, held.field, held.message) == ("rejected", "vendor", "SC-1: VENDOR_HOLD: the vendor is on hold")
    answer = standin.answer
    for reply, raised in (
        (Wrong(400, {"error": "Try again in a minute", "code": "LOCKED"}, {"Retry-After": "60"}), RetryLater),
        (Wrong(409, {"error": "in doubt"}), OutcomeUnknown),
        (Wrong(408, {"error": "slow"}), OutcomeUnknown),
        (Wrong(499, {"error": "the client closed the connection"}), OutcomeUnknown),
        (Wrong(302, None, {"Location": "/login"}), OutcomeUnknown),
    ):

        def wrong(request: httpx.Request, reply: Wrong = reply) -> httpx.Response:
            if request.method == "POST":
                raise reply
            return answer(request)

        standin.answer = wrong  # type: ignore[method-assign]
        with pytest.raises(raised):
            send(system, "SC-1")
    standin.answer = lambda request: answer(request) if request.method == "GET" else httpx.Response(201, content=b"<html>")  # type: ignore[method-assign]
    with pytest.raises(OutcomeUnknown, match="cut off"):
        send(system, "SC-1")


def hooked(answer: Answer) -> Meaning | None:
    """A service that says no with a 200."""
    if answer.status == 201 and isinstance(answer.body, dict) and answer.body.get("ok") is False:
        return Meaning("refused", "ZERO: " + answer.body["why"], "amount")
    return None


def test_a_hook_decides_what_an_answer_means(tmp_path: Path) -> None:
    standin = Small()
    system = small(tmp_path, standin, ("errors:\n", f"errors:\n  hook: {__name__}:hooked\n"))
    answer = standin.answer
    standin.answer = lambda request: (  # type: ignore[method-assign]
        answer(request) if request.method == "GET" else httpx.Response(201, json={"ok": False, "why": "not of nothing"})
    )
    (refused,) = send(system, "SC-1")
    assert (refused.status, refused.field, refused.message) == ("rejected", "amount", "SC-1: ZERO: not of nothing")


def test_a_number_is_never_a_float(tmp_path: Path) -> None:
    standin = Small()
    system = small(tmp_path, standin)
    send(system, "SC-1")
    standin.orders[0]["amount"] = Decimal("9007199254740993.01")
    standin.orders[0]["lines"] = [{"code": "c", "type": "t", "amount": Decimal("9007199254740993.01")}]
    (record,) = next(system.read("commitments")).records
    assert getattr(record, "amount", None) == Decimal("9007199254740993.01")


@pytest.mark.parametrize(
    ("field", "odd", "named"),
    [
        ("amount", "NaN", "amount"),
        ("amount", "1e400", "amount"),
        ("amount", "9" * 5000, "amount"),
        ("amount", '"n/a"', "amount"),
        ("lines", '"none"', "lines"),
        ("lines", "[5]", "lines"),
        ("lines", "5", "lines"),
        ("lines", "null", "lines"),
    ],
)
def test_a_record_that_is_odd_is_named_and_the_page_goes_on(tmp_path: Path, field: str, odd: str, named: str) -> None:
    standin = Small()
    system = small(tmp_path, standin)
    send(system, "SC-1")
    send(system, "SC-2")
    answer, mark = standin.answer, '"what is odd"'

    def spoilt(request: httpx.Request) -> httpx.Response:
        standin.orders[0] |= {field: "what is odd"}
        reply = answer(request)
        return httpx.Response(reply.status_code, text=reply.text.replace(mark, odd))

    standin.answer = spoilt  # type: ignore[method-assign]
    pages = list(system.read("commitments"))
    assert [(bad.number, bad.field) for page in pages for bad in page.invalid] == [("SC-1", named)]
    assert [record.number for page in pages for record in page.records] == ["SC-2"]


@pytest.mark.parametrize("odd", ["null", '"none"', "5", "[1]"])
@pytest.mark.parametrize("preset", PAGINGS)
def test_a_row_that_is_no_record_is_one_that_nobody_can_read(tmp_path: Path, preset: str, odd: str) -> None:
    """It exists, nothing of it is said to be empty, and the rest of the list is read, of a project too. What answers to a marker
    and is no record ends the look: the document may be there."""
    standin = Small()
    standin.largest = 9 if preset == "none" else 3
    system = small(tmp_path, standin, (PAGINGS["offset"], PAGINGS[preset]))
    send(system, *(f"SC-{number}" for number in range(1, 6)))
    answer, mark = standin.answer, "what is odd"

    def spoilt(request: httpx.Request) -> httpx.Response:
        reply = answer(request)
        body = json.loads(reply.text, parse_float=Decimal) if request.method == "GET" else {}
        if "items" in body:
            body["items"] = [mark if one["id"] == "o02" else one for one in body["items"]]
            return httpx.Response(reply.status_code, headers=reply.headers, text=dumps(body).replace(f'"{mark}"', odd))
        return reply

    standin.answer = spoilt  # type: ignore[method-assign]
    for scopes in (None, ["J1"]):
        pages = list(system.read("commitments", scopes=scopes))
        (bad,) = (bad for page in pages for bad in page.invalid)
        assert bad.id.startswith(NO_ID) and bad.field == "id" and "in the ERP's answer, and no object" in bad.message
        assert bad.scope is None and {name for name, said in bad.shown.items() if said is None} == set()
        assert [record.number for page in pages for record in page.records] == ["SC-1", "SC-3", "SC-4", "SC-5"]
    with pytest.raises(ContractBroken, match="which record it is, nobody knows"):
        send(system, "SC-2")
    assert len(standin.orders) == 5


def test_amounts_as_text(tmp_path: Path) -> None:
    standin = Small()
    system = small(tmp_path, standin, ("etag: header\n", "etag: header\nnumbers: text\n"))
    (outcome,) = send(system, "SC-1")
    assert outcome.message is None and standin.orders[0]["amount"] == "1500.50"


# -- log-ins


@pytest.mark.parametrize(
    ("auth", "allowed"),
    [
        ("{preset: basic}", lambda request: request.headers["Authorization"] == BASIC),
        ("{preset: key, header: X-Api-Key}", lambda request: request.headers["X-Api-Key"] == "secret:1"),
        ("{preset: key, prefix: 'Bearer '}", lambda request: request.headers["Authorization"] == "Bearer secret:1"),
        (
            "{preset: session, login: login, body: {user: '{login}', secret: '{password}'}, token: auth.token, prefix: 'Token '}",
            lambda request: request.headers["Authorization"].startswith("Token t"),
        ),
    ],
)
def test_log_ins(tmp_path: Path, auth: str, allowed: Callable[[httpx.Request], bool]) -> None:
    standin = Small()
    standin.allowed = allowed
    system = small(tmp_path, standin, ("{preset: basic}", auth))
    assert send(system, "SC-1")[0].status == "confirmed" and everything(system) == ["o01"]
    for one in standin.sent("POST", "/login$"):
        assert body_of(one) == {"user": "me", "secret": "secret:1"}


def test_a_password_that_ends_in_the_middle_leaves_no_doubt_unsaid(tmp_path: Path) -> None:
    standin = Small()
    system = small(tmp_path, standin)
    standin.allowed = lambda request: request.method == "GET" or not standin.orders
    with pytest.raises(OutcomeUnknown, match="refuses this login"):
        send(system, "SC-1", "SC-2")
    assert len(standin.orders) == 1
    standin.orders.clear()
    standin.allowed = lambda request: request.method == "GET"
    with pytest.raises(ConfigurationError, match="refuses this login"):
        send(system, "SC-1", "SC-2")


def test_a_password_that_is_refused(tmp_path: Path) -> None:
    system = small(tmp_path, Small(), address="http://me:wr0ng@127.0.0.1/site?company=7")
    with pytest.raises(ConfigurationError, match="refuses this login") as refused:
        everything(system)
    assert "wr0ng" not in str(refused.value)


@pytest.mark.parametrize(
    "address", ["http://me:s3cret@erp.example/site?company=7", "ftp://me:s3cret@127.0.0.1/?company=7", "s3cret"]
)
def test_addresses_that_are_none(tmp_path: Path, address: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        small(tmp_path, Small(), address=address)
    assert "s3cret" not in str(refused.value)


# -- the file


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("records: items", "records: items[", "'items[' is no JMESPath"),
        ("preset: offset", "preset: ofset", "'ofset' is not allowed; did you mean 'offset'?"),
        ("base: api/{company}", "base: api/{compny}", "{compny} is no part of `address`; did you mean 'company'?"),
        ('{job: "{scope}"}', '{job: "{scop}"}', "from.ask.scope: has {scop}. Allowed: {scope}"),
        ("expand: {include: lines}", "expand: lines", "with `filter: parameters` a condition (and `expand`) is a block"),
        ("etag: header\n", "", "`match` needs `etag`"),
        (', marker: {reference: "{marker}"}', "", "from.ask: needs `marker`"),
        ("      one: orders/{id}\n", "", "from.ask: needs `id`, or the source needs `one`"),
        ("field: vendor}", "field: vendr}", "'vendr' is no canonical field; did you mean 'vendor'?"),
        ('says: "(?i)try again"', 'says: "("', "'(' is no regular expression"),
        ('title: ":title"\n', 'title: ":titel"\n', "parameter :titel is not known; did you mean 'title'?"),
        ("delete: \"orders/{key}\"", "delete: \"orders/{kee}\"", "parameter :kee is not known; did you mean 'key'?"),
        ("- post: orders\n", "- post: orders\n          put: orders\n", "needs exactly one of put, post, patch, delete"),
        ("auth: {preset: basic}", "auth: {preset: oauth2}", "oauth2 needs `url`"),
        ("auth: {preset: basic}", "auth: {preset: refresh, url: x}", "refresh needs `file`"),
        ("      path: orders\n", "      path: orders\n      each: lines\n", "from.each: is for what is only read"),
        ("      path: orders\n", "      path: orders\n      by: job\n", "from.by: is for what is only read"),
        ("records: items", "records: items\nquery: {v: '{compny}'}", "{compny} is no part of `address`; did you mean 'company'?"),
        ("records: items", "records: items\nlanguage: {path: q, select: s, page: p}", "needs `language`, and nothing else does"),
    ],
)  # fmt: skip
def test_faults_are_found_when_the_file_is_loaded(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        small(tmp_path, Small(), (old, new))
    assert said in str(refused.value), refused.value


# -- over a socket, as a person tries it


def test_the_command_looks_at_a_service(capsys: pytest.CaptureFixture[str]) -> None:
    standin = Acumatica()
    standin.put(
        "Subcontract", SubcontractNbr="SC-1", Status="Open", VendorID="V1", Branch="MAIN", Project="25-104", CurrencyID="USD",
        Details=[{"LineNbr": 1, "Project": "25-104", "Task": "01", "CostCode": "03-1000", "InventoryID": "SUBCONTRACT",
                  "ExtendedCost": Decimal("1486000.05")}],
        SubcontractTotal=Decimal("1486000.05"),
    )  # fmt: skip
    with served(standin) as host:
        address = f"{host.replace('://', '://sync:p%40ss%20w%2Frd@')}/site"
        assert main(["check", "acumatica", address]) == 0, capsys.readouterr().out
        shown = capsys.readouterr().out
        assert "commitments: 1 records, sum 1,486,000.05 USD" in shown and "p@ss" not in shown and "p%40ss" not in shown
        assert main(["totals", "acumatica", address.replace("sync:", "other:")]) == 1
        assert "refuses this login or password" in capsys.readouterr().out
    assert standin.sessions == set(), "every session was given back"


def test_the_page_explains_every_key() -> None:
    page = (Path(__file__).resolve().parents[4] / "docs" / "erp-rest-adapter.md").read_text(encoding="utf-8")
    own = (
        Auth,
        Paging,
        Language,
        Domain,
        Lookup,
        Beside,
        Idempotency,
        ErrorRow,
        Errors,
        Conditions,
        Source,
        RestLines,
        Call,
        RestWrite,
        RestEntity,
        RestMapping,
    )
    shared = {key for model in (LinesSpec, WriteSpec, EntitySpec, MappingSpec) for key in model.own_keys()}
    missing = {key for model in own for key in model.own_keys()} - shared - set(re.findall(r"`([a-z_]+)`", page))
    assert missing == set()
    assert page.count("stand-in of its public API, not run against the vendor's product") == 2


@pytest.mark.parametrize("key", ["secret-one\n", "secret-\u00e4", "secret\x00one", " secret"])
def test_a_key_that_no_header_can_hold_is_refused_unquoted(tmp_path: Path, key: str) -> None:
    """As a secret of a file is with the line break at its end."""
    address = f"http://me:{quote(key)}@127.0.0.1/site?company=7"
    with pytest.raises(ConfigurationError, match="no header can hold; is there a line break at its end") as caught:
        small(tmp_path, Small(), ("auth: {preset: basic}", "auth: {preset: key}"), address=address)
    assert "secret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("told", "asked"), [({}, 1), ({"expires_in": 3600}, 1), ({"expires_in": 30}, 3)], ids=["no end", "an hour", "half a minute"]
)
def test_a_token_is_used_as_long_as_it_lasts(tmp_path: Path, told: dict[str, int], asked: int) -> None:
    standin = Small()
    standin.allowed = lambda request: request.headers.get("Authorization") == "Bearer token-1"
    answer, tokens = standin.answer, list[httpx.Request]()

    def issuing(request: httpx.Request) -> httpx.Response:
        if request.url.path != "/token":
            return answer(request)
        tokens.append(request)
        return httpx.Response(200, json={"access_token": "token-1", "token_type": "bearer", **told})

    standin.answer = issuing  # type: ignore[method-assign]
    system = small(tmp_path, standin, ("auth: {preset: basic}", "auth: {preset: oauth2, url: 'http://127.0.0.1/token'}"))
    for _ in range(3):
        assert everything(system) == []
    assert len(tokens) == asked


@pytest.mark.parametrize("body", [{"access_token": 5}, {"access_token": "secret\n"}, {"access_token": None}, {}])
def test_a_reply_without_a_token_that_can_be_sent_is_explained(tmp_path: Path, body: Any) -> None:
    standin = Small()
    standin.answer = lambda request: httpx.Response(200, json=body)  # type: ignore[method-assign]
    system = small(tmp_path, standin, ("auth: {preset: basic}", "auth: {preset: oauth2, url: 'http://127.0.0.1/token'}"))
    with pytest.raises(ConfigurationError, match=r"/token: the (answer has no token|token has characters)") as caught:
        everything(system)
    assert "secret" not in str(caught.value)
