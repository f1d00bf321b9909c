"""Staged pages: schemas from the models, exact round trips, and resuming where a crash left off."""

from __future__ import annotations

import os
import pickle
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath

from include.financials.entities import MODELS
from include.financials.port import Invalid, Page
from include.financials.reading import staging
from include.financials.reading.staging import Staged, State, arrow_schema, slug
from include.financials.record import Record
from tests.unit.financials import pair
from tests.unit.financials.pair import World, commitment, cost_type, line, project, vendor

pytestmark = pytest.mark.usefixtures("parquet_itself")
ROOT = Path(__file__).resolve().parents[4]

MAKERS: dict[str, Callable[..., Record]] = {
    "vendors": vendor,
    "vendor_insurances": pair.insurance,
    "customers": pair.customer,
    "users": pair.user,
    "projects": project,
    "sub_jobs": pair.sub_job,
    "tax_codes": pair.tax_code,
    "cost_types": cost_type,
    "cost_codes": pair.cost_code,
    "budgets": lambda number, **changes: pair.budget(number=number, **changes),
    "budget_changes": lambda number, **changes: pair.budget_change(number=number, **changes),
    "direct_costs": pair.direct_cost,
    "commitments": commitment,
    "change_events": lambda number, **changes: pair.change_event(number=number, **changes),
    "commitment_change_orders": lambda number, **changes: pair.change(number=number, **changes),
    "subcontractor_invoices": lambda number, **changes: pair.invoice(number=number, **changes),
    "payments_issued": lambda number, **changes: pair.payment(number=number, **changes),
    "prime_contracts": pair.prime_contract,
    "prime_change_orders": lambda number, **changes: pair.prime_change(number=number, **changes),
    "owner_invoices": lambda number, **changes: pair.owner_invoice(number=number, **changes),
    "payments_received": lambda number, **changes: pair.receipt(number=number, **changes),
    "periods": lambda **changes: pair.period("AP", 7, "open").model_copy(update=changes),
}


@pytest.fixture
def staged(tmp_path: Path) -> Staged:
    return Staged(UPath(tmp_path / "pages"), "vendors")


def _names(page: list[Record]) -> list[str]:
    return [record.id for record in page]


def test_types_come_from_the_models() -> None:
    schema = arrow_schema(MODELS["commitments"])
    assert schema.field("id").type == pa.string()
    assert schema.field("amount").type == pa.decimal128(18, 2)
    assert schema.field("retainage_percent").type == pa.decimal128(9, 4)
    assert schema.field("updated_at").type == pa.timestamp("us", tz="UTC")
    assert schema.field("contract_date").type == pa.date32()
    assert schema.field("kind").type == pa.string()
    assert schema.field("lines").type.value_type.field("quantity").type == pa.decimal128(18, 6)


@pytest.mark.parametrize("name", list(MODELS))
def test_no_column_has_a_type_that_loses_anything(name: str) -> None:
    schema = arrow_schema(MODELS[name])
    assert schema.names == list(MODELS[name].model_fields)
    for kind in _flat(schema):
        assert not pa.types.is_floating(kind) and not pa.types.is_null(kind)


def _flat(schema: pa.Schema) -> list[pa.DataType]:
    found = []
    for field in schema:
        kind = field.type.value_type if pa.types.is_list(field.type) else field.type
        found += [inner.type for inner in kind] if pa.types.is_struct(kind) else [kind]
    return found


def _random(annotation: Any, info: Any, rng: random.Random) -> Any:
    """Some value of a field; None whenever it may be."""
    arguments = get_args(annotation)
    if type(None) in arguments and rng.random() < 0.5:
        return None
    kinds = [kind for kind in arguments if kind is not type(None)] or [annotation]
    kind = kinds[0]
    if "Decimal" in str(annotation):
        places = 2 if "decimal_places=2" in str((annotation, info)) else 4
        return Decimal(rng.randint(-(10**8), 10**8)).scaleb(-places)
    if kind is datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=rng.randint(0, 10**12))
    if kind is date:
        return date(2026, 1, 1) + timedelta(days=rng.randint(0, 500))
    if kind is bool:
        return rng.random() < 0.5
    if kind is int:
        return rng.randint(0, 9)
    if kind is str or "Annotated[str" in str(kind) or kind.__class__.__name__ == "str":
        return rng.choice([str(2**53 + rng.randint(1, 99)), "Ångström 鉄鋼", "007", "1e5", "nan"])
    return None


@pytest.mark.parametrize("name", list(MODELS))
def test_every_model_comes_back_as_it_went(name: str, tmp_path: Path) -> None:
    rng = random.Random(name)
    records = []
    for number in range(60):
        changes = {}
        for field, info in MODELS[name].model_fields.items():
            if field in ("lines", "items", "cost_types", "id") or (value := _random(info.annotation, info, rng)) is None:
                continue
            changes[field] = value
        if name == "commitments":
            changes["lines"] = tuple(
                line(
                    n,
                    str(Decimal(rng.randint(-9999, 9999)).scaleb(-2)),
                    quantity=rng.choice([None, Decimal("333.5")]),
                    cost_type=rng.choice([None, "3"]),
                )
                for n in range(rng.randint(0, 4))
            )
        changes = {field: value for field, value in changes.items() if not _literal(name, field)}
        records.append(
            MAKERS[name](number=f"N-{number}", id=str(2**60 + number), **{k: v for k, v in changes.items() if k != "number"})
        )
    place = Staged(UPath(tmp_path), name)
    place.add(Page(records[:25], cursor={"page": 2}))
    place.add(Page(records[25:]))
    assert list(place.records()) == records


def _literal(name: str, field: str) -> bool:
    return "Literal" in str(MODELS[name].model_fields[field].annotation)


def test_a_page_without_a_single_address_keeps_its_columns(staged: Staged) -> None:
    staged.add(Page([vendor("V-1", tax_id=None), vendor("V-2", tax_id=None)]))
    with (staged.path / "page-00001.parquet").open("rb") as source:
        assert pq.read_schema(source).field("tax_id").type == pa.string()
    assert [record.tax_id for record in staged.records()] == [None, None]  # type: ignore[attr-defined]


def test_a_nullable_large_id_is_no_float(tmp_path: Path) -> None:
    place = Staged(UPath(tmp_path), "commitments")
    place.add(Page([commitment("A", vendor=None), commitment("B", vendor=str(2**53 + 1))]))
    assert [record.vendor for record in place.records()] == [None, "9007199254740993"]  # type: ignore[attr-defined]


def test_nothing_is_there_before_the_first_page(staged: Staged) -> None:
    assert staged.state() == State()
    assert list(staged.records()) == [] and list(staged.invalid()) == []


def test_the_manifest_says_how_far_the_read_has_come(staged: Staged) -> None:
    bad = Invalid("vendors", "9", "V-9", "name", "missing")
    staged.add(Page([vendor("V-1")], invalid=[bad], cursor={"page": 2}))
    assert staged.state() == State((1,), {"page": 2}, complete=False, invalid=1)
    staged.add(Page([vendor("V-2")]))
    assert staged.state() == State((1, 1), None, complete=True, invalid=1)
    assert _names(list(staged.records())) == ["V-1", "V-2"]
    assert list(staged.invalid()) == [bad]


def test_a_page_that_the_manifest_does_not_know_does_not_count(staged: Staged, monkeypatch: pytest.MonkeyPatch) -> None:
    staged.add(Page([vendor("V-1")], cursor={"page": 2}))
    with monkeypatch.context() as broken:
        broken.setattr(Staged, "_write", _fall)
        with pytest.raises(OSError, match="no space"):
            staged.add(
                Page(
                    [vendor("V-2"), vendor("V-3")],
                    invalid=[Invalid("vendors", "9", "V-9", "name", "missing")],
                    cursor={"page": 3},
                )
            )
    again = Staged(staged.path, "vendors")
    assert again.state().cursor == {"page": 2}
    assert _names(list(again.records())) == ["V-1"]
    again.add(Page([vendor("V-2")]))
    assert _names(list(again.records())) == ["V-1", "V-2"]
    assert list(again.invalid()) == [], "what the lost page said is not said any more"


def test_a_page_without_records_has_no_file_and_one_with_some_must_have_it(staged: Staged) -> None:
    bad = Invalid("vendors", "9", "V-9", "name", "missing")
    for page in (Page([], [bad]), Page([vendor("V-1")]), Page([], hidden=["7"]), Page([vendor("V-2")])):
        staged.add(page)
    assert sorted(path.name for path in staged.path.glob("*.parquet")) == ["page-00002.parquet", "page-00004.parquet"]
    assert _names(list(staged.records())) == ["V-1", "V-2"] and list(staged.invalid()) == [bad]
    assert (staged.state().pages, staged.state().records, staged.state().hidden) == (4, 2, ("7",))
    (staged.path / "page-00002.parquet").unlink()
    with pytest.raises(FileNotFoundError):
        list(staged.rows())


def test_a_record_that_came_twice_counts_once_as_it_was_read_last(staged: Staged) -> None:
    bad = Invalid("vendors", "9", "V-9", "name", "missing", scope="G1")
    staged.add(Page([vendor("V-1", name="Before"), vendor("V-2")], invalid=[bad], cursor={"page": 2}))
    staged.add(Page([vendor("V-1", name="After"), vendor("V-1", company="G2")], invalid=[bad]))
    found = [(record.company, record.number, record.name) for record in staged.records()]  # type: ignore[attr-defined]
    assert found == [("G1", "V-1", "After"), ("G1", "V-2", "Vendor V-2"), ("G2", "V-1", "Vendor V-1")]
    assert list(staged.invalid()) == [bad]


def _fall(*_: Any) -> None:
    raise OSError("no space")


def test_a_run_id_is_one_path_segment() -> None:
    assert slug("nightly_1.2-a") == "nightly_1.2-a"
    assert slug("scheduled__2026-09-30T18:00:00+00:00").startswith("scheduled__2026-09-30T18_00_00_00_00-")
    for hostile in ("../x", "..", ".", "", "/etc", "a/b", "é" * 400, "\udc80"):
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", slug(hostile)), hostile


@pytest.fixture
def lax() -> Iterator[None]:
    """The umask of most machines."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_what_is_staged_is_the_owners_alone(tmp_path: Path, lax: None) -> None:
    staged = Staged(UPath(tmp_path / "staging" / "run" / "erp" / "vendors"), "vendors")
    staged.add(Page([vendor("V-2")], [Invalid("vendors", "1", "V-1", "name", "none")], cursor={"after": "1"}))
    staged.complete()
    staging.write_whole(UPath(tmp_path / "staging" / "run" / "report.json"), "{}")
    made = {path.relative_to(tmp_path).as_posix(): path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert len(made) == 8 and {path.rpartition(".")[2] for path in made} >= {"parquet", "json"}
    assert {path: mode for path, mode in made.items() if mode != (0o600 if "." in path else 0o700)} == {}


def test_two_run_ids_never_share_a_folder() -> None:
    ids = ["a:b", "a+b", "a_b", "a b", ".a", "a", "x" * 100, "x" * 101, "x" * 102]
    ids += [slug(one) for one in ids]  # an id that looks like the folder of another
    assert len({slug(one) for one in ids}) == len(set(ids))


def test_an_unknown_type_is_refused_at_once() -> None:
    with pytest.raises(KeyError):
        staging._arrow(complex)


def test_a_task_parses_a_list_once_and_anew_after_it_was_forgotten(linked: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = linked.sync()
    parsed = 0
    rows = Staged.rows

    def counted(self: Staged) -> Iterator[Record]:
        nonlocal parsed
        parsed += 1
        return rows(self)

    monkeypatch.setattr(Staged, "rows", counted)
    first = sync.lists.snapshot("procore", "vendors")
    first.clear()  # what one caller does with its list is nobody else's
    assert sync.lists.snapshot("procore", "vendors") and parsed == 0, "what was read just now is not parsed"
    later = linked.sync(sync.run.run_id)
    assert later.lists.snapshot("procore", "vendors") and later.judging("vendors").lists.snapshot("procore", "vendors")
    assert parsed == 1
    linked.procore.change("vendors", "V-1", name="Another")
    later.forget()
    assert [getattr(one, "name", None) for one in later.lists.snapshot("procore", "vendors")] == ["Another"]


def test_pages_need_no_pandas(tmp_path: Path) -> None:
    """Importing it takes half a second, in every task of every run."""
    program = """
import pickle, sys
from upath import UPath
from include.financials.port import Page
from include.financials.reading.staging import Staged
place, records = pickle.load(sys.stdin.buffer)
for entity, record in records.items():
    staged = Staged(UPath(place) / entity, entity)
    staged.add(Page([]))  # a list that is empty so far
    staged.add(Page([record, record]))
    assert list(staged.records()) == [record], entity
    assert list(staged.keys()) == [(record.company or "", record.id)] * 2, entity
assert "pyarrow" in sys.modules
sys.exit("pandas" in sys.modules)
"""
    when = datetime(2026, 9, 30, 12, 0, 0, 1, tzinfo=UTC)
    made = {entity: make() if entity == "periods" else make("1") for entity, make in MAKERS.items()}
    records = {entity: record.model_copy(update={"updated_at": when}) for entity, record in made.items()}
    done = subprocess.run(
        [sys.executable, "-c", program], input=pickle.dumps((str(tmp_path), records)), cwd=ROOT, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    for entity, model in MODELS.items():
        assert pq.read_schema(tmp_path / entity / "page-00002.parquet") == arrow_schema(model), "days are days there"


def test_records_share_the_texts_that_repeat(tmp_path: Path) -> None:
    """Those that many records name, and words. What tells a record from others is its own."""
    place = Staged(UPath(tmp_path), "direct_costs")
    place.add(Page([MAKERS["direct_costs"](str(number)) for number in (1, 2)]))
    one, other = (cast(Any, record) for record in place.rows())
    assert one.project is other.project and one.currency is other.currency and one.company is other.company
    assert one.lines[0].cost_code is other.lines[0].cost_code and one.lines[0].cost_type is other.lines[0].cost_type
    assert one.id != other.id and one.id not in type(one).repeated


@pytest.mark.parametrize("name", ["vendors", "direct_costs", "commitments"])
def test_records_do_not_keep_which_fields_were_given(name: str) -> None:
    """More than half of a record's memory; all of them, copies and lines too, have the same set in its place."""
    one = MAKERS[name]("1")
    copy = one.model_copy(update={"number": "2"})
    assert copy.number == "2" and one.model_fields_set is copy.model_fields_set
    assert all(part.model_fields_set is one.model_fields_set for part in getattr(one, "lines", ()))
