"""Where the links of a task lead: to the record that needs somebody, on either side."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from include.financials.entities.directory import Vendor
from include.financials.port import Capability
from include.provider.links import ErpRecordLink, ProcoreRecordLink, push_links


def vendor(key: str, company: str = "01") -> Vendor:
    return Vendor(id=key, company=company, number=key, name=key)


def links(erp: Iterable[Vendor], rows: list[SimpleNamespace], pages: bool = True) -> dict[str, str]:
    """What a task about ERP vendors leaves in XCom, by the name of the link."""
    procore = mock.Mock(web_url=lambda record, base=None: f"{base}/{record.id if record else 'home'}")
    other = mock.Mock(web_url=lambda record: f"https://erp/{record.company}/{record.id}")
    other.capabilities.return_value = {"vendors": Capability(pages=pages)}
    sync = mock.Mock(
        run=SimpleNamespace(run_id="r"),
        known={"procore": procore, "erp": other},
        lists=SimpleNamespace(has_snapshot=lambda *_: True, rows=lambda side, *_: iter(erp) if side == "erp" else iter(())),
    )
    sync.ledger.outcomes.of.return_value = rows
    left: dict[str, str] = {}
    context: Any = {"ti": SimpleNamespace(xcom_push=lambda key, value: left.update({key: value}))}
    with mock.patch("include.financials.report.recall", return_value={"address": "https://procore"}):
        push_links(sync, context, "vendors", [0])
    return left


def row(key: str, state: str, company: str = "01") -> SimpleNamespace:
    return SimpleNamespace(procore_id=None, erp_key=key, company=company, state=state)


@pytest.mark.parametrize(
    ("rows", "page"),
    [
        ([row("V-1", "linked"), row("V-2", "held")], "01/V-2"),
        ([row("V-1", "skipped"), row("V-2", "linked")], "01/V-1"),
        ([row("V-2", "held", company="02")], "02/V-2"),
        ([], "01/V-1"),
    ],
)
def test_the_erp_is_opened_at_the_record_that_needs_somebody(rows: list[SimpleNamespace], page: str) -> None:
    found = links([vendor("V-1"), vendor("V-2"), vendor("V-2", "02")], rows)
    assert found == {ProcoreRecordLink.left: "https://procore/home", ErpRecordLink.left: f"https://erp/{page}"}


def test_an_erp_without_pages_has_no_link_and_is_not_read_for_one() -> None:
    def nothing() -> Iterable[Vendor]:
        raise AssertionError("read for the sake of a link")
        yield

    assert links(nothing(), [], pages=False) == {ProcoreRecordLink.left: "https://procore/home"}


@pytest.mark.parametrize("rows", [[], [row("V-1", "held"), row("V-2", "linked")]])
def test_no_more_is_parsed_than_the_record_that_is_opened(rows: list[SimpleNamespace]) -> None:
    def listed() -> Iterable[Vendor]:
        yield vendor("V-1")
        raise AssertionError("parsed beyond the record that it opens")

    assert links(listed(), rows)[ErpRecordLink.left] == "https://erp/01/V-1"
