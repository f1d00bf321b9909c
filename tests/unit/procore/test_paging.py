"""Pages are followed by ``Link`` alone, and never in a circle or to another host."""

from __future__ import annotations

from typing import Any

import pytest

from include.financials.exceptions import ContractBroken
from include.procore.client import ProcoreClient
from include.procore.paging import MAX_EMPTY_PAGES, LinkPaginator, next_link
from tests.unit.procore.fake import Answer, Call, FakeProcore

THINGS = "/rest/v1.0/things"


def pages_of(fake: FakeProcore, *pages: list[Any], host: str | None = None) -> None:
    @fake.route(THINGS)
    def page(call: Call) -> Answer:
        number = int(dict(call.query).get("page", 1))
        link = f'<{host or fake.url}{THINGS}?per_page=2&page={number + 1}>; rel="next", <{fake.url}{THINGS}?page=9>; rel="last"'
        return Answer(
            pages[number - 1], headers={"Link": link} if number < len(pages) else {"Link": f'<{fake.url}>; rel="first"'}
        )


def test_short_and_empty_pages_are_no_end(fake: FakeProcore, client: ProcoreClient) -> None:
    pages_of(fake, [{"id": 1}, {"id": 2}], [], [{"id": 3}], [], [{"id": 4}])
    rows = list(client.pages(THINGS, [("view", "x")], per_page=2))
    assert [row["id"] for page in rows for row in page.rows] == [1, 2, 3, 4]
    assert rows[-1].next_url is None
    assert fake.asked(THINGS)[0].query == [("view", "x"), ("per_page", "2")]


def test_a_full_last_page_is_the_end(fake: FakeProcore, client: ProcoreClient) -> None:
    pages_of(fake, [{"id": 1}, {"id": 2}])
    assert len(list(client.pages(THINGS, per_page=2))) == 1


def test_a_read_goes_on_where_it_stopped(fake: FakeProcore, client: ProcoreClient) -> None:
    pages_of(fake, [{"id": 1}], [{"id": 2}], [{"id": 3}])
    first = next(client.pages(THINGS))
    rest = list(client.pages(THINGS, start=first.next_url))
    assert [row["id"] for page in rest for row in page.rows] == [2, 3]
    assert len(fake.asked(THINGS)) == 3


def test_a_stored_cursor_cannot_lead_elsewhere(client: ProcoreClient, fake: FakeProcore) -> None:
    with pytest.raises(ContractBroken, match="not followed"):
        list(client.pages(THINGS, start="https://evil.example/rest/v1.0/things?page=2"))
    assert not fake.calls


def test_a_next_page_on_another_host_is_refused(fake: FakeProcore, client: ProcoreClient) -> None:
    pages_of(fake, [{"id": 1}], [{"id": 2}], host="http://evil.example")
    with pytest.raises(ContractBroken, match=r"evil\.example; not followed"):
        list(client.pages(THINGS))
    assert len(fake.asked(THINGS)) == 1


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:1/x",
        "https://127.0.0.1:8000/x",
        "//evil.example/x",
        "http://127.0.0.1:8000@evil.example/x",
        "http://[::1]:bad/x",
    ],
)
def test_host_port_and_scheme_must_all_be_the_same(address: str) -> None:
    pager = LinkPaginator("http://127.0.0.1:8000", "http://127.0.0.1:8000/x?page=1")
    with pytest.raises((ContractBroken, ValueError)):
        pager.update([{"id": 1}], f'<{address}>; rel="next"')


def test_the_same_page_again_is_a_circle(fake: FakeProcore, client: ProcoreClient) -> None:
    link = {"Link": f'<{fake.url}{THINGS}?b=2&a=1>; rel="next"'}
    fake.script(THINGS, Answer([{"id": 1}], headers=link), Answer([{"id": 2}], headers=link))
    with pytest.raises(ContractBroken, match="read before; the list goes in a circle"):
        list(client.pages(THINGS))
    assert len(fake.asked(THINGS)) == 2


def test_a_page_without_progress_is_a_circle(fake: FakeProcore, client: ProcoreClient) -> None:
    """A server that ignores ``page`` gives ever new addresses and always the same rows."""
    pages_of(fake, *([[{"id": 1}, {"id": 2}]] * 50))
    with pytest.raises(ContractBroken, match="same 2 records"):
        list(client.pages(THINGS))
    assert len(fake.asked(THINGS)) == 2


def test_pages_that_come_round_again_are_a_circle(fake: FakeProcore, client: ProcoreClient) -> None:
    pages_of(fake, *([[{"id": 1}], [{"id": 2}]] * 50))
    with pytest.raises(ContractBroken, match="same 1 records as one before it"):
        list(client.pages(THINGS))
    assert len(fake.asked(THINGS)) == 3


@pytest.mark.parametrize(
    ("rows", "headers", "cut"),
    [
        (2, {"Total": "5", "Per-Page": "2"}, True),
        (2, {"Total": "5"}, True),
        (2, {"Total": "5", "Link": ""}, True),
        (2, {"Total": "5", "Link": '<http://h/1>; rel="last"'}, False),  # as many as may be seen, of more
        (2, {"Total": "2", "Per-Page": "2"}, False),
        (2, {"Total": "5", "Per-Page": "100"}, False),  # the rest is hidden from the service account
        (1, {"Total": "5", "Per-Page": "2"}, False),
        (2, {"Total": "many", "Per-Page": "-2"}, False),
        (2, {}, False),
    ],
)
def test_a_list_is_not_cut_short_without_a_word(
    fake: FakeProcore, client: ProcoreClient, rows: int, headers: dict[str, str], cut: bool
) -> None:
    """What lies behind would be taken for records that are not there."""
    fake.script(THINGS, Answer([{"id": number} for number in range(rows)], headers=headers))
    if cut:
        with pytest.raises(ContractBroken, match="tells of 5 records, and names no page after one that is full"):
            list(client.pages(THINGS, per_page=2))
    else:
        assert [len(page.rows) for page in client.pages(THINGS, per_page=2)] == [rows]


def test_the_last_page_of_a_list_with_gaps_is_its_end(fake: FakeProcore, client: ProcoreClient) -> None:
    """Two of four are hidden, on the first page: fewer came than there are, and no more will."""
    more = {"Total": "4", "Per-Page": "2", "Link": f'<{fake.url}{THINGS}?page=2&per_page=2>; rel="next"'}
    end = {"Total": "4", "Per-Page": "2"}
    fake.script(THINGS, Answer([], headers=more), Answer([{"id": 3}, {"id": 4}], headers=end))
    assert [len(page.rows) for page in client.pages(THINGS, per_page=2)] == [0, 2]


def test_endless_empty_pages_are_a_circle() -> None:
    pager = LinkPaginator("http://h", "http://h/x?page=1")
    for number in range(2, MAX_EMPTY_PAGES + 2):
        pager.update([], f'<http://h/x?page={number}>; rel="next"')
    with pytest.raises(ContractBroken, match="empty pages in a row"):
        pager.update([], '<http://h/x?page=9999>; rel="next"')


def test_a_relative_link_is_followed() -> None:
    pager = LinkPaginator("http://h", "http://h/x?page=1")
    pager.update([{"id": 1}], '</x?page=2>; rel="next"')
    assert pager.url == "http://h/x?page=2"


@pytest.mark.parametrize(
    ("header", "url"),
    [
        (None, None),
        ("", None),
        ('<http://h/1>; rel="first"', None),
        ('<http://h/?a=1,2&page=2>; rel="next", <http://h/9>; rel="last"', "http://h/?a=1,2&page=2"),
        ("<http://h/2>; rel=next", "http://h/2"),
        ("rubbish", None),
        ('<http://h/2>; rel="next last"', "http://h/2"),
        ('<http://h/2>; Rel="Next"', "http://h/2"),
        ('<http://h/2>; title="next"; rel="prev"', None),
    ],
)
def test_the_link_header(header: str | None, url: str | None) -> None:
    assert next_link(header) == url
