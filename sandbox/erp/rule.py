"""One refusal of the ledger, and the SQL in which refusals are written.

A rule's ``when`` is a condition in the SQL that both databases understand; the row is refused when it is true. The row is ``NEW``
(``OLD`` on DELETE, and in rules for UPDATE only). Four macros stand for what they say differently: ``IS_DATE(x)``,
``IS_PLAIN(x)`` (letters, digits and hyphens only), ``EXTENDED(quantity_e4, unit_cost_e4)`` (their product in cents, rounded
half away from zero) and ``IS DISTINCT FROM``. On UPDATE a rule judges only rows in which one of its ``columns`` really changes.

The message is ``CODE: sentence``, the same text on both databases. SQLite before 3.47 can raise literal text only, so the row's
key goes into the DETAIL that PostgreSQL alone has; who sends one document knows its number.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

INSERT, UPDATE, DELETE = "INSERT", "UPDATE", "DELETE"


@dataclass(frozen=True, slots=True)
class Rule:
    """One refusal. ``guard``: on UPDATE, one more condition on the old row. ``local``: needs no other row, so is a CHECK, too."""

    code: str
    table: str
    columns: tuple[str, ...]
    when: str
    sentence: str
    events: tuple[str, ...] = (INSERT, UPDATE)
    guard: str | None = None
    local: bool = False
    sqlstate: str = "23514"

    @property
    def message(self) -> str:
        return f"{self.code}: {self.sentence}"


def same(columns: Iterable[str], left: str, right: str) -> str:
    """``left.a = right.a AND left.b = right.b ...``"""
    return " AND ".join(f"{left}.{c} = {right}.{c}" for c in columns)


COMPANY = "SELECT 1 FROM companies g WHERE g.company = NEW.company AND"
SUB_JOB = "SELECT 1 FROM sub_jobs s WHERE s.company = NEW.company AND s.job = NEW.job AND s.sub_job = NEW.sub_job"
ON_JOB = "SELECT 1 FROM job_codes c WHERE c.company = NEW.company AND c.job = NEW.job AND c.sub_job = NEW.sub_job AND"
CODE = f"{ON_JOB} c.code = NEW.code AND"
TYPES = (
    "SELECT 1 FROM job_code_types t"
    " WHERE t.company = NEW.company AND t.job = NEW.job AND t.sub_job = NEW.sub_job AND t.code = NEW.code"
)
GROUP_TYPE = (
    "SELECT 1 FROM companies g JOIN cost_types y ON y.cost_group = g.cost_group"
    " WHERE g.company = NEW.company AND y.cost_type = NEW.cost_type"
)
SCOPE = ("company", "job", "sub_job")
COST_KEY = (*SCOPE, "code", "cost_type")
