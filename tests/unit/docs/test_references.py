"""The docs cannot rot unnoticed: links, section numbers, commands and tables are held against the project."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from include.financials.billing import BillingItem, completed, movement, retained
from include.financials.entities import ENTITIES
from include.financials.ledger import STOPPED
from include.financials.report import COUNTS
from include.financials.run import PARAMS
from include.financials.settings import GateSettings, Settings, load
from include.procore.areas import ENTITIES as KEPT
from include.procore.areas import RESOURCES
from include.procore.events import BORN
from include.provider.retry import TABLE
from sandbox.seed import planted
from sandbox.seed.changes import changes
from sandbox.seed.company import Company
from sandbox.seed.planted import planted as problems
from sandbox.seed.schedules import GOLDEN
from tests.unit.sandbox.seed.conftest import build

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in [*DOCS.glob("*.md"), ROOT / "README.md"] if path.exists())
SOURCES = sorted(
    path
    for folder in ("dags", "include", "plugins", "scripts", "tests", "docs")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in (".py", ".yaml", ".md") and path != Path(__file__)
)
REFERENCE = re.compile(r"docs/([a-z-]+\.md)((?:[ \n]?(?:,|-|to|and)?[ \n]?§?\d+(?:\.\d+)?(?![\w%]))*)")
NUMBER = re.compile(r"\d+(?:\.\d+)?")


def sections(page: str) -> set[str]:
    """Numbers of a page's headings, and of table rows that begin with one (``| 10.21 | ...``)."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return set(re.findall(r"^(?:#+ |\| )(\d+(?:\.\d+)?)\.? ", text, re.M))


def references() -> Iterator[tuple[str, str, str]]:
    for path in [*SOURCES, *PAGES]:
        for page, numbers in REFERENCE.findall(path.read_text(encoding="utf-8")):
            for number in NUMBER.findall(numbers) or [""]:
                yield str(path.relative_to(ROOT)), page, number


def slug(heading: str) -> str:
    plain = re.sub(r"[`*_]|\[|\]\([^)]*\)", "", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def test_every_reference_names_a_page_and_a_section_that_exist() -> None:
    found = set(references())
    assert len(found) > 60, "the pattern no longer finds the references"
    known = {page: sections(page) for page in {page for _, page, _ in found} if (DOCS / page).exists()}
    missing = [
        f"{path}: docs/{page} {number}"
        for path, page, number in sorted(found)
        if page not in known or (number and number not in known[page])
    ]
    assert missing == []


def test_the_resources_name_sections_of_the_contract() -> None:
    known = sections("procore-contract.md")
    assert {row.docs for row in RESOURCES.values()} <= known


def test_the_table_of_events_is_that_of_the_resources() -> None:
    rows = {
        entity: row[1]
        for row in rows_of("operating.md", "| entity | Procore tells", "Nor are there")[1:]
        for entity in row[0].split(", ")
    }
    assert set(rows) == {name.replace("_", " ") for name in BORN}
    for name in BORN:
        said, events = rows[name.replace("_", " ")], KEPT[name].events
        assert said.startswith("nothing") == (not events), name
        assert all(event.removesuffix(" Contract Line Items").removesuffix(" Order Line Items") in said for event in events), name


def test_bare_section_numbers_in_procores_code_are_in_the_contract() -> None:
    known = sections("procore-contract.md")
    for path in (ROOT / "include" / "procore").rglob("*.py"):
        for numbers in re.findall(r"\s\((\d+\.\d+(?:, \d+\.\d+)*)\)", path.read_text(encoding="utf-8")):
            assert set(NUMBER.findall(numbers)) <= known, f"{path.name}: {numbers}"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_between_pages_resolve(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        other = (page.parent / name).resolve() if name else page
        assert other.exists(), target
        if anchor:
            assert anchor in {slug(h) for h in re.findall(r"^#+ (.+)$", other.read_text(encoding="utf-8"), re.M)}, target


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_named_files_exist(page: Path) -> None:
    named = re.findall(r"`((?:include|docs|dags|tests|scripts|plugins)/[\w./-]+)`", page.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_named_commands_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    code = " \n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.S))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    assert set(re.findall(r"(?:^|[`;&\n] ?)make ([a-z-]+)", code)) <= targets
    for module in set(re.findall(r"-m ((?:include|tests)[\w.]*)", code)):
        spec = importlib.util.find_spec(module)
        assert spec is not None, module
        assert spec.submodule_search_locations is None or importlib.util.find_spec(f"{module}.__main__") is not None, module


def test_every_rule_in_force_is_described_with_its_state() -> None:
    text = (DOCS / "domain-rules.md").read_text(encoding="utf-8")
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("| ")]
    for rule in {rule for row in ENTITIES.values() for rule in row.rules}:
        mine = [row for row in rows if row[0].strip() == rule.id]
        state = "passes" if rule.severity == "warning" else rule.state
        assert any(state in cell for row in mine for cell in row[1:]), f"{rule.id} ({rule.fact}): {state}"
        assert not any("not in force yet" in cell for row in mine for cell in row), f"{rule.id} is in force"


def test_rules_that_the_code_names_exist() -> None:
    text = (DOCS / "domain-rules.md").read_text(encoding="utf-8")
    for path in (ROOT / "include").rglob("*.py"):
        for name in set(re.findall(r"\b([A-Z]-\d\d)\b", path.read_text(encoding="utf-8"))):
            letter, number = name.split("-")
            if path.match("*/sandbox/seed/*") or letter not in "RUVJCBDMTOIYP":
                continue
            listed = name in text or any(
                int(a) <= int(number) <= int(b) for a, b in re.findall(rf"\b{letter}-(\d\d) to {letter}-(\d\d)", text)
            )
            assert listed, f"{path.name}: {name}"


def rows_of(page: str, start: str, end: str) -> list[list[str]]:
    """Cells of the table rows between two headings of a page."""
    text = (DOCS / page).read_text(encoding="utf-8")
    part = text[text.index(f"\n{start}") : text.index(f"\n{end}")]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in part.splitlines() if line.startswith("| ")]
    return [row for row in rows if not set("".join(row)) <= {"-"}]


def money(text: str) -> Decimal:
    return Decimal(text.replace(",", ""))


def test_the_golden_job_is_the_seeds() -> None:
    """Original, approved changes and revised sum of each commitment; and which are linked."""
    rows = {row[0]: row for row in rows_of("domain-rules.md", "### 5.3", "### 5.4")}
    company = Company()
    job = next(job for job in company.jobs() if job.number == "25-104")
    commitments = {commitment.number: commitment for commitment in company.commitments(job)}
    for one in GOLDEN:
        commitment = commitments[one.number]
        approved = sum((c.amount for c in changes(company, commitment) if c.approved), Decimal("0.00"))
        told = [money(cell) for cell in rows[one.number][2:5]]
        assert told == [commitment.amount, approved, commitment.amount + approved], one.number
        assert rows[one.number][-1] == ("linked" if one.linked else "new")


def test_the_planted_problems_are_the_seeds() -> None:
    rows = {row[0]: row for row in rows_of("domain-rules.md", "### 5.4", "### 5.5")}
    entries = problems(Company())
    assert {str(entry.number) for entry in entries} == rows.keys() - {"no."}
    for entry in entries:
        _, entity, keys, _, *expected = rows[str(entry.number)]
        assert (entity, *expected) == (entry.entity, entry.rule, entry.expected, entry.twin), entry
        assert entry.key in keys.split(", "), entry
    text = (DOCS / "domain-rules.md").read_text(encoding="utf-8")
    extra = {e["key"]: e["rule"] for e in planted("closed_gate")}
    for key in extra.keys() - {entry.key for entry in entries}:
        assert f"{key} ({extra[key]})" in text


def test_the_counts_of_the_company_are_the_seeds(tmp_path: Path) -> None:
    """What is on both sides at the start: Procore's records that carry our external id."""
    world = build(tmp_path)
    stored = {"cost_types": ("line_item_types",), "vendor_insurances": ("insurances",), "cost_codes": ("cost_codes",)}
    kinds = {name: tuple(resource.name for resource in row.resources) for name, row in KEPT.items()} | stored
    for name, *cells in rows_of("domain-rules.md", "### 5.1", "### 5.2"):
        entity = name.removesuffix(" of jobs").replace(" ", "_")
        if entity not in kinds or not ENTITIES[entity].external_id:
            continue
        origins = [str(row["origin_id"]) for kind in kinds[entity] for row in world.procore(kind)]
        linked = sum(f":{entity}:" in origin for origin in origins)
        assert sum(map(int, re.findall(r"\d+", cells[0]))) == linked, name
    world.store.close()
    world.engine.dispose()


def test_every_entity_has_its_direction() -> None:
    rows = {row[0].replace(" ", "_"): row for row in rows_of("domain-rules.md", "### 1.3", "### 1.4") if len(row) == 4}
    words = {"erp_to_procore": "ERP to Procore", "procore_to_erp": "Procore to ERP", "procore_only": "only read"}
    assert rows.keys() - {"entity"} == ENTITIES.keys()
    for name, row in ENTITIES.items():
        assert rows[name][1].startswith("per job" if row.two_way else words[row.direction]), name
    listed = [row[1] for row in rows_of("../README.md", "## What goes where", "## Two commands")]
    assert sorted(name for cell in listed[1:] for name in cell.replace(" ", "_").split(",_")) == sorted(ENTITIES)


def test_eligible_statuses_are_the_settings() -> None:
    rows = {row[0].replace(" ", "_"): row for row in rows_of("domain-rules.md", "### 1.3", "### 1.4") if len(row) == 4}
    for name, chosen in load().entities.items():
        for status in (status for statuses in chosen.eligible.values() for status in statuses):
            assert status.replace("_", " ") in rows[name][2], f"{name}: {status}"


def test_every_tie_is_described_or_named_as_missing() -> None:
    text = (DOCS / "domain-rules.md").read_text(encoding="utf-8")
    described = {row[0] for row in rows_of("domain-rules.md", "### 4.1", "### 4.2")} - {"tie"}
    ties = {tie.id for row in ENTITIES.values() for tie in row.ties} | {"T-01", "T-24"}
    assert described == ties
    sentence = text[text.index("Not in force yet: T-") :].partition("\n\n")[0]
    missing = set(re.findall(r"T-\d\d", sentence))
    for first, last in re.findall(r"T-(\d\d) to T-(\d\d)", sentence):
        missing |= {f"T-{n:02}" for n in range(int(first), int(last) + 1)}
    assert missing == {f"T-{n:02}" for n in range(1, 27)} - ties


def test_every_explaining_code_is_described() -> None:
    code = (ROOT / "include" / "financials" / "explained.py").read_text(encoding="utf-8")
    used = {state.upper() for state in STOPPED} | set(re.findall(r'return "([A-Z_]+)"', code))
    described = {name for row in rows_of("domain-rules.md", "### 4.3", "### 4.4") for name in row[0].split(", ")} - {"code"}
    assert described == used


def test_the_second_check_vector_is_what_the_code_computes() -> None:
    """Both ways of stating draw 2 give the figures below the table."""
    rows = rows_of("domain-rules.md", "### 3.3", "## 4")[1:]
    assert len(rows) == 2
    given = {"id": "1", "position": 1, "line": "1"}
    before = {"work": "183600.00", "stored": "122400.00", "retainage_work": "18360.00", "retainage_stored": "12240.00"}
    first = BillingItem.model_validate(given | {name: Decimal(value) for name, value in before.items()})
    names = ("previous", "work", "moved", "stored", "retainage_previous", "retainage_work", "retainage_moved")
    for _, *cells in rows:
        second = BillingItem.model_validate(
            given | dict(zip(names, map(money, cells), strict=True)) | {"retainage_stored": Decimal("3060.00")}
        )
        moved = movement(second, first)
        assert (completed(second), moved.gross, retained(first), retained(second), moved.held) == tuple(
            map(money, ("581,400", "275,400", "30,600", "58,140", "27,540"))
        )


def test_run_parameters_in_commands_are_valid() -> None:
    """The JSON after ``--conf`` and ``--dag-run-conf``."""
    found = [json.loads(conf) for page in PAGES for conf in re.findall(r"conf '(\{.*?\})'", page.read_text(encoding="utf-8"))]
    assert len(found) > 4
    for conf in found:
        assert conf.keys() <= set(PARAMS) and set(conf.get("entities", ())) <= ENTITIES.keys(), conf


def test_operating_names_every_entity_as_the_commands_take_it() -> None:
    text = (DOCS / "operating.md").read_text(encoding="utf-8")
    labels = {f'"{row.label}"' if " " in row.label else row.label for row in ENTITIES.values()}
    assert [label for label in labels if f"`{label}`" not in text] == []


def test_operating_explains_what_the_mapping_lets_one_choose() -> None:
    text = (DOCS / "operating.md").read_text(encoding="utf-8")
    mapping = yaml.safe_load((ROOT / "include" / "mappings" / "sandbox_erp.yaml").read_text(encoding="utf-8"))
    assert [name for name in mapping["settings"] if f"`{name}`" not in text] == []


def test_operating_explains_every_error_setting_and_count() -> None:
    text = (DOCS / "operating.md").read_text(encoding="utf-8")
    named = [row.exception.__name__ for row in TABLE] + [*COUNTS] + [name for name in Settings.model_fields if name != "entities"]
    assert [name for name in named if f"`{name}`" not in text] == []
    rules = (DOCS / "domain-rules.md").read_text(encoding="utf-8")
    assert [name for name in GateSettings.model_fields if f"`{name}`" not in rules] == []


def test_operating_explains_every_parameter_of_the_dag() -> None:
    text = (DOCS / "operating.md").read_text(encoding="utf-8")
    assert [name for name in PARAMS if f"`{name}`" not in text] == []


def test_the_way_of_a_commitment_leads_through_code_that_is_there() -> None:
    """Each step names files, and what to begin reading at in them; every other path of the page exists as well."""
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    paths = set(re.findall(r"`((?:include|sandbox|dags|tests|plugins)/[\w/.]+)`", text))
    assert paths and [path for path in sorted(paths) if not (ROOT / path).exists()] == []
    steps = [line.split(" | ") for line in text.splitlines() if re.match(r"\| \d+ \|", line)]
    assert len(steps) == 10
    for _, _, files, names in steps:
        code = "\n".join((ROOT / path).read_text(encoding="utf-8") for path in re.findall(r"`([\w/.]+)`", files))
        for name in re.findall(r"`(\w+)`", names):
            assert re.search(rf"^(?:def|class) {name}\b", code, re.M), (files, name)
    short = re.findall(r"`((?:judging|reading|writing|ledger|entities)/[\w./*]*)`", text)
    assert [name for name in short if "*" not in name and not (ROOT / "include" / "financials" / name).exists()] == []
