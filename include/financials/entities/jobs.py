"""Jobs: the project of Procore, which is the ERP's job, its sub jobs, and the tax codes of its lines (docs/domain-rules.md 2.1,
rules J-01 to J-03, M-12)."""

from __future__ import annotations

from datetime import date
from typing import ClassVar, Literal, TypedDict

from include.financials.entity import Entity
from include.financials.judging.facts import Facts
from include.financials.judging.limits import limits_fault
from include.financials.judging.rules import Rule
from include.financials.judging.shared import (
    ADOPTED,
    ALIKE,
    IN_ERP,
    LEFT_OUT,
    PARENT_GONE,
    PEOPLE,
    SEEN,
    WHOSE,
    ambiguous,
    field_fault,
)
from include.financials.judging.subject import Subject
from include.financials.port import CALLED
from include.financials.record import PROJECTS, SUB_JOBS, TAX_CODES, Rate, Record, Text
from include.financials.statuses import CLOSED, OPEN, SOFT_CLOSED

# -- models ---------------------------------------------------------------------------------------------------------------------


class Project(Record):
    """A project in Procore, a job in the ERP; ``number`` is the job number."""

    entity = PROJECTS
    statuses = (OPEN, SOFT_CLOSED, CLOSED)

    name: Text
    status: Literal["open", "soft_closed", "closed"] = "open"
    currency: str | None = None
    customer: str | None = None
    start_date: date | None = None
    completion_date: date | None = None

    @property
    def active(self) -> bool:
        """All that Procore knows of a status: a soft-closed job is active there."""
        return self.status != CLOSED


class SubJob(Record):
    """A part of a job with cost codes of its own; ``number`` is its code within the job."""

    entity = SUB_JOBS

    project: Text
    name: Text


class TaxCode(Record):
    """``rate`` in percent."""

    entity = TAX_CODES

    description: str | None = None
    rate: Rate
    active: bool = True


# -- facts ----------------------------------------------------------------------------------------------------------------------


class ProjectRow(TypedDict):
    field_fault: str | None


class ProjectFacts(Facts):
    row: ClassVar[type] = ProjectRow

    def header(self, subject: Subject, approved: bool) -> ProjectRow:
        return {"field_fault": limits_fault(subject.record, self.capability, ("number", "name"), CALLED["procore"])}


class PlacedRow(TypedDict):
    project: str | None
    project_linked: bool
    field_fault: str | None


class PlacedFacts(Facts):
    """A record that may belong to a project, and has little else to be wrong with."""

    row: ClassVar[type] = PlacedRow

    def header(self, subject: Subject, approved: bool) -> PlacedRow:
        project = getattr(subject.record, "project", None)
        fields = ("number", "name", "description")
        return {
            "project": project,
            "project_linked": project is None or self.books.links(PROJECTS).find(subject.company, project) is not None,
            "field_fault": limits_fault(subject.record, self.capability, fields, CALLED["procore"]),
        }


# -- rows -----------------------------------------------------------------------------------------------------------------------

PROJECT = Entity(
    Project,
    label="project",
    stage=1,
    direction="erp_to_procore",
    content=("number", "name", "active", "start_date", "completion_date"),
    identity=("number",),
    twins=(("number",),),
    later=("origin_code",),
    numbered_once=True,
    listed=True,
    facts=ProjectFacts,
    field_rule="J-01",
    instead=IN_ERP,
    rules=(
        *WHOSE,
        *SEEN,
        ADOPTED,
        field_fault("J-01"),
        ambiguous("J-01", "Job {number} exists twice: {ambiguous}. Nothing under it is synced until one is chosen."),
        *PEOPLE,
    ),
)

SUB_JOB = Entity(
    SubJob,
    label="sub job",
    stage=1,
    direction="erp_to_procore",
    content=("number", "name"),
    references={"project": PROJECTS},
    identity=("number",),
    twins=(("number",),),
    project_scoped=True,
    facts=PlacedFacts,
    field_rule="J-03",
    instead=IN_ERP,
    rules=(
        *WHOSE,
        LEFT_OUT,
        PARENT_GONE,
        *SEEN,
        ADOPTED,
        field_fault("J-03"),
        Rule("M-01", "project_linked", "true", "held",
             "Sub job {number} waits for job {project}, which is not linked.", waits_for="projects {project}", refers=True),
        ambiguous("J-03", "{label} {number} exists twice: {ambiguous}."),
        *PEOPLE,
    ),
)  # fmt: skip

TAX_CODE = Entity(
    TaxCode,
    label="tax code",
    stage=1,
    direction="erp_to_procore",
    content=("number", "description", "rate", "active"),
    identity=("number",),
    twins=(("number",),),
    shared=True,
    listed=True,
    facts=PlacedFacts,
    field_rule="M-12",
    instead=IN_ERP,
    rules=(*WHOSE, *SEEN, ADOPTED, field_fault("M-12"), ALIKE, *PEOPLE),
)

ENTITIES = (PROJECT, SUB_JOB, TAX_CODE)
