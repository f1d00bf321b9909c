"""The acceptance suite on PostgreSQL: the sandbox's ERP, and the variant of it that takes documents into batches, where a clerk
posts and rejects what was handed over. Here are the documents that enter batches; whole, on SQLite: test_acceptance."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from include.erp.acceptance.running import accept
from include.erp.acceptance.suite import Options
from sandbox.batches import schema
from sandbox.batches.clerk import at
from sandbox.batches.demo import MAPPING
from tests.pg import postgres_url  # noqa: F401  (fixture)
from tests.unit.erp.trial import Clerk, build, reader

pytestmark = pytest.mark.postgres

ENTITIES = tuple(kind.entity for kind in schema.KINDS)
CHECKS = "plain],release only],test_again,test_unknown,test_two_writers,test_read_only,test_posted,test_rejected,test_voided"


@pytest.fixture(scope="module")
def login(postgres_url: str) -> Iterator[str]:  # noqa: F811
    """A login that may only read; the books are those of the other tests of the suite."""
    build(postgres_url)
    engine = sa.create_engine(postgres_url)
    schema.create(engine)
    engine.dispose()
    with reader(postgres_url) as url:
        yield url


def verdicts(options: Options) -> dict[str, set[tuple[str, str]]]:
    """Label and entity of the checks, by verdict. The suite looks at what a document stands on by itself."""
    result = accept(options, CHECKS)
    assert [(one.entity, one.label, one.told) for one in result.checks if one.verdict == "failed"] == []
    found: dict[str, set[tuple[str, str]]] = {"passed": set(), "skipped": set()}
    for one in result.checks:
        found[one.verdict].add((one.label, one.entity))
    return found


def test_the_sandboxs_erp(postgres_url: str, login: str) -> None:  # noqa: F811
    """Commitments and change orders are booked at once there, so that nobody posts or refuses them afterwards."""
    found = verdicts(
        Options("sandbox_erp", postgres_url, allow_writes=True, reader=login, clerk=Clerk(postgres_url), entities=ENTITIES)
    )
    afterwards = {("refused afterwards, it is said so, and may be sent again", name) for name in ENTITIES}
    posted = {("posted afterwards, it is the same document", name) for name in ENTITIES[:2]}
    assert found["skipped"] == afterwards | posted
    assert {name for _, name in found["passed"]} == {*ENTITIES} and len(found["passed"]) == 20


def test_batches_that_a_clerk_posts(postgres_url: str, login: str) -> None:  # noqa: F811
    with at(postgres_url) as clerk:
        found = verdicts(Options(str(MAPPING), postgres_url, allow_writes=True, reader=login, clerk=clerk, entities=ENTITIES))
        assert found["skipped"] == {("voided afterwards, it counts for nothing and is not sent again", ENTITIES[1])}
        assert len(found["passed"]) == 24
        with clerk.engine.connect() as connection:
            said = connection.exec_driver_sql("SELECT DISTINCT split_part(said, ':', 1) FROM batch_errors").scalars().all()
    assert said == ["RETURNED"]
