"""A run of some documents, chosen by the numbers that people know them by."""

from __future__ import annotations

from typing import Any

import pytest

from include.financials import report
from include.financials.entities import ENTITIES
from include.financials.exceptions import ConfigurationError
from include.financials.ledger import Ledger
from include.financials.run import DOCUMENTS, open_run
from tests.unit.financials.pair import START, World, draft, line, make_settings


def test_a_run_of_one_document_loads_that_alone(full: World) -> None:
    """What else waits to be loaded is neither judged nor counted, and the next run finds it as if nothing had been."""
    for number in ("SC-8", "SC-9"):
        draft(full, number)
    before = full.ledger.runs.watermark("procore", "commitments")
    sync = full.run(params={"documents": ["sc-9 "], "entities": ["commitments"]})
    assert full.states(sync, "commitments") == {"SC-9": ("created", "")}
    assert full.erp.all("commitments", id="SC-9") and not full.erp.all("commitments", id="SC-8")
    assert report.build(sync)["documents"] == {"sc-9 ": {"commitments": "created"}}
    assert report.move_watermarks(sync, ["commitments"]) == [] and full.ledger.runs.watermark("procore", "commitments") == before
    again = full.run(params={"documents": ["SC-9"], "entities": ["commitments"]})
    assert full.states(again, "commitments") == {"SC-9": ("unchanged", "")}
    assert full.states(full.run(), "commitments")["SC-8"] == ("created", "")


def test_documents_without_entities_are_looked_for_in_all_that_have_numbers(full: World) -> None:
    draft(full, "SC-9")
    sync = full.sync(params={"entities": [*ENTITIES], "documents": ["SC-9", "SC-99"]})
    assert sync.run.entities == DOCUMENTS
    for name in sync.run.entities:
        full.stage(sync, name)
    assert {row.entity for row in full.ledger.outcomes.of(sync.run.run_id)} == {"commitments"}
    assert report.build(sync)["documents"] == {"SC-9": {"commitments": "created"}, "SC-99": {}}


def test_a_number_that_no_list_shows_is_told_with_those_like_it(full: World, caplog: pytest.LogCaptureFixture) -> None:
    full.run()
    sync = full.run(params={"documents": ["SC-l"], "entities": ["commitments"]})
    report.build(sync)
    assert "not found on either side: 'SC-l' (did you mean SC-1?)" in caplog.text


def test_the_missing_parents_of_a_document_are_named(full: World) -> None:
    draft(full, "SC-9", lines=(line(code="25-104//03-4000"),))
    sync = full.run(params={"documents": ["SC-9"], "entities": ["commitments"]})
    (row,) = full.ledger.outcomes.of(sync.run.run_id, "commitments")
    assert (row.state, row.rule) == ("held", "M-05") and "03-4000" in row.message


def test_only_documents_can_be_chosen_by_number(ledger: Ledger) -> None:
    def start(**params: Any) -> None:
        open_run(ledger, make_settings(), run_id="r", kind="manual", source_now=START, params=params)

    with pytest.raises(ConfigurationError, match="documents cannot be chosen of vendors, which are no documents"):
        start(documents=["V-1"], entities=["vendors", "commitments"])
    with pytest.raises(ConfigurationError, match="documents has an empty number"):
        start(documents=[" "])
