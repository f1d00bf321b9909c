"""Who is who: by link, external id or marker; looks only propose; two candidates anywhere are a question for a person."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from include.financials.entities import ENTITIES
from include.financials.identity import differing, line_twice
from include.financials.judging.matching import ErpSource, identity_keys
from include.financials.judging.matching_documents import ProcoreSource
from include.financials.judging.subject import Match, by_settings
from include.financials.ledger import Link, LinkIndex
from include.financials.record import Record
from tests.unit.financials.pair import (
    budget,
    budget_line,
    commitment,
    cost_code,
    customer,
    insurance,
    line,
    payment,
    project,
    tax_code,
    user,
    vendor,
)

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
    return ProcoreSource(COMMITMENTS, "sandbox", LinkIndex.of(list(links)), list(targets), "procore:8089")


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
        ({}, [stored(marker=MARKER), stored("SC-2", marker=MARKER)], [], "external_id", {"broken"}),
        ({}, [stored(marker=MARKER), stored("SC-2", marker=MARKER, status="void")], [], "marker", set()),
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


# -- keys are compared as what they mean --


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ("89-7777777", "897777777", True),
        ("EIN 89-7777777", "897777777", True),
        (" 89 7777777 ", "89-7777777", True),
        ("de 123.456.789", "DE123456789", True),
        ("09-7777777", "97777777", False),
        ("89-7777777", "89-7777778", False),
        ("N/A", "N/A", False),
        ("-", "-", False),
        ("00-0000000", "00-0000000", False),
        ("89-7777777", "８９－７７７７７７７", True),
        ("89-7777777", "89\N{EN DASH}7777777", True),
        ("N.A.", "n.a.", False),
        ("０", "０", False),
    ],
)
def test_a_tax_id_is_its_digits(ours: str, theirs: str, same: bool) -> None:
    record = vendor(tax_id=ours, code="other")
    found = erp_source([there(tax_id=theirs)], everyone=[record]).match(record)
    assert told(found) == ({"proposal"} if same else set())


@pytest.mark.parametrize(
    "code",
    [
        "V\N{NON-BREAKING HYPHEN}1",
        "V\N{EN DASH}1",
        "V\N{MINUS SIGN}1",
        "\N{FULLWIDTH LATIN CAPITAL LETTER V}-1",
        "V-\N{FULLWIDTH DIGIT ONE}",
        "V-\N{ZERO WIDTH SPACE}1",
        "V\N{SOFT HYPHEN}-1",
        "\N{ZERO WIDTH NO-BREAK SPACE}V-1",
        "V-1\N{NO-BREAK SPACE}",
        "\N{RIGHT-TO-LEFT MARK}v-1",
    ],
)
def test_a_code_is_what_people_see_of_it(code: str) -> None:
    assert told(erp_source([there(code=code)]).match(vendor())) == {"proposal"}


def test_a_letter_and_its_accent_are_one() -> None:
    record = vendor(code="Café-1")
    assert told(erp_source([there(code="Cafe\N{COMBINING ACUTE ACCENT}-1")], everyone=[record]).match(record)) == {"proposal"}
    assert told(erp_source([there(code="Cafe-1")], everyone=[record]).match(record)) == set()


def test_a_tax_id_that_is_set_apart_otherwise_is_no_difference() -> None:
    assert differing({"tax_id": "89-7777777"}, {"tax_id": "897777777"}) == ()
    assert differing({"tax_id": "89-7777777"}, {"tax_id": "89-7777778"}) == ("tax_id",)
    assert differing({"tax_id": None}, {"tax_id": "89-7777778"}) == ("tax_id",)


def payments(number: str = "004999", **changes: Any) -> ErpSource:
    row, hand = ENTITIES["payments_issued"], by_hand(number, **changes)
    worded = {hand.id: "V-1/N-2"} if changes.get("invoice_number") == "N-2" else {}
    return ErpSource(row, "sandbox", LinkIndex(), [hand], [payment("004999")], worded=worded)


def by_hand(number: str, **changes: Any) -> Record:
    return payment(number, **({"id": f"hand {number}", "company": None} | changes))


@pytest.mark.parametrize(
    ("number", "changes", "proposed"),
    [
        ("004999", {}, True),
        ("4999", {}, True),
        ("CHK 4999", {}, True),
        ("N/A", {}, True),
        ("-", {}, True),
        ("0", {}, True),
        ("0234241831TC", {}, True),
        ("4999", {"invoice": None}, True),
        ("N/A", {"invoice": None}, True),
        ("5001", {"invoice": None}, True),  # its text names the invoice
        ("5001", {"invoice": None, "invoice_number": None}, True),
        ("5001", {"invoice": None, "invoice_number": "N-2"}, False),
        ("5001", {"invoice": None, "invoice_number": "Draw 2"}, True),  # which invoice the ERP knows by that, a person says
        ("4999", {"amount": Decimal("36.01")}, True),
        ("4999", {"amount": Decimal("36.01"), "invoice": None, "invoice_number": None}, True),
        ("4999", {"amount": Decimal("36.01"), "invoice": "V-1/N-2"}, False),
        ("4999", {"amount": Decimal("36.01"), "invoice": None, "invoice_number": "N-2"}, False),
        ("5001", {"amount": Decimal("36.01")}, False),
        ("ACH", {"amount": Decimal("36.01")}, False),
        ("N/A", {"invoice": "V-1/N-2"}, False),
        ("N/A", {"commitment": "SC-2"}, False),
    ],
)
def test_a_payment_is_its_contract_invoice_and_amount(number: str, changes: dict[str, Any], proposed: bool) -> None:
    assert told(payments(number, **changes).match(payment("004999"))) == ({"proposal"} if proposed else set())


def test_the_number_of_a_payment_tells_several_apart() -> None:
    checks = [payment("004999"), payment("005000")]

    def judged(*hands: str) -> list[set[str]]:
        source = ErpSource(ENTITIES["payments_issued"], "sandbox", LinkIndex(), [by_hand(n) for n in hands], checks)
        return [told(source.match(check)) for check in checks]

    assert judged("4999") == [{"proposal"}, set()]
    assert judged("5000", "4999") == [{"proposal"}, {"proposal"}]
    assert judged("N/A", "4999") == [{"proposal"}, {"proposal"}]
    assert judged("N/A") == [{"ambiguous"}, {"ambiguous"}]


def test_a_check_that_pays_two_invoices_is_not_sent_beside_its_total() -> None:
    """Typed in as one payment without its invoices: of the two parts neither is sent unasked. What is one part's is nobody's
    else, and what only says how it was paid is no number."""
    row, parts = ENTITIES["payments_issued"], [payment("004999"), payment("004999", "N-2", amount=Decimal("64.00"))]

    def judged(*hands: Record) -> list[set[str]]:
        source = ErpSource(row, "sandbox", LinkIndex(), hands, parts)
        return [told(source.match(part)) for part in parts]

    nameless: dict[str, Any] = {"invoice": None, "invoice_number": None}
    assert judged(by_hand("4999", amount=Decimal("100.00"), **nameless)) == [{"ambiguous"}, {"ambiguous"}]
    assert judged(by_hand("4999", amount=Decimal("36.00"), **nameless)) == [{"proposal"}, set()]
    assert judged(by_hand("4999", amount=Decimal("63.00"), invoice="V-1/N-2")) == [set(), {"proposal"}]
    wire = [payment("WIRE", id="1"), payment("WIRE", "N-2", id="2", amount=Decimal("64.00"))]
    source = ErpSource(row, "sandbox", LinkIndex(), [by_hand("WIRE", amount=Decimal("100.00"), **nameless)], wire)
    assert [told(source.match(part)) for part in wire] == [set(), set()]


def test_a_check_that_has_its_counterpart_or_is_void_is_no_rival() -> None:
    row, other = ENTITIES["payments_issued"], payment("005000")
    linked = LinkIndex.of([link("payments_issued", "01", other.id, "9")])
    for links, rival in ((linked, other), (LinkIndex(), payment("005000", status="void"))):
        source = ErpSource(row, "sandbox", links, [by_hand("N/A")], [payment("004999"), rival])
        assert told(source.match(payment("004999"))) == {"proposal"}


def test_an_amount_of_zero_is_a_value_of_a_key() -> None:
    row, nothing = ENTITIES["payments_issued"], payment("004999", amount=Decimal("0.00"))
    source = ErpSource(row, "sandbox", LinkIndex(), [by_hand("4999", amount=Decimal("0.00"))], [nothing])
    assert told(source.match(nothing)) == {"proposal"}


@pytest.mark.parametrize(
    ("other", "result"),
    [
        ({"id": "V-2/P-1", "vendor": "V-2"}, set()),
        ({"id": "V-1/P-1/2", "insurance_type": "Umbrella"}, set()),
        ({"id": "V-1/P-1/2"}, {"ambiguous"}),
        ({"id": "V-1/P-1/2", "number": "p-1 "}, {"ambiguous"}),
    ],
)
def test_a_policy_is_vendor_number_and_type(other: dict[str, Any], result: set[str]) -> None:
    policies = [insurance(), insurance(**other)]
    source = ErpSource(ENTITIES["vendor_insurances"], "sandbox", LinkIndex(), [], policies)
    assert [told(source.match(policy)) for policy in policies] == [result, result]


@pytest.mark.parametrize(("entity", "make"), [("customers", customer), ("vendors", vendor), ("tax_codes", tax_code)])
def test_what_is_numbered_per_company_is_compared_per_company(entity: str, make: Any) -> None:
    ours, other = make(), make(company="02")
    hand = make(id="9001", company=None)

    def judged(targets: list[Record], links: list[Link], record: Record = other) -> set[str]:
        source = ErpSource(ENTITIES[entity], "sandbox", LinkIndex.of(links), targets, [ours, other])
        return told(source.match(record))

    assert judged([], []) == set() == judged([], [], ours)
    assert judged([], [link(entity, ours.company, ours.id, "9000")]) == set()
    assert judged([hand], [link(entity, ours.company, ours.id, "9000")]) == {"proposal"}
    assert judged([hand], []) == {"ambiguous"}, "whose it is, a person says"


def test_a_project_number_is_one_jobs_in_all_companies() -> None:
    """Procore has one list of projects: under which of two jobs it would stand is for a person to say (rule J-01)."""
    twins = [project(), project(company="02")]
    source = ErpSource(ENTITIES["projects"], "sandbox", LinkIndex(), [], twins)
    assert [told(source.match(twin)) for twin in twins] == [{"ambiguous"}, {"ambiguous"}]


def test_a_tax_id_is_one_vendors_in_all_companies() -> None:
    twins = [vendor(tax_id="12-3456789"), vendor("V-9", company="G2", tax_id="123456789")]
    assert told(erp_source(everyone=twins).match(twins[0])) == {"ambiguous"}


def test_an_e_mail_is_one_persons_in_all_companies() -> None:
    """Also in another spelling of case; a number is each company's own."""
    twins = [user(email="a@example.com"), user("E-9", company="02", email="A@Example.com")]
    source = ErpSource(ENTITIES["users"], "sandbox", LinkIndex(), [], twins)
    assert [told(source.match(twin)) for twin in twins] == [{"ambiguous"}, {"ambiguous"}]
    apart = [user(email="a@example.com"), user(company="02", email="b@example.com")]
    source = ErpSource(ENTITIES["users"], "sandbox", LinkIndex(), [], apart)
    assert [told(source.match(one)) for one in apart] == [set(), set()]


@pytest.mark.parametrize("number", ["sc-1", "SC-1 "])
def test_neither_case_nor_blanks_make_another_number(number: str) -> None:
    assert told(procore_source([stored()]).match(document(number=number))) == {"proposal"}
    assert told(procore_source([stored()]).match(document(number=number, origin_id=OWN_ID))) == set()


def test_a_void_document_is_nobodys_counterpart() -> None:
    void = stored(marker=MARKER, status="void")
    assert told(procore_source([void]).match(document())) == set()
    assert procore_source([void]).match(document()).how == "none"
    assert procore_source([stored(status="void")]).match(document()).how == "none"
    named = procore_source([void]).match(document(origin_id=OWN_ID))
    assert (named.how, named.voided) == ("external_id", "SC-1")
    assert procore_source([void]).match(document(origin_id=OWN_ID, number="SC-1A")).how == "none", "corrected: a new document"


def test_two_lines_of_one_key_are_seen() -> None:
    assert line_twice(commitment(lines=(line(1), line(2)))) is None
    assert line_twice(commitment(lines=(line(1), line(1)))) == "1"
    assert line_twice(budget(lines=(budget_line(1), budget_line(2)))) == "25-104//03-3000 / 3"
    assert line_twice(budget(lines=(budget_line(1, code=None), budget_line(2, code=None)))) is None, "of no key yet"  # type: ignore[arg-type]
