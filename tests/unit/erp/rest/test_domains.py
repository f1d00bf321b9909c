"""Conditions as lists of JSON, records beside a document, look-ups, and values that say what they are: a small service that is
asked as Tryton, Odoo and their like are."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from include.erp.json import tagged
from include.erp.json.numbers import dumps
from include.erp.mapping.loading import read_mapping
from include.erp.rest.asking import in_domain
from include.erp.rest.grammar import RestMapping
from include.erp.rest.transport import RestTransport
from include.erp.system import MappedSystem
from include.financials.exceptions import ConfigurationError
from include.financials.port import Outcome, Window
from tests.unit.erp.rest.standin import Standin, Wrong
from tests.unit.erp.strangers import commitment, item

MAPPING = """\
kind: rest
system: small
address: {company: "7"}
headers: {X-Context: {base64: '{"company": {company}}'}}
filter: domain
domain: {parameter: d, encoding: base64, either: OR}
fields: f
together: 2
numbers: tagged
lookups:
  vendor: {path: vendors, ask: [code, "=", ":code"]}
  any_place: {path: vendors, ask: [code, "=", ":code"], take: place, several: true}
  order: {path: orders, ask: [number, "=", ":number"]}
entities:
  commitments:
    from:
      path: orders
      query: {f: [id, vendor, lines.amount]}
      ask:
        where: [kind, "=", null]
        since: [OR, [changed, ">=", ":since"], [again, ">=", ":since"]]
        scope: [job, "=", ":scope"]
        id: [id, "=", ":id"]
        marker: [note, "=", "{marker} |"]
      beside:
        bought: {path: vendors, query: {f: code}, key: vendor, theirs: id, ask: [id, "=", ":key"], single: true}
        notes: {path: notes, order: {sort: {base64: id}}, key: bought.code, theirs: of, ask: [of, "=", ":key"]}
    id: id
    company: {constant: "7"}
    number: number
    scope: job
    changed_since: {column: changed, type: timestamp}
    fields:
      kind: {constant: subcontract}
      project: job
      vendor: bought.code
      title: "notes[0].text"
      status: {constant: open}
      amount: amount
      contract_date: day
    lines:
      from: lines
      fields: {id: _index, position: _index, cost_code: code, cost_type: {constant: "1"}, amount: amount}
    find: {marker: "split(note, '|')[0]"}
    capabilities: {create: true}
    write:
      create:
        - post: orders
          free: {order: {number: ":number"}}
          body:
            number: ":number"
            job: ":project"
            day: ":contract_date"
            vendor: {find: vendor, code: ":vendor"}
            place: {join: ["place of ", {find: any_place, code: ":vendor"}]}
            size: {choose: ":title", "": small, else: large}
            note: "{marker} |"
            amount: ":amount"
            lines: [[add, {each: {code: ":cost_code", amount: ":amount"}}]]
"""


class Small(Standin):
    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Any] = []
        self.lists: dict[str, list[dict[str, Any]]] = {
            "vendors": [{"id": 3, "code": "V1", "place": "Ulm"}, {"id": 4, "code": "V2", "place": "Ulm"}],
            "notes": [{"id": 1, "of": "V1", "text": "Contract of V1"}],
            "orders": [],
        }

    def answer(self, request: httpx.Request) -> httpx.Response:
        if base64.urlsafe_b64decode(request.headers["X-Context"]) != b'{"company": 7}':
            raise Wrong(400, {"message": "of which company?"})
        rows = self.lists[request.url.path.rpartition("/")[2]]
        if request.method == "POST":
            body = tagged.loads(request.content)
            rows.append({"id": len(rows) + 1, "changed": MOMENTS[len(rows)], **body, "lines": body["lines"][0][1]})
            return self._reply(200, {"id": len(rows)})
        asked = request.url.params.get("d")
        domain = tagged.loads(base64.urlsafe_b64decode(asked)) if asked else []
        self.asked.append(domain)
        found = [one for one in rows if _fits(domain, one)]
        return httpx.Response(200, content=dumps(tagged.tagged(found)), headers={"Date": "Mon, 07 Sep 2026 10:00:00 GMT"})


MOMENTS = [datetime(2026, 9, day, 10) for day in range(1, 9)]  # noqa: DTZ001 - such servers keep times without a zone


def _fits(domain: list[Any], row: dict[str, Any]) -> bool:
    if domain and isinstance(domain[0], str) and domain[0] != "OR":
        name, operator, wanted = domain
        there = row.get(name)
        if operator == "=":
            return there == wanted or str(there) == wanted  # ids are asked for as texts
        return there is not None and there >= wanted
    parts = [_fits(one, row) for one in domain if isinstance(one, list)]
    return any(parts) if domain and domain[0] == "OR" else all(parts)


@pytest.fixture
def standin() -> Small:
    return Small()


@pytest.fixture
def connect(tmp_path: Path, standin: Small) -> Callable[..., MappedSystem]:
    def made(*changes: tuple[str, str]) -> MappedSystem:
        text = MAPPING
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        path = tmp_path / "small.yaml"
        path.write_text(text, encoding="utf-8")
        mapping = read_mapping(path, RestMapping)
        transport = RestTransport("http://127.0.0.1/", mapping, wire=httpx.MockTransport(standin), pause=lambda _: None)
        return MappedSystem(mapping, transport, origin_system="procore:8089")

    return made


def send(system: MappedSystem, *numbers: str, **more: Any) -> list[Outcome]:
    (step,) = system.steps("commitments", "create")
    known: dict[str, Any] = {"title": None, "vendor": "V1", **more}
    return system.post(step, [item(commitment(number, **known), company="7") for number in numbers])


def test_what_is_sent_names_records_by_the_erps_own_numbers(connect: Callable[..., MappedSystem], standin: Small) -> None:
    (outcome,) = send(connect(), "SC-1")
    assert outcome.status == "confirmed"
    (row,) = standin.lists["orders"]
    assert (row["vendor"], row["place"], row["size"]) == (3, "place of Ulm", "small")
    assert row["amount"] == Decimal("1500.50") and all(isinstance(one["amount"], Decimal) for one in row["lines"])
    (raw,) = (one.content for one in standin.log if one.method == "POST")
    assert b'"amount":{"__class__":"Decimal","decimal":"1500.5"}' in raw


def test_records_beside_a_document_are_found_by_what_stands_beside_it(
    connect: Callable[..., MappedSystem], standin: Small
) -> None:
    system = connect()
    send(system, "SC-1", "SC-2", "SC-3")
    send(system, "SC-4", vendor="V2")
    records = [one for page in system.read("commitments") for one in page.records]
    assert [(one.vendor, one.title) for one in records] == [("V1", "Contract of V1")] * 3 + [("V2", None)]  # type: ignore[attr-defined]
    assert {one.url.params["sort"] for one in standin.sent("GET", "/notes$")} == {"aWQ="}
    standin.lists["vendors"].append({"id": 4, "code": "V3"})
    pages = list(system.read("commitments"))
    assert [(bad.number, bad.field) for page in pages for bad in page.invalid] == [("SC-4", "bought")]
    assert "is to be one record, and the ERP has 2 of that key" in pages[0].invalid[0].message
    assert [one.number for page in pages for one in page.records] == ["SC-1", "SC-2", "SC-3"]


def test_a_row_beside_that_is_no_record_may_be_any_documents(connect: Callable[..., MappedSystem], standin: Small) -> None:
    """Whose it is cannot be told: each document that may be short of it says so, and the others are read."""
    system = connect()
    send(system, "SC-1", "SC-2")
    standin.lists["orders"][0]["vendor"] = None
    answer = standin.answer

    def spoilt(request: httpx.Request) -> httpx.Response:
        reply = answer(request)
        rows = dumps([5]) if request.method == "GET" and request.url.path.endswith("/notes") else reply.content
        return httpx.Response(reply.status_code, content=rows, headers={"Date": reply.headers.get("Date", "")})

    standin.answer = spoilt  # type: ignore[method-assign]
    (page,) = system.read("commitments")
    told = {bad.number: (bad.field, bad.message) for bad in page.invalid}
    assert told["SC-2"][0] == "notes" and "may lack a row of notes: one of them cannot be told" in told["SC-2"][1]
    assert "SC-1" not in told or told["SC-1"][0] != "notes"


def test_a_field_that_is_left_out_of_an_answer_is_not_empty(connect: Callable[..., MappedSystem], standin: Small) -> None:
    system = connect()
    send(system, "SC-1", "SC-2", "SC-3")
    first, second, third = standin.lists["orders"]
    first["vendor"], third["lines"] = None, []
    del second["lines"][-1]["amount"]
    (page,) = system.read("commitments")
    assert [(one.id, one.field) for one in page.invalid if "may this login read it" in one.message] == [("2", "lines.amount")]
    del standin.lists["vendors"][0]["code"]
    (page,) = system.read_ids("commitments", [(None, "3")])
    assert [(one.id, one.field) for one in page.invalid] == [("3", "code")]


def test_a_question_is_one_domain_and_alternatives_stand_together(connect: Callable[..., MappedSystem], standin: Small) -> None:
    system = connect()
    send(system, "SC-1", "SC-2", "SC-3", project="J1")
    standin.asked.clear()
    window = Window(datetime(2026, 9, 2, tzinfo=UTC), None)
    found = [one.number for page in system.read("commitments", window=window, scopes=["J1", "J2"]) for one in page.records]
    assert found == ["SC-2", "SC-3"]
    since = datetime(2026, 9, 2)  # noqa: DTZ001
    assert standin.asked[0] == [
        ["kind", "=", None], ["OR", ["changed", ">=", since], ["again", ">=", since]],
        ["OR", ["job", "=", "J1"], ["job", "=", "J2"]],
    ]  # fmt: skip
    standin.asked.clear()
    (page,) = system.read_ids("commitments", [(None, "1"), (None, "2"), (None, "3")])
    assert [one.id for one in page.records] == ["1", "2", "3"]
    assert len([one for one in standin.asked if one[0] == ["kind", "=", None]]) == 2, "two ids in a question"


def test_what_is_not_one_record_is_refused_and_nothing_sent(connect: Callable[..., MappedSystem], standin: Small) -> None:
    system = connect()
    (outcome,) = send(system, "SC-1", vendor="V9")
    assert outcome.status == "rejected" and "the ERP has no vendor with code 'V9'" in (outcome.message or "")
    standin.lists["vendors"].append({"id": 5, "code": "V1", "place": "Bonn"})
    (outcome,) = send(system, "SC-1")
    assert outcome.status == "rejected" and "more than one vendor with code 'V1'" in (outcome.message or "")
    standin.lists["vendors"].pop()
    standin.lists["orders"].append({"id": 1, "number": "SC-1", "kind": "by hand"})
    (outcome,) = send(system, "SC-1")
    assert outcome.status == "rejected" and "with number 'SC-1' already" in (outcome.message or "")
    assert standin.sent("POST", "") == []


def test_a_value_brings_no_wild_card_and_a_number_stays_one() -> None:
    condition = ["OR", ["note", "not like", "% | {text}"], ["note", "=", "{text}"], ["id", "in", [1, ":id"]], ["kind", "=", None]]
    assert in_domain(condition, {"text": "5%_", "id": 7}) == [
        "OR", ["note", "not like", "% | 5\\%\\_"], ["note", "=", "5%_"], ["id", "in", [1, 7]], ["kind", "=", None],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("{find: vendor, code:", "{find: vender, code:", "`lookups` has no 'vender'; did you mean 'vendor'?"),
        ("{find: vendor, code:", "{find: vendor, number:", "asks for code, and is given number"),
        ("free: {order: {number:", "free: {oder: {number:", "`lookups` has no 'oder'; did you mean 'order'?"),
        ('scope: [job, "=", ":scope"]', "scope: {job: '{scope}'}", "with `filter: domain` a condition (and `expand`) is a list"),
        ('scope: [job, "=", ":scope"]', 'scope: [job, "=", ":scop"]', "has {scop}. Allowed: {scope}"),
        ('theirs: id, ask: [id, "=", ":key"]', 'theirs: id, ask: [id, "=", ":id"]', "must name {key} in `ask`"),
        ("domain: {parameter: d, encoding: base64, either: OR}\n", "", "`filter: domain` needs `domain`"),
        ('{"company": {company}}', '{"company": {firm}}', "{firm} is no part of `address`"),
    ],
)
def test_a_file_that_cannot_work_is_refused(connect: Callable[..., MappedSystem], old: str, new: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        connect((old, new))
    assert told in str(refused.value)
