"""Codes: cost types and cost codes (docs/domain-rules.md 2.1, rules C-01, C-02)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import ClassVar, TypedDict, cast

from include.financials.entity import Entity
from include.financials.judging.facts import Facts
from include.financials.judging.limits import limits_fault
from include.financials.judging.rules import Rule
from include.financials.judging.shared import ADOPTED, IN_ERP, LEFT_OUT, PARENT_GONE, PEOPLE, SEEN, WHOSE, ambiguous
from include.financials.judging.subject import Subject
from include.financials.port import CALLED
from include.financials.record import COST_CODES, COST_TYPES, PROJECTS, Figures, Record, Text, Whole

# -- models ---------------------------------------------------------------------------------------------------------------------


class CostType(Record):
    """``number`` is the code on its own side (ERP ``3``, Procore ``C``); settings map one to the other (C-02)."""

    entity = COST_TYPES

    name: Text
    base_type: str
    active: bool = True


class CostCode(Record):
    """``number`` is the full code (``03-3000``); ``project`` is None for a standard code of the company list.

    ``cost_types`` are the assigned types: on the ERP's side the categories of the phase, on Procore's the active WBS codes.
    """

    entity = COST_CODES

    project: str | None
    sub_job: str | None = None
    code: Text
    """The own part, without the parents' prefixes (``3000``)."""
    name: Text
    parent: str | None = None
    """Own-side id of the parent code."""
    level: Whole = 0
    is_header: bool = False
    active: bool = True
    cost_types: tuple[str, ...] = ()

    def figures(self) -> Figures:
        return {"cost_types": list(self.cost_types), "project": self.project}


# -- facts ----------------------------------------------------------------------------------------------------------------------


class CostTypeRow(TypedDict):
    mapped: str | None
    field_fault: str | None


class CostTypeFacts(Facts):
    """Rule C-02: each side has codes of its own, and the settings say which is which."""

    row: ClassVar[type] = CostTypeRow

    def header(self, subject: Subject, approved: bool) -> CostTypeRow:
        return {"mapped": self.books.sync.settings.cost_type_codes.get(subject.own.number), "field_fault": None}


class CostCodeRow(TypedDict):
    project: str
    parent: str | None
    project_linked: bool
    parent_known: bool
    unmapped_type: str | None
    field_fault: str | None


class CostCodeFacts(Facts):
    """Rules C-01 and C-02."""

    row: ClassVar[type] = CostCodeRow

    @cached_property
    def _types(self) -> set[str]:
        return {link.erp_key for link in self.books.sync.links(COST_TYPES).by_erp.values()}

    @cached_property
    def _parents(self) -> dict[str, str | None]:
        return {
            record.id: record.parent for record in cast(Iterable[CostCode], self.books.sync.lists.everywhere("erp", COST_CODES))
        }

    def header(self, subject: Subject, approved: bool) -> CostCodeRow:
        record = cast(CostCode, subject.record)
        project = record.project
        fault = limits_fault(record, self.capability, ("code", "name"), CALLED["procore"])
        return {
            "project": project or "the standard list",
            "parent": record.parent,
            "project_linked": project is None or self.books.links(PROJECTS).find(subject.company, project) is not None,
            "parent_known": record.parent is None or record.parent in self._parents,
            "unmapped_type": next((code for code in record.cost_types if code not in self._types), None),
            "field_fault": fault or self._circle(record.id),
        }

    def _circle(self, code: str) -> str | None:
        seen, at = {code}, self._parents.get(code)
        while at is not None:
            if at in seen:
                return "its parents form a circle"
            seen.add(at)
            at = self._parents.get(at)
        return None


# -- rows -----------------------------------------------------------------------------------------------------------------------

_TWICE = ambiguous("C-01", "{label} {number} exists twice: {ambiguous}.")

COST_TYPE = Entity(
    CostType,
    label="cost type",
    stage=2,
    direction="erp_to_procore",
    content=("number", "base_type"),  # each side has names of its own; the code mapping is what links them (C-02)
    altered_there=("number", "base_type"),
    identity=("number",),
    twins=(("number",),),
    shared=True,
    listed=True,
    coded_by="cost_type_codes",
    facts=CostTypeFacts,
    field_rule="C-02",
    instead=IN_ERP,
    rules=(
        *WHOSE,
        *SEEN,
        ADOPTED,
        Rule("C-02", "mapped", "present", "quarantined",
             "ERP cost type {number} has no counterpart in settings cost_type_codes; add it."),
        _TWICE,
        *PEOPLE,
    ),
)  # fmt: skip

COST_CODE = Entity(
    CostCode,
    label="cost code",
    stage=2,
    direction="erp_to_procore",
    content=("number", "name", "cost_types"),
    references={"project": PROJECTS, "cost_types": COST_TYPES, "parent": COST_CODES},
    identity=("number",),
    twins=(("number",),),
    later=("cost_types",),
    project_scoped=True,
    company_list=True,
    shared=True,
    listed=True,
    lists=2,
    facts=CostCodeFacts,
    field_rule="C-01",
    instead=IN_ERP,
    rules=(
        *WHOSE,
        LEFT_OUT,
        PARENT_GONE,
        *SEEN,
        ADOPTED,
        Rule("C-01", "field_fault", "absent", "quarantined", "Cost code {number} of {project}: {field_fault}."),
        Rule("C-01", "parent_known", "true", "quarantined",
             "Cost code {number} of {project}: its parent {parent} does not exist."),
        Rule("M-01", "project_linked", "true", "held",
             "Cost code {number} waits for job {project}, which is not linked.",
             waits_for="projects {project}", refers=True),
        Rule("C-02", "unmapped_type", "absent", "held",
             "Cost code {number}: cost type {unmapped_type} is not linked.",
             waits_for="cost_types {unmapped_type}", refers=True),
        _TWICE,
        *PEOPLE,
    ),
)  # fmt: skip

ENTITIES = (COST_TYPE, COST_CODE)
