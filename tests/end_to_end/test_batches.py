"""An ERP that takes documents into batches, on PostgreSQL: handed over, posted or rejected by a clerk the next day, and known
whatever becomes of the run or of the ledger in between. The same company as ``make demo ERP=batches``, without Airflow."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import requests

from include.erp.sql.submitting import Submission
from sandbox import pipeline, postgres
from sandbox.batches import demo
from sandbox.batches.clerk import Clerk, at
from sandbox.batches.schema import KINDS
from sandbox.seed.schedules import GOLDEN_JOB

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


class Killed(BaseException):
    """Stands for the end of the process: nothing of ours catches it."""


class Company:
    def __init__(self, info: dict[str, Any], folder: Path, clerk: Clerk) -> None:
        self.info, self.folder, self.clerk, self.runs = info, folder, clerk, 0

    def run(self) -> dict[str, Any]:
        self.runs += 1
        self.control("clock", {"advance": 60})  # a window ends at the second before its run began
        params = {"projects": [GOLDEN_JOB], "entities": list(demo.ENTITIES)}
        return pipeline.run(self.info, self.folder, f"run-{self.runs}", params=params)

    def control(self, path: str, body: dict[str, Any]) -> Any:
        reply = requests.post(f"{self.info['base_url']}/_sandbox/{path}", json=body, timeout=60)
        assert reply.ok, reply.text
        return reply.json()

    def lose_the_ledger(self) -> None:
        for path in self.folder.glob("ledger.sqlite*"):
            path.unlink()
        shutil.rmtree(self.folder / "staging")

    def handed_over(self) -> list[str]:
        """Numbers of all that stands in batches, posted or not."""
        with self.clerk.engine.connect() as connection:
            queries = (f"SELECT {kind.number} FROM {kind.batch_header}" for kind in KINDS)
            return sorted(number for query in queries for number in connection.exec_driver_sql(query).scalars())

    def title(self, number: str) -> str:
        with self.clerk.engine.connect() as connection:
            found = connection.exec_driver_sql("SELECT title FROM commitments WHERE number = %s", (number,))
            return str(found.scalar_one())

    def retitle(self, number: str, title: str) -> None:
        """A person does, in Procore."""
        kind = "work_order_contracts" if "-SC-" in number else "purchase_order_contracts"
        project = {"project_id": 4620000000}
        rows = self.control("as_user", {"method": "GET", "path": f"/{kind}?project_id=4620000000&per_page=100"})
        (ident,) = [row["id"] for row in rows if row["number"] == number]
        changed = {**project, kind.removesuffix("s"): {"title": title}}
        self.control("as_user", {"method": "PATCH", "path": f"/{kind}/{ident}", "json": changed})


@pytest.fixture
def company(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Company]:
    request.session.config.add_cleanup(postgres.stop)
    try:
        with demo.company(tmp_path / "state", size="small") as info, at(info["erp_url"]) as clerk:
            made = Company(info, tmp_path, clerk)
            yield made
    except postgres.NoServer as none:
        pytest.skip(str(none))


def test_night_by_night(company: Company) -> None:
    """What the demo shows, and then: one title is changed, and exactly that is written; again, and nothing is."""
    for night in demo.NIGHTS:
        assert demo.surprises(night, company.run()) == []
        if night is demo.NIGHTS[0]:
            assert company.handed_over() == sorted(night.accepted)
        demo.the_next_day(company.info, company.clerk, night.rejects)
    assert demo.in_the_books(company.clerk) == []
    assert company.handed_over() == sorted(demo.FIRST | demo.SECOND)
    company.retitle("104-SC-008", "Roofing, west")
    changed = company.run()
    assert (changed["erp_writes"], company.title("104-SC-008")) == (1, "Roofing, west")
    same = company.run()
    assert (same["erp_writes"], same["procore_writes"], demo.unexplained(same)) == (0, 0, 0)


@contextmanager
def killed_after(entity: str) -> Iterator[None]:
    """The process ends when the ERP has committed a batch of that entity, before its answer is noted."""
    receipts = Submission.receipts

    def once(self: Submission, *given: Any) -> Any:
        found = receipts(self, *given)
        if self.selects.name == entity:
            raise Killed
        return found

    with mock.patch.object(Submission, "receipts", once), pytest.raises(Killed):
        yield


def test_killed_and_without_a_ledger_nothing_is_handed_over_twice(company: Company) -> None:
    first = replace(demo.NIGHTS[0], masters=0)  # they are written before the process ends
    with killed_after("commitments"):
        company.run()
    assert company.handed_over() == ["104-PO-002", "104-PO-003", "104-SC-008"]
    assert demo.surprises(first, company.run()) == [], "what was handed over is found there and waits; the rest is sent"
    company.lose_the_ledger()
    assert demo.surprises(first, company.run()) == [], "its marker is found in the batch"
    assert company.handed_over() == sorted(first.accepted)
    demo.the_next_day(company.info, company.clerk, {})
    company.lose_the_ledger()
    second = company.run()
    assert demo.stopped(second, "accepted") == set(demo.SECOND), "its marker is found in the books"
    waiting = {f"invoice {number} is in the books 0 times" for number in demo.SECOND}
    assert set(demo.in_the_books(company.clerk)) == waiting, "all others once"
    assert demo.unexplained(second) == 0 and company.handed_over() == sorted(first.accepted | demo.SECOND)
