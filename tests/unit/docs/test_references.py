"""The docs cannot rot unnoticed: links, section numbers, commands and tables are held against the project."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.financials.report import COUNTS
from include.financials.rules import RULES
from include.financials.settings import GateSettings, Settings
from include.procore.resources import RESOURCES
from include.procore.retry import TABLE
from include.sandbox.seed import planted
from include.sandbox.seed.schedules import GOLDEN

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


def test_bare_section_numbers_in_procores_code_are_in_the_contract() -> None:
    known = sections("procore-contract.md")
    for path in (ROOT / "include" / "procore").glob("*.py"):
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
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    assert set(re.findall(r"(?:^|[`;&\n] ?)make ([a-z]+)", code)) <= targets
    for module in set(re.findall(r"-m ((?:include|tests)[\w.]*)", code)):
        spec = importlib.util.find_spec(module)
        assert spec is not None, module
        assert spec.submodule_search_locations is None or importlib.util.find_spec(f"{module}.__main__") is not None, module


def test_every_rule_in_force_is_described_with_its_state() -> None:
    text = (DOCS / "domain-rules.md").read_text(encoding="utf-8")
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("| ")]
    for rule in RULES:
        mine = [row for row in rows if row[0].strip() == rule.id]
        state = "passes" if rule.severity == "warning" else rule.state
        assert any(state in cell for row in mine for cell in row[1:]), f"{rule.id} ({rule.fact}): {state}"
        assert not any("not in force yet" in cell for row in mine for cell in row), f"{rule.id} is in force"


def test_rules_that_the_code_names_exist() -> None:
    text = (DOCS / "domain-rules.md").read_text(encoding="utf-8")
    for path in (ROOT / "include").rglob("*.py"):
        for name in set(re.findall(r"\b([A-Z]-\d\d)\b", path.read_text(encoding="utf-8"))):
            letter, number = name.split("-")
            if path.match("*/sandbox/seed/*") or letter not in "RVJCBDMTOIYP":
                continue
            listed = name in text or any(
                int(a) <= int(number) <= int(b) for a, b in re.findall(rf"\b{letter}-(\d\d) to {letter}-(\d\d)", text)
            )
            assert listed, f"{path.name}: {name}"


def test_the_golden_job_is_the_seeds() -> None:
    text = (DOCS / "domain-rules.md").read_text(encoding="utf-8")
    for one in GOLDEN:
        row = next(line for line in text.splitlines() if line.startswith(f"| {one.number} "))
        whole, cents = one.original.split(".")
        assert f"| {int(whole):,}.{cents} |" in row
        assert row.endswith("| linked |" if one.linked else "| new |")


def test_the_planted_problems_are_the_seeds() -> None:
    text = (DOCS / "domain-rules.md").read_text(encoding="utf-8")
    table = text[text.index("### 5.4") :]
    for entry in planted("planted"):
        row = next(
            (line for line in table.splitlines() if line.startswith("| ") and f" {entry['key']}" in line.split("|")[3]), ""
        )
        assert f"| {entry['rule']} | {entry['expected']} |" in row, entry
    extra = {e["key"]: e["rule"] for e in planted("closed_gate")}
    for key in extra.keys() - {e["key"] for e in planted("planted")}:
        assert f"{key} ({extra[key]})" in table


def test_operating_explains_every_error_setting_and_count() -> None:
    text = (DOCS / "operating.md").read_text(encoding="utf-8")
    named = [row.exception.__name__ for row in TABLE] + [*COUNTS] + [name for name in Settings.model_fields if name != "entities"]
    assert [name for name in named if f"`{name}`" not in text] == []
    rules = (DOCS / "domain-rules.md").read_text(encoding="utf-8")
    assert [name for name in GateSettings.model_fields if f"`{name}`" not in rules] == []


def test_operating_explains_every_parameter_of_the_dag() -> None:
    from include.financials.run import PARAMS

    text = (DOCS / "operating.md").read_text(encoding="utf-8")
    assert [name for name in PARAMS if f"`{name}`" not in text] == []
