"""Who is who: by link, external id or marker; looks only propose; two candidates anywhere are a question for a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from include.financials.entities import ENTITIES
from include.financials.ledger import Link
from include.financials.matching import ErpSource, Match, ProcoreSource, by_settings, identity_keys
from include.financials.models import Record
from include.financials.view import LinkIndex
from tests.unit.financials.pair import commitment, cost_code, vendor

VENDORS, COMMITMENTS = ENTITIES["vendors"], ENTITIES["commitments"]
OURS = "sandbox:G1:vendors:V-1"
MARKER = "procore:8089:commitments:77"


def link(
    entity: str = "vendors", company: str = "G1", key: str = "V-1", procore_id: str = "9001", status: str = "active"
) -> Link:
    return Link(entity, company, key, procore_id, key, status=status)


def there(ident: str = "9001", **changes: Any) -> Record:
    """A vendor as Procore has it."""
    return vendor(**({"number": "V-1", "id": ident, "company": None} | changes))


def erp_source(targets: Sequence[Record] = (), links: Sequence[Link] = (), everyone: Sequence[Record] = ()) -> ErpSource:
    return ErpSource(VENDORS, "sandbox", LinkIndex.of(list(links)), list(targets), list(everyone) or [vendor()])


def told(match: Match) -> set[str]:
    return {name for name in ("foreign", "broken", "ambiguous", "proposal") if getattr(match, name)}


# -- from the ERP --


def test_a_linked_record_is_its_counterpart_whatever_it_looks_like() -> None:
    found = erp_source([there(origin_id=OURS, name="Other", code="X")], [link()]).match(vendor())
    assert (found.how, found.target and found.target.id, told(found)) == ("link", "9001", set())


@pytest.mark.parametrize(
    ("targets", "says"),
    [
        ([], "no longer has it"),
        ([there(origin_id=OURS, deleted=True)], "no longer has it"),
        ([there()], "is empty now"),
        ([there(origin_id="vista:1:vendors:7")], "is vista:1:vendors:7 now"),
    ],
)
def test_a_link_is_broken_when_either_end_is_gone(targets: list[Record], says: str) -> None:
    found = erp_source(targets, [link()]).match(vendor())
    assert found.how == "link" and says in (found.broken or "")


def test_a_pending_link_may_lack_its_external_id() -> None:
    assert told(erp_source([there()], [link(status="pending")]).match(vendor())) == set()


def test_an_external_id_makes_the_match() -> None:
    found = erp_source([there(origin_id=OURS, code="other")]).match(vendor())
    assert (found.how, told(found)) == ("external_id", set())


@pytest.mark.parametrize(
    ("targets", "everyone", "result"),
    [
        ([], [vendor()], set()),
        ([there()], [vendor()], {"proposal"}),
        ([there(code="v-1 ".strip())], [vendor()], {"proposal"}),
        ([there(code="other")], [vendor()], set()),
        ([there(origin_id="vista:1:vendors:7")], [vendor()], {"foreign"}),
        ([there("1"), there("2")], [vendor()], {"ambiguous"}),
        ([there()], [vendor(), vendor("V-2", code="V-1")], {"ambiguous"}),
        ([], [vendor(), vendor("V-2", code="V-1")], {"ambiguous"}),
    ],
)
def test_looks_only_propose(targets: list[Record], everyone: list[Record], result: set[str]) -> None:
    found = erp_source(targets, everyone=everyone).match(everyone[0])
    assert (found.how, told(found)) == ("none", result)


def test_names_alone_never_match() -> None:
    assert told(erp_source([there(code=None)]).match(vendor(name="Vendor V-1"))) == set()


def test_the_tax_id_goes_before_the_code() -> None:
    targets = [there("1", code="other", tax_id="12-3456789"), there("2")]
    found = erp_source(targets, everyone=[vendor(tax_id="12-3456789")]).match(vendor(tax_id="12-3456789"))
    assert found.proposal == "Procore's V-1 (id 1, same tax id)"


def test_what_belongs_to_another_record_is_no_candidate() -> None:
    taken = there("2", origin_id="sandbox:G1:vendors:V-2")
    assert told(erp_source([taken]).match(vendor())) == set()
    assert told(erp_source([there("2")], [link(key="V-2", procore_id="2")]).match(vendor())) == set()


def test_the_others_are_named_to_the_person_who_decides() -> None:
    found = erp_source([there("1"), there("2", number="V-X", code="V-1")], everyone=[vendor(), vendor("V-3", code="V-1")]).match(
        vendor()
    )
    assert found.ambiguous == "G1:V-3, Procore V-1 (id 1), Procore V-X (id 2) (same code V-1)"


def test_a_decision_takes_the_one_candidate_and_only_that() -> None:
    proposed = erp_source([there()]).match(vendor())
    row = ENTITIES["vendors"]
    assert (by_settings(row, proposed).how, by_settings(row, proposed).target) == (
        "marker",
        proposed.target or proposed.candidates[0],
    )
    for undecidable in (erp_source([there("1"), there("2")]).match(vendor()), erp_source().match(vendor())):
        assert by_settings(row, undecidable) is undecidable


def test_codes_are_compared_within_their_project() -> None:
    row = ENTITIES["cost_codes"]
    keys = [set(identity_keys(row, cost_code("03-3000", job))) for job in ("25-104", "25-105")]
    assert not keys[0] & keys[1]


# -- from Procore --


def document(**changes: Any) -> Record:
    return commitment(**({"id": "77", "company": "01"} | changes))


def stored(number: str = "SC-1", **changes: Any) -> Record:
    return commitment(**({"number": number, "id": number, "company": "01", "status": "open"} | changes))


def procore_source(targets: Sequence[Record] = (), links: Sequence[Link] = ()) -> ProcoreSource:
    return ProcoreSource(COMMITMENTS, "sandbox", LinkIndex.of(list(links)), list(targets), "8089")


OWN_LINK = link("commitments", "01", "SC-1", "77")
OWN_ID = "sandbox:01:commitments:SC-1"


@pytest.mark.parametrize(
    ("own", "targets", "links", "how", "result"),
    [
        ({"origin_id": OWN_ID}, [stored()], [OWN_LINK], "link", set()),
        ({"origin_id": OWN_ID}, [], [OWN_LINK], "link", {"broken"}),
        ({}, [stored()], [OWN_LINK], "link", {"broken"}),
        ({}, [stored()], [link("commitments", "01", "SC-1", "77", "pending")], "link", set()),
        ({"origin_id": OWN_ID}, [stored()], [], "external_id", set()),
        ({"origin_id": OWN_ID}, [], [], "external_id", {"broken"}),
        ({"origin_id": OWN_ID, "number": "SC-2"}, [stored()], [], "external_id", {"broken"}),
        ({"origin_id": "sandbox:02:commitments:SC-1"}, [stored()], [], "external_id", {"broken"}),
        ({"origin_id": "vista:7"}, [stored()], [], "none", {"foreign"}),
        ({}, [stored(marker=MARKER)], [], "marker", set()),
        ({}, [stored(marker="procore:8089:commitments:78")], [], "none", set()),
        ({}, [stored()], [], "none", {"proposal"}),
        ({}, [stored(amount=stored().amount + 1)], [], "none", set()),  # type: ignore[attr-defined]
        ({}, [stored(vendor="V-2")], [], "none", set()),
        ({}, [stored(project="25-105")], [], "none", set()),
        ({}, [stored(company="02")], [], "none", set()),
        ({}, [stored("SC-2")], [], "none", set()),
        ({}, [stored()], [link("commitments", "01", "SC-1", "78")], "none", set()),
        ({}, [], [], "none", set()),
    ],
)
def test_a_document_and_its_counterpart(
    own: dict[str, Any], targets: list[Record], links: list[Link], how: str, result: set[str]
) -> None:
    found = procore_source(targets, links).match(document(**own))
    assert (found.how, told(found)) == (how, result)


def test_a_planned_link_is_no_link() -> None:
    found = procore_source([stored(marker=MARKER)], [link("commitments", "01", "SC-1", "77", "planned")]).match(document())
    assert found.how == "marker"
