"""Every action of the clerk: those on master data and the calendar, and those on documents."""

from __future__ import annotations

from sandbox.erp.action import (
    ADDRESS,
    CODE,
    COMPANY,
    DATES,
    GROUP,
    JOB,
    JOBS_COMPANY,
    NAME,
    NO_CODE,
    NO_JOB,
    NO_NUMBER,
    NO_VENDOR,
    NUMBER,
    NUMBERS_COMPANY,
    ON_JOB,
    SUB_JOB,
    THE_COMPANY,
    THE_GROUP,
    VENDOR,
    Action,
    Do,
    Field,
    Lookup,
    group_of,
    insert_row,
    next_number,
    set_columns,
)
from sandbox.erp.document_actions import DOCUMENT_ACTIONS

_PERIODS = Do(
    "periods",
    "UPDATE periods SET status = :status WHERE period = :period AND (CAST(:company AS TEXT) IS NULL OR company = :company)"
    " AND (CAST(:module AS TEXT) IS NULL OR module = :module)",
    "the calendar has no such period {period}",
)
_NEW_CODE = (
    Lookup(
        "name",
        "SELECT s.name FROM standard_codes s JOIN companies c ON c.cost_group = s.cost_group"
        " WHERE c.company = :company AND s.code = :code",
        optional=True,
    ),
    # The division's header, where the job has one.
    Lookup(
        "parent",
        "SELECT max(code) FROM job_codes WHERE company = :company AND job = :job AND sub_job = :sub_job"
        " AND is_header = 1 AND code <> :code AND substr(code, 1, 2) = substr(:code, 1, 2)",
        optional=True,
    ),
)

ACTIONS: dict[str, Action] = {
    "advance": Action((Field("seconds", required=True, kind="seconds", also=("advance", "by")),)),
    "new_vendor": Action(
        (
            *(Field("vendor", also=("code", "key", "vendor_code")), NAME, *GROUP, Field("tax_id", also=("ein",)), Field("terms")),
            *(Field("hold", default="none", choices="none|payment|all"), Field("hold_reason", also=("reason",)), *ADDRESS),
            Field("active", kind="flag", default=1),
        ),
        (THE_GROUP, next_number("vendor", "V-", "vendor_group = :vendor_group")),
        (insert_row("vendors", "vendor_group vendor name tax_id terms hold hold_reason active address city state zip"),),
    ),
    "rename_vendor": Action(
        (VENDOR, NAME, *GROUP), (group_of("vendor"),), (set_columns("vendors", "name", "vendor_group vendor", NO_VENDOR),)
    ),
    "activate_vendor": Action(
        (VENDOR, Field("active", kind="flag", default=1), *GROUP),
        (group_of("vendor"),),
        (set_columns("vendors", "active", "vendor_group vendor", NO_VENDOR),),
    ),
    "hold_vendor": Action(
        (
            *(VENDOR, Field("hold", default="all", choices="none|payment|all", also=("status",))),
            *(Field("hold_reason", also=("reason",), default="put on hold by the clerk"), *GROUP),
        ),
        (group_of("vendor"),),
        (
            set_columns(
                *("vendors", "hold", "vendor_group vendor", NO_VENDOR),
                hold_reason="CASE WHEN :hold = 'none' THEN NULL ELSE :hold_reason END",
            ),
        ),
    ),
    "merge_vendors": Action(
        (
            Field("from", required=True, also=("source", "old")),
            Field("into", required=True, also=("to", "target", "new")),
            *GROUP,
        ),
        (group_of("from"),),
        (
            Do(
                "vendors",
                "UPDATE vendors SET merged_into = :into, active = 0 WHERE vendor_group = :vendor_group AND vendor = :from",
                "there is no vendor {from} in group {vendor_group}",
            ),
        ),
    ),
    "new_customer": Action(
        (Field("customer", also=("code", "key")), NAME, COMPANY, *ADDRESS, Field("active", kind="flag", default=1)),
        (THE_COMPANY, next_number("customer", "C-", "company = :company")),
        (insert_row("customers", "company customer name active address city state zip"),),
    ),
    "rename_customer": Action(
        (Field("customer", required=True, also=("code", "key")), NAME, COMPANY),
        (
            Lookup(
                *("company", "SELECT company FROM customers WHERE customer = :customer"),
                *("there is no customer {customer}", "customer {customer} is in {n} companies: give company"),
            ),
        ),
        (set_columns("customers", "name", "company customer", "there is no customer {customer} in company {company}"),),
    ),
    "new_job": Action(
        (JOB, NAME, COMPANY, Field("customer"), *DATES, Field("status", default="open", choices="open|soft_closed|closed")),
        (THE_COMPANY,),
        (insert_row("jobs", "company job name customer status start_date completion_date"),),
    ),
    "rename_job": Action((JOB, NAME, COMPANY), (JOBS_COMPANY,), (set_columns("jobs", "name", "company job", NO_JOB),)),
    "close_job": Action(
        (JOB, Field("status", default="closed", choices="soft_closed|closed"), COMPANY),
        (JOBS_COMPANY,),
        (set_columns("jobs", "status", "company job", NO_JOB),),
    ),
    "open_job": Action(
        (JOB, Field("status", default="open"), COMPANY), (JOBS_COMPANY,), (set_columns("jobs", "status", "company job", NO_JOB),)
    ),
    "new_sub_job": Action(
        (JOB, Field("sub_job", required=True), NAME, COMPANY),
        (JOBS_COMPANY,),
        (insert_row("sub_jobs", "company job sub_job name"),),
    ),
    "new_cost_code": Action(
        (
            *(JOB, CODE, Field("name"), SUB_JOB, Field("parent"), COMPANY),
            Field("cost_types", kind="list", default=(), also=("types", "cost_type")),
        ),
        (JOBS_COMPANY, *_NEW_CODE),
        (
            Do(
                "job_codes",
                "INSERT INTO job_codes (company, job, sub_job, code, name, parent)"
                " SELECT CAST(:company AS TEXT), CAST(:job AS TEXT), CAST(:sub_job AS TEXT), CAST(:code AS TEXT),"
                " coalesce(CAST(:name AS TEXT), :code), CAST(:parent AS TEXT)"
                f" WHERE NOT EXISTS (SELECT 1 FROM job_codes WHERE {' AND '.join(f'{c} = :{c}' for c in ON_JOB.split())})",
            ),
            Do(
                "job_code_types",
                "INSERT INTO job_code_types (company, job, sub_job, code, cost_type)"
                " VALUES (:company, :job, :sub_job, :code, :cost_type)"
                " ON CONFLICT (company, job, sub_job, code, cost_type) DO UPDATE SET active = 1 WHERE job_code_types.active = 0",
                each="cost_types",
            ),
        ),
    ),
    "activate_code": Action(
        (JOB, CODE, Field("active", kind="flag", default=1), SUB_JOB, COMPANY),
        (JOBS_COMPANY,),
        (set_columns("job_codes", "active", ON_JOB, NO_CODE),),
    ),
    "rename_code": Action(
        (JOB, CODE, NAME, SUB_JOB, COMPANY), (JOBS_COMPANY,), (set_columns("job_codes", "name", ON_JOB, NO_CODE),)
    ),
    "open_period": Action(
        (
            Field("period", required=True, also=("month",)),
            Field("module", choices="AP|AR|JC|GL"),
            COMPANY,
            Field("status", default="open"),
        ),
        do=(_PERIODS,),
    ),
    "close_period": Action(
        (
            *(Field("period", required=True, also=("month",)), Field("module", choices="AP|AR|JC|GL"), COMPANY),
            Field("status", default="closed", choices="soft_closed|closed"),
        ),
        do=(_PERIODS,),
    ),
    "retitle_commitment": Action(
        (NUMBER, Field("title", required=True, also=("name",)), COMPANY),
        (NUMBERS_COMPANY,),
        (set_columns("commitments", "title", "company number", NO_NUMBER),),
    ),
    **{
        f"{verb}_commitment": Action(
            (NUMBER, COMPANY),
            (NUMBERS_COMPANY,),
            (set_columns("commitments", "", "company number", NO_NUMBER, status=f"'{status}'"),),
        )
        for verb, status in (("close", "closed"), ("reopen", "open"), ("void", "void"))
    },
    **DOCUMENT_ACTIONS,
}
"""Every action. A company is found by the number of a job or document where that is used in one company only."""
