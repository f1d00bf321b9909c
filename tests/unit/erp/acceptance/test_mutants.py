"""The acceptance suite itself: a good mapping broken in one place at a time, and which of check, totals and accept catches it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from include.erp.acceptance import reads, sent, writes
from include.erp.acceptance.running import accept
from include.erp.acceptance.suite import Options
from include.erp.mapping.loading import MAPPINGS
from include.erp.registry import erp_system
from include.erp.tools import looks
from include.financials.exceptions import ConfigurationError
from tests.unit.erp.trial import build

GOOD = (MAPPINGS / "sandbox_erp.yaml").read_text(encoding="utf-8")
CENTS = "{column: amount_cents, type: minor_units, scale: 2}"


@dataclass(frozen=True)
class Mutant:
    """``old`` within the block of ``entity`` is ``new``: the first of its places, or ``every`` one. ``by``: which tool
    catches it, for accept which of its checks; ``told``: what is said then."""

    name: str
    entity: str
    old: str
    new: str
    by: str
    told: str
    every: bool = False
    too: tuple[str, str] | None = None
    """A second change that the first needs."""

    def text(self) -> str:
        start = GOOD.index(f"\n  {self.entity}:")
        end = re.compile(r"\n  [a-z_]+:").search(GOOD, start + 1)
        block = GOOD[start : end.start() if end else len(GOOD)]
        assert self.old in block, self.name
        mutated = block.replace(self.old, self.new, -1 if self.every else 1)
        return GOOD.replace(block, mutated.replace(*self.too) if self.too else mutated)


INVOICES, CHANGES = "subcontractor_invoices", "commitment_change_orders"
MUTANTS = (
    Mutant("a table that is not there", "vendors", "from: vendors", "from: vendor", "check", "no such table: vendor"),
    Mutant("a column that is not there", "vendors", "name: name", "name: nmae", "check", "did you mean 'name'?"),
    Mutant("a status that no rule knows", "projects", " closed: closed}", " closed: ended}", "check", "'ended'"),
    Mutant("a word that is not translated", "periods", "{open: open, ", "{", "check", "field status: is 'open'"),
    Mutant("a field of another name", "vendor_insurances", "limit: limit_text", "limt: limit_text", "check", "mean 'limit'?"),
    Mutant("cents read as dollars, in header and lines", "commitments", CENTS, "amount_cents", "totals",
               "commitments", every=True),
    Mutant(
        "documents left out by a condition of `from`", INVOICES, "from: v_ap_invoices",
        "from: SELECT * FROM v_ap_invoices WHERE vendor <> 'V-1001'", "totals",
        INVOICES,
    ),
    Mutant(
        "a join that gives a document as often as it has lines", "commitments", "from: v_commitments ",
        "from: SELECT c.* FROM v_commitments c JOIN commitment_lines l ON l.company = c.company AND l.number = c.number ",
        "test_unique", "do not tell the rows of commitments apart",
    ),
    Mutant(
        "an id that is not unique", "cost_codes", 'id: "{job}/{sub_job}/{code}"', 'id: "{job}/{code}"', "test_unique",
        "more than one record has the id 01: 25-105/03",
    ),
    Mutant("a header in other units than its lines", "commitments", CENTS, CENTS.replace("2}", "3}"), "test_sums", "lines make"),
    Mutant(
        "two fields swapped", INVOICES, "commitment: commitment\n      vendor: vendor",
        "commitment: vendor\n      vendor: commitment", "test_references", "is none of the commitments",
    ),
    Mutant(
        "key columns that are not unique", "vendors", "key_columns: [vendor_group, vendor]", "key_columns: [vendor_group]",
        "test_pages", "do not tell the rows of vendors apart",
    ),
    Mutant(
        "one company for all", "commitments", "company: company", 'company: {constant: "01"}', "test_companies",
        "the job is another company's",
    ),
    Mutant(
        "lines joined without the company", "commitments", "join: {company: company, number: number}", "join: {number: number}",
        "test_sums", "more than one line is 1, 2",
    ),
    Mutant("a scope that is no job", "commitments", "scope: job", "scope: vendor", "test_scopes", "of job"),
    Mutant(
        "times read in another zone", "commitments", "{column: updated_at, type: timestamp_text}",
        "{column: moved, type: timestamp_text, format: '%Y-%m-%dT%H:%M:%S.%3f', timezone: America/Chicago}", "test_windows",
        "is the time zone right?",
        too=("from: v_commitments ", "from: SELECT c.*, substr(c.updated_at, 1, 23) AS moved FROM v_commitments c "),
    ),
    Mutant(
        "a time of change that does not move with a change", "commitments", "changed_since: {column: updated_at",
        "changed_since: {column: created_at",
        "test_update", "does not show among what changed since",
    ),
    Mutant(
        "half the amount written", "commitments", ":contract_date, :amount,", ":contract_date, :amount / 2,",
        "test_stored[commitments-plain]", "is rejected",
    ),
    Mutant(
        "a line that is not written", "commitments",
        "- each: lines\n          sql: |\n            INSERT INTO commitment_lines (company, number,",
        "- each: lines\n          rows: any\n          sql: |\n"
        "            INSERT OR IGNORE INTO commitment_lines (number, company,",
        "test_stored[commitments-plain]", "is rejected",
    ),
    Mutant(
        "no marker stored", "commitments", ":contract_date, :amount, :marker", ":contract_date, :amount, :number",
        "test_stored[commitments-plain]", "cannot be read back",
    ),
    Mutant("a minus that is lost", INVOICES, ":cost_type, :amount,", ":cost_type, abs(:amount),",
               "test_stored[subcontr", "negative line"),
    Mutant("held written for released", INVOICES, ":amount, :held, :released, :tax, :pay",
               ":amount, :released, :held, :tax, :pay",
           "test_stored[subcontractor_invoices-plain]", "is rejected"),
    Mutant("tax that is not written", INVOICES, ":held, :released, :tax, :pay_hold", ":held, :released, 0, :pay_hold",
           "test_stored[subcontractor_invoices-tax]", "is rejected"),
    Mutant("a change that names no line of its contract", CHANGES, ":position, :line,", ":position, NULL,",
           "test_stored[commitment_change_orders-changed", "line was sent as 2"),
    Mutant("a title that is cut", "commitments", ":title, 'entering'", "substr(:title, 1, 8), 'entering'",
           "test_stored[commitments-plain]", "title was sent as"),
    Mutant("a limit that is too wide", "commitments", "title: 30,", "title: 60,", "test_limits[commitments]", "LENGTH"),
    Mutant("an update of every document", "commitments",
           "- when: title\n          sql: UPDATE commitments SET title = :title WHERE company = :company AND number = :id",
           "- when: title\n          rows: any\n          sql: UPDATE commitments SET title = :title WHERE :company <> :id",
           "test_update", "was changed too"),
    Mutant("a void that only closes", "commitments", "status = 'void'", "status = 'closed'", "test_void[commitments", "status"),
    Mutant("void documents that `from` hides", INVOICES, "from: v_ap_invoices",
           "from: SELECT * FROM v_ap_invoices WHERE status <> 'void'",
           "test_void[subcontractor_invoices", "void"),
)  # fmt: skip


@pytest.fixture(scope="session")
def books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("trial") / "erp.sqlite"
    build(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def control(books: Path) -> list[str]:
    """What the ERP's own reports say."""
    return totals("sandbox_erp", f"sqlite:///{books}")


def looked(command: Callable[..., object], mapping: str, url: str) -> list[str]:
    try:
        with closing(erp_system(url, mapping, origin_system="procore:0")) as erp:
            return list(command(erp))  # type: ignore[call-overload]
    except ConfigurationError as error:
        return [f"problem: {error}"]


def totals(mapping: str, url: str) -> list[str]:
    return [" ".join(line.split()) for line in looked(looks.totals, mapping, url)]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_each_mutant_is_caught(books: Path, control: list[str], tmp_path: Path, mutant: Mutant) -> None:
    path, copy = tmp_path / "mutant.yaml", tmp_path / "erp.sqlite"
    path.write_text(mutant.text(), encoding="utf-8")
    shutil.copyfile(books, copy)
    url = f"sqlite:///{copy}"
    if mutant.by == "check":
        said = [line for line in looked(looks.check, str(path), url) if line.startswith("problem: ")]
    elif mutant.by == "totals":
        said = list({*totals(str(path), url)} ^ {*control})
    else:
        only = mutant.by if "[" in mutant.by else f"{mutant.by}[{mutant.entity}"
        result = accept(Options(str(path), url, allow_writes=True), only)
        said = [f"{one.label}: {one.told}" for one in result.checks if one.verdict == "failed"]
    assert any(mutant.told in line for line in said), said


def table() -> list[str]:
    """Of docs/connect-an-erp.md: what is wrong, which tool says so, and by which of the suite's checks."""
    checks = {
        name: str(function.__doc__).split("\n")[0].rstrip(".")
        for module in (reads, sent, writes)
        for name, function in vars(module).items()
        if name.startswith("test_")
    }
    rows = ["| what is wrong with the mapping | caught by | |", "|---|---|---|"]
    for mutant in MUTANTS:
        check = checks.get(mutant.by.partition("[")[0])
        rows.append(f"| {mutant.name} | `{'accept' if check else mutant.by}` | {check or ''} |")
    return rows


def test_there_are_mutants_enough_and_the_page_has_them() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 20
    page = (MAPPINGS.parent.parent / "docs" / "connect-an-erp.md").read_text(encoding="utf-8")
    assert "\n".join(table()) in page
