"""A fixed sample of ``make chaos``, and bugs that are planted to see that it finds them: a process of its own, which forks.

``python -m tests.end_to_end.chaos_sample FOLDER`` prints one JSON line per case: its name here and its result.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from include import pipeline
from include.financials.judging.matching import ErpSource
from include.financials.writing import steps
from include.procore.errors import STATUS
from include.procore.exceptions import Unavailable
from sandbox.chaos import schedules
from sandbox.chaos.cases import Case, carry_out
from sandbox.chaos.worlds import SCENARIOS, Template, Write, build, forked, preload

HEADER, PAYMENT, DOCUMENT = ("direct_costs", "direct_costs/sync$"), ("payments_issued", "payments$"), ("commitments", "erp")
Place = tuple[str, str]


def one_look_is_enough() -> None:
    """An engine that takes one negative look-up for proof: it sends again at once."""
    steps.settle_time = lambda *_, **__: 0.0


def a_503_applied_nothing() -> None:
    """A client that takes a 503 for a refusal: it sends again without looking."""
    STATUS[503] = replace(STATUS[503], write=Unavailable)


def our_marks_are_overlooked() -> None:
    """Without a ledger our own half-made documents are nobody's."""
    ErpSource._half_made = lambda *_: {}  # type: ignore[method-assign]


def the_schedule_believes_events() -> None:
    """A scheduled run that looks only at what events told of, instead of at everything."""
    opened = pipeline.opened

    def believing(*given: Any, **options: Any) -> Any:
        return opened(*given, **options | {"events": True, "params": {}})

    pipeline.opened = believing  # type: ignore[assignment]


SAMPLE: dict[str, tuple[Place, str, bool, Callable[[], None] | None]] = {
    "header applied, 503": (HEADER, "503_retry_after_applied", False, None),
    "header applied, killed, ledger lost": (HEADER, "killed_after", True, None),
    "header late, 504": (HEADER, "504_late_30s", False, None),
    "payment after the look-up": (PAYMENT, "503_retry_after_late_after_look", False, None),
    "payment applied, truncated, ledger lost": (PAYMENT, "truncated_applied", True, None),
    "payment not applied, garbage": (PAYMENT, "garbage_not_applied", False, None),
    "commit late": (DOCUMENT, "erp_commit_late", False, None),
    "killed before the commit": (DOCUMENT, "erp_commit_killed_before", False, None),
    "planted: one look is enough": (HEADER, "504_late_30s", False, one_look_is_enough),
    "planted: a 503 applied nothing": (HEADER, "503_retry_after_applied", False, a_503_applied_nothing),
    "planted: our marks are overlooked": (HEADER, "killed_after", True, our_marks_are_overlooked),
}


SCHEDULES = {"planted: the schedule believes events": (schedules.Schedule(2), the_schedule_believes_events)}
"""Events come much later there than the runs that should have known of them."""


def main(folder: Path) -> int:
    preload()
    settled = folder / "templates" / schedules.TEMPLATE
    # What opened files is not forked from: the reference runs have processes of their own.
    if forked(lambda: _build(folder), folder / "log") or forked(lambda: schedules.settle(settled), folder / "log"):
        print((folder / "log").read_text(), file=sys.stderr)
        return 1
    writes = [Write(**row) for row in json.loads((folder / "writes.json").read_text())]
    for name, ((entity, path), kind, lost, plant) in SAMPLE.items():
        write = next(w for w in writes if w.entity == entity and w.path.endswith(path) and w.after == 0)
        template = Template.load(folder / "templates" / entity)
        result = carry_out(Case(write, kind, lost), template, folder / "work", plant)
        print(json.dumps({"name": name, **result}), flush=True)
    for name, (schedule, planted) in SCHEDULES.items():
        result = schedules.carry_out(schedule, Template.load(settled), folder / "work", planted)
        print(json.dumps({"name": name, **result}), flush=True)
    return 0


def _build(folder: Path) -> None:
    only = tuple(place[0] for place in (HEADER, DOCUMENT, PAYMENT))
    writes = build(replace(SCENARIOS[0], only=only), folder / "templates")
    (folder / "writes.json").write_text(json.dumps([asdict(write) for write in writes]))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
