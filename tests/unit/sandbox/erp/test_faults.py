"""The ERP's door: what became of a commit that was not confirmed, and when it is seen."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from include.erp.sql.database import Database
from include.erp.sql.errors import classify
from sandbox.erp.faults import Door, What


@pytest.fixture
def database(tmp_path: Path) -> Database:
    url = f"sqlite:///{tmp_path}/erp.sqlite"
    with sa.create_engine(url).begin() as connection:
        connection.exec_driver_sql("CREATE TABLE documents (number TEXT PRIMARY KEY)")
    return Database(url, lock_timeout=1)


def enter(database: Database, number: str) -> None:
    with database.writing() as connection:
        connection.execute(sa.text("INSERT INTO documents VALUES (:number)"), [{"number": number}])
        try:
            connection.commit()
        except DBAPIError:
            connection.invalidate()  # as the adapter does
            raise


def look(database: Database) -> list[str]:
    with database.reading("test") as connection:
        return list(connection.execute(sa.text("SELECT number FROM documents ORDER BY number")).scalars())


@pytest.mark.parametrize(("what", "seen"), [("lost_before", [0, 0]), ("lost_after", [1, 1]), ("late", [0, 1])])
def test_one_commit_is_not_confirmed(database: Database, what: What, seen: list[int]) -> None:
    """The second of three; the others take place."""
    door = Door(what, at=1)
    door.guard(database.engine)
    enter(database, "A")
    with pytest.raises(DBAPIError) as lost:
        enter(database, "B")
    assert classify(lost.value, "sqlite") == "later"
    assert [look(database).count("B") for _ in seen] == seen
    enter(database, "C")
    assert "A" in look(database) and "C" in look(database)
    assert (door.fired, door.commits) == (1, 3)


def test_a_late_commit_is_refused_when_it_was_made_again_meanwhile(database: Database) -> None:
    door = Door("late", looks=5)
    door.guard(database.engine)
    with pytest.raises(DBAPIError):
        enter(database, "A")
    enter(database, "A")
    door.land()
    assert look(database) == ["A"] and "UNIQUE" in str(door.refused)


KILLED = """
import sys
from pathlib import Path
from include.erp.sql.database import Database
from sandbox.erp.faults import Door
from tests.unit.sandbox.erp.test_faults import enter
database = Database(sys.argv[1])
Door(sys.argv[2], told=Path(sys.argv[3]).touch).guard(database.engine)
enter(database, "A")
"""


@pytest.mark.parametrize(("what", "seen"), [("killed_before", []), ("killed_after", ["A"])])
def test_a_process_is_killed_at_a_commit(database: Database, tmp_path: Path, what: str, seen: list[str]) -> None:
    command = [sys.executable, "-c", KILLED, str(database.engine.url), what, str(tmp_path / "fired")]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert (tmp_path / "fired").exists() and look(database) == seen
