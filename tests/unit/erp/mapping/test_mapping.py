"""What is wrong with a mapping file is said with file, line, key and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from include.erp.acceptance.result import digest
from include.erp.mapping.loading import mapping_path
from include.erp.registry import connected, erp_system, kinds, load_mapping
from include.erp.system import MappedSystem
from include.financials.entities import MODELS
from include.financials.exceptions import ConfigurationError
from tests.unit.erp.conftest import write_mapping

GOOD = """\
kind: sql
system: acme
now: SELECT CURRENT_TIMESTAMP
entities:
  vendors:
    from: vendor
    key_columns: [grp, code]
    id: "{code}"
    company: grp
    number: code
    changed_since: {column: changed, type: timestamp_text}
    fields:
      name: name
      active: {column: active, map: {1: true, 0: false}}
      hold: {constant: none}
  commitments:
    from: doc
    key_columns: [no]
    id: no
    company: {constant: "01"}
    number: no
    scope: job
    fields:
      kind: {constant: subcontract}
      project: job
      vendor: vendor
      status: status
      title: title
      amount: {column: cents, type: minor_units, scale: 2}
    lines:
      from: item
      join: {no: no}
      order: [pos]
      fields:
        id: pos
        position: pos
        cost_code: "{job}/{code}"
        cost_type: type
        amount: {column: cents, type: minor_units, scale: 2}
    find:
      marker: marker
      void: {status: void}
    capabilities: {create: true, update: true, void: true, max_lengths: {title: 30, lines.description: 60}}
    write:
      create:
        - INSERT INTO doc (no, job, marker) VALUES (:number, :project, :marker)
        - {each: lines, sql: "INSERT INTO item (no, pos, code) VALUES (:number, :position, :cost_code__code)"}
      update:
        - {when: title, sql: "UPDATE doc SET title = :title WHERE no = :id"}
      void:
        - UPDATE doc SET status = 'void' WHERE no = :id
"""


def refusal(tmp_path: Path, text: str) -> str:
    path = write_mapping(tmp_path / "acme.yaml", text)
    with pytest.raises(ConfigurationError) as caught:
        load_mapping(path)
    message = str(caught.value)
    assert all(line.startswith(f"{path}:") for line in message.splitlines())
    return message.replace(f"{path}:", "")


def test_the_good_one_is_good(tmp_path: Path) -> None:
    mapping = load_mapping(write_mapping(tmp_path / "acme.yaml", GOOD))
    assert mapping.system == "acme"
    assert mapping.at("entities", "vendors", "fields", "name") == f"{tmp_path}/acme.yaml:13: entities.vendors.fields.name"
    with pytest.raises(ConfigurationError, match=r"acme\.yaml:4: entities: has no 'projects'"):
        mapping.entity("projects")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        # shape
        ("system: acme\n", "", "1: system: is required and missing"),
        ("kind: sql", "kind: sqll", "1: kind: 'sqll' is no kind of adapter; did you mean 'sql'? Allowed: "),
        (
            "system: acme",
            "sistem: acme",
            "2: sistem: unknown key; did you mean 'system'? Allowed: kind, system, timezone, entities",
        ),
        (
            "scale: 2}\n    lines",
            "scael: 2}\n    lines",
            "29: entities.commitments.fields.amount.scael: unknown key; did you mean 'scale'?",
        ),
        ("    scope: job", "    scop: job", "22: entities.commitments.scop: unknown key; did you mean 'scope'?"),
        (
            "      title: title",
            "      title: title\n      title: name",
            '29: duplicate key "title": a key may stand once in a block',
        ),
        ("  vendors:", "  vendrs:", "5: entities.vendrs: is no entity; did you mean 'vendors'?"),
        (
            "type: minor_units, scale: 2}\n    lines",
            "type: cents}\n    lines",
            "29: entities.commitments.fields.amount.type: 'cents' is not allowed.",
        ),
        (
            "scale: 2}\n    lines",
            "scale: two}\n    lines",
            "29: entities.commitments.fields.amount.scale: Input should be a valid integer",
        ),
        ("from: vendor\n", "from: vendor; DROP TABLE x\n", "6: entities.vendors.from: must be a table or view"),
        ("name: name", "name: upper(name)", "13: entities.vendors.fields.name: 'upper(name)' is not a column name"),
        ('id: "{code}"', 'id: "{code"', "8: entities.vendors.id: '{code' is not a template"),
        ('id: "{code}"', 'id: "{grp}{code}"', "8: entities.vendors.id: '{grp}{code}' is not a template"),
        (
            "{constant: none}",
            "{constant: none, column: hold}",
            "15: entities.vendors.fields.hold: needs exactly one of column, template",
        ),
        ("now: SELECT CURRENT_TIMESTAMP", "timezone: Mars/Base", "3: timezone: 'Mars/Base' is no time zone"),
        ("now: SELECT", "now: [SELECT", "4: "),
        # against the canonical models
        ("name: name", "nmae: name", "13: entities.vendors.fields.nmae: is no canonical field; did you mean 'name'?"),
        ("name: name", "city: name", "12: entities.vendors.fields.name: is required by the canonical Vendor and not mapped"),
        (
            "      name: name",
            "      name: name\n      id: code",
            "14: entities.vendors.fields.id: stands outside `fields`, under `id`",
        ),
        (
            "map: {1: true, 0: false}",
            "map: {1: true, 0: never}",
            "14: entities.vendors.fields.active.map.0: 'never' does not fit",
        ),
        (
            "{constant: none}",
            "{constant: some}",
            "15: entities.vendors.fields.hold.constant: 'some' does not fit the canonical field",
        ),
        (
            "position: pos",
            "position: {column: pos, type: date}",
            "36: entities.commitments.lines.fields.position.type: 'date' cannot hold",
        ),
        (
            "        cost_type: type\n",
            "",
            "34: entities.commitments.lines.fields.cost_type: is required by the canonical Line",
        ),
        ("type: timestamp_text}", "type: date}", "11: entities.vendors.changed_since.type: 'date' is no time"),
        (
            "lines.description: 60",
            "lines.descriptio: 60",
            "max_lengths.lines.descriptio: is no canonical field; did you mean 'lines.description'?",
        ),
        # writes
        (
            ":number, :project",
            ":number, :projet",
            "46: entities.commitments.write.create.1.sql: parameter :projet is not known; did you mean 'project'?",
        ),
        (
            ":cost_code__code",
            ":cost_code__cod",
            "47: entities.commitments.write.create.2.sql: parameter :cost_code__cod is not known",
        ),
        ("{when: title, sql", "{sql", "49: entities.commitments.write.update.1.when: is required in an update"),
        (
            "{when: title",
            "{when: titel",
            "49: entities.commitments.write.update.1.when: 'titel' is no canonical field; did you mean 'title'?",
        ),
        (
            "void: true,",
            "void: true, sub_jobs: maybe,",
            "43: entities.commitments.capabilities.sub_jobs: Input should be a valid boolean",
        ),
        (
            "      void:\n        - UPDATE doc SET status = 'void' WHERE no = :id\n",
            "",
            "43: entities.commitments.capabilities.void: is promised",
        ),
        (
            "      marker: marker\n",
            "      marker: marker\n      x: y\n",
            "42: entities.commitments.find.x: unknown key. Allowed: marker, void",
        ),
        ("      void: {status: void}\n", "", "entities.commitments.find.void: is required with `write: void`"),
        (
            "void: {status: void}",
            "void: {stats: void}",
            "42: entities.commitments.find.void.stats: is no mapped field; did you mean 'status'?",
        ),
        # settings
        (
            "system: acme\n",
            "system: acme\nsettings: {posting: {default: now, allowed: [unposted, posted]}}\n",
            "3: settings.posting.default: 'now' is not among its `allowed`",
        ),
        (
            "scale: 2}\n    find:",
            "scale: 2}\n      parameters: {status: {setting: posting}}\n    find:",
            "40: entities.commitments.lines.parameters.status.setting: 'posting' is not offered.",
        ),
        (
            "scale: 2}\n    find:",
            "scale: 2}\n      parameters: {status: {setting: posting, constant: x}}\n    find:",
            "40: entities.commitments.lines.parameters.status: needs exactly one of field, constant, setting",
        ),
        # parts of a key
        (
            "max_lengths: {title: 30,",
            "max_lengths: {number__no: 5, title: 30,",
            "43: entities.commitments.capabilities.max_lengths.number__no: is no canonical field; did you mean 'number'?",
        ),
    ],
)
def test_a_fault_is_named_with_its_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert GOOD.count(old) == 1, old
    message = refusal(tmp_path, GOOD.replace(old, new))
    assert any(line.startswith(said) or (not said[0].isdigit() and said in line) for line in message.splitlines()), message


INVOICES = """\
  subcontractor_invoices:
    from: bill
    key_columns: [vendor, no]
    id: "{vendor}/{no}"
    company: {constant: "01"}
    number: "{job}-{no}"
    fields:
      project: job
      sequence: draw
      status: status
      amount: cents
      commitment: contract
      vendor: vendor
    lines:
      from: bill_item
      join: {no: no}
      order: [pos]
      fields:
        id: pos
        position: pos
        line: contract_line
        amount: cents
    find: {marker: marker}
    capabilities: {create: true, max_lengths: {number__no: 6}}
    write:
      create: INSERT INTO bill (no, job, vendor) VALUES (:number__no, :number__job, :vendor)
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("", "", None),
        (
            "      vendor: vendor\n",
            "      vendor: vendor\n      items: item\n",
            "65: entities.subcontractor_invoices.fields.items: is kept by Procore only and cannot be mapped",
        ),
        (
            "line: contract_line",
            "unit_cost: price",
            "72: entities.subcontractor_invoices.lines.fields.unit_cost: is no canonical field.",
        ),
        (
            "        amount: cents\n    find",
            "    find",
            "69: entities.subcontractor_invoices.lines.fields.amount: is required by the canonical InvoiceLine",
        ),
        (
            ":number__no,",
            ":number__nr,",
            "77: entities.subcontractor_invoices.write.create.0.sql: parameter :number__nr is not known",
        ),
        (
            "    find:",
            "      parameters: {gross: {field: items}}\n    find:",
            "74: entities.subcontractor_invoices.lines.parameters.gross.field: 'items' is no canonical field",
        ),
        (
            "    capabilities:",
            "    parameters: {parts: {field: items}}\n    capabilities:",
            "75: entities.subcontractor_invoices.parameters.parts.field: 'items' is no canonical field",
        ),
    ],
)
def test_lines_are_those_of_their_entity(tmp_path: Path, old: str, new: str, said: str | None) -> None:
    text = GOOD + INVOICES.replace(old, new, 1)
    if said is None:
        mapping = load_mapping(write_mapping(tmp_path / "acme.yaml", text))
        assert mapping.entity("subcontractor_invoices").capability().max_lengths == {"number__no": 6}
        return
    message = refusal(tmp_path, text)
    assert message.startswith(said), message


def test_what_has_no_lines(tmp_path: Path) -> None:
    lines = "    lines: {from: note, join: {code: code}, order: code, fields: {id: code}}\n"
    message = refusal(tmp_path, GOOD.replace("  commitments:\n", f"{lines}  commitments:\n"))
    assert message == "16: entities.vendors.lines: vendors have no lines"


def test_every_fault_is_said_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    message = refusal(tmp_path, GOOD.replace("name: name", "nmae: name").replace(":number, :project", ":number, :projet"))
    assert [line.split(":")[0] for line in message.splitlines()] == ["12", "13", "46"]


def test_find_is_required_for_creating(tmp_path: Path) -> None:
    without = GOOD.replace("    find:\n      marker: marker\n      void: {status: void}\n", "")
    assert "entities.commitments.find: is required with `write: create`" in refusal(tmp_path, without)


def test_no_file_and_no_mapping(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_mapping(tmp_path / "none.yaml")
    assert "3: entities: Input should be a valid dictionary" in refusal(tmp_path, "system: a\nkind: sql\nentities: []\n")
    assert "1: must be a block of keys" in refusal(tmp_path, "- a\n- b\n")
    assert refusal(tmp_path, "a: 'b\n").startswith("2: ")


def database(tmp_path: Path) -> sa.Engine:
    engine = sa.create_engine(f"sqlite:///{tmp_path}/acme.sqlite")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE vendor (grp TEXT, code TEXT, name TEXT, active INTEGER, changed TEXT)")
        connection.exec_driver_sql(
            "CREATE TABLE doc (no TEXT, job TEXT, vendor TEXT, status TEXT, title TEXT, cents INTEGER, marker TEXT)"
        )
        connection.exec_driver_sql("CREATE TABLE item (no TEXT, pos INTEGER, job TEXT, code TEXT, type TEXT, cents INTEGER)")
    return engine


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "name: name",
            "name: nam",
            "13: entities.vendors.fields.name: vendor has no column 'nam'; did you mean 'name'? It has: grp, code, name",
        ),
        ("scope: job", "scope: jobs", "22: entities.commitments.scope: doc has no column 'jobs'; did you mean 'job'?"),
        ("join: {no: no}", "join: {num: no}", "32: entities.commitments.lines.join: item has no column 'num'"),
        ("join: {no: no}", "join: {no: num}", "32: entities.commitments.lines.join: doc has no column 'num'"),
        ("from: vendor", "from: SELECT code FROM vendor", "7: entities.vendors.key_columns: the SELECT has no column 'grp'"),
        (
            "from: vendor",
            "from: vendors",
            "6: entities.vendors.from: the database refuses this SQL: no such table: vendors. Correct the mapping.",
        ),
        (
            "from: vendor",
            "from: vendors",
            "Table or view 'vendors' is not there; did you mean 'vendor'? There are: doc, item, vendor",
        ),
        (
            "INTO doc (no,",
            "INTO doc (num,",
            "46: entities.commitments.write.create.1: the database refuses this SQL: table doc has no column named num",
        ),
        ("now: SELECT CURRENT_TIMESTAMP", "now: SELECT nothing", None),
        (", type: timestamp_text}", "}", "11: entities.vendors.changed_since: SQLite keeps times as text"),
    ],
)
def test_check_compares_with_the_database(tmp_path: Path, old: str, new: str, said: str | None) -> None:
    engine = database(tmp_path)
    path = write_mapping(tmp_path / "acme.yaml", GOOD.replace(old, new, 1))
    system = connected(engine, load_mapping(path), origin_system="procore:1")
    if said is None:
        with pytest.raises(ConfigurationError, match=r"acme\.yaml:3: now: the database refuses"):
            system.check()
        return
    problems = [problem.replace(f"{path}:", "") for problem in system.check().problems]
    assert any(p.startswith(said) or (not said[0].isdigit() and said in p) for p in problems), problems


def test_check_finds_nothing_wrong_and_changes_nothing(tmp_path: Path) -> None:
    engine = database(tmp_path)
    system = connected(engine, load_mapping(write_mapping(tmp_path / "acme.yaml", GOOD)), origin_system="procore:1")
    assert system.check().problems == ()
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT COUNT(*) FROM doc").scalar_one() == 0


def test_check_counts_rows_without_a_key(tmp_path: Path) -> None:
    engine = database(tmp_path)
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO vendor (code) VALUES ('V-1'), ('V-2')")
    system = connected(engine, load_mapping(write_mapping(tmp_path / "acme.yaml", GOOD)), origin_system="procore:1")
    (problem,) = system.check().problems
    assert "acme.yaml:7: entities.vendors.key_columns: 2 rows of vendors have no value in a key column" in problem


def test_the_registry_picks_by_kind(tmp_path: Path) -> None:
    assert "sql" in kinds()
    database(tmp_path)
    system = erp_system(
        f"sqlite:///{tmp_path}/acme.sqlite", write_mapping(tmp_path / "acme.yaml", GOOD), origin_system="procore:1", page_size=7
    )
    assert isinstance(system, MappedSystem)
    assert system.page_size == 7
    assert mapping_path("sandbox_erp").is_file()
    with pytest.raises(ConfigurationError, match=r"acme\.yaml:1: kind: 'trytn' is no kind of adapter\b.*Allowed: .*\bsql\b"):
        erp_system(
            "x", write_mapping(tmp_path / "acme.yaml", GOOD.replace("kind: sql", "kind: trytn")), origin_system="procore:1"
        )
    with pytest.raises(ConfigurationError, match=r"mappings/nowhere\.yaml: cannot be read"):
        erp_system("x", "nowhere", origin_system="procore:1")


def test_a_records_page_is_where_the_mapping_says(tmp_path: Path) -> None:
    told = 'company: grp\n    web_url: "https://erp.example/{company}/vendors/{id}"'
    path = write_mapping(tmp_path / "erp.yaml", GOOD.replace("company: grp", told))
    system = connected(sa.create_engine("sqlite://"), load_mapping(path), origin_system="procore:1")
    vendor = MODELS["vendors"](id="V 1/2", company="01", number="V", name="V")
    assert system.web_url(vendor) == "https://erp.example/01/vendors/V%201%2F2"
    assert system.web_url(MODELS["vendors"](id="V", number="V", name="V")) is None, "it lacks what stands in the address"
    assert system.web_url() is None and system.capabilities()["vendors"].pages and not system.capabilities()["commitments"].pages
    system.close()


@pytest.mark.parametrize(("page", "said"), [("https://erp/{title}", "has {title}. Allowed: {id}"), ("erp/{id}", "web_url")])
def test_a_page_that_cannot_be_is_refused(tmp_path: Path, page: str, said: str) -> None:
    path = write_mapping(tmp_path / "erp.yaml", GOOD.replace("company: grp", f'company: grp\n    web_url: "{page}"'))
    with pytest.raises(ConfigurationError) as raised:
        load_mapping(path)
    assert said in str(raised.value)


# -- a file that extends another one

VARIANT = """\
extends: {base}
system: variant
entities:
  vendors:
    fields:
      name: {{column: long_name, null_as: "?"}}
    capabilities: {{max_lengths: {{name: 60}}}}
  commitments:
    key_columns: [company, row_no]
    write:
      create: [INSERT INTO staged (no) VALUES (:number)]
"""


def variant(tmp_path: Path, base: str = "sandbox_erp", text: str = VARIANT) -> Path:
    path = tmp_path / "variant.yaml"
    path.write_text(text.format(base=base), encoding="utf-8")
    return path


def test_a_variant_says_only_what_is_other(tmp_path: Path) -> None:
    """Blocks are joined key by key; a list or a text takes the other's place."""
    mapping, plain = load_mapping(variant(tmp_path)), load_mapping(mapping_path("sandbox_erp"))
    own, base = mapping.spec.entities, plain.spec.entities
    assert mapping.system == "variant" and own.keys() == base.keys()
    assert (own["vendors"].fields["name"].column, own["vendors"].fields["name"].null_as) == ("long_name", "?")
    assert own["vendors"].fields["city"] == base["vendors"].fields["city"]
    assert own["vendors"].capabilities.max_lengths == {"name": 60}
    assert [call.parameters() for call in own["commitments"].write.create] == [("number",)]  # type: ignore[attr-defined]
    assert own["commitments"].write.update == base["commitments"].write.update
    assert own["commitments"].key_columns == ("company", "row_no")  # type: ignore[attr-defined]


def test_an_empty_value_takes_a_key_away_and_a_place_stands_for_an_element(tmp_path: Path) -> None:
    waits = "    accepted: {column: status, values: [waits]}\n"
    base = tmp_path / "acme.yaml"
    base.write_text(
        GOOD.replace("    find:\n      marker: marker\n      void", waits + "    find:\n      marker: marker\n      void")
    )
    path = tmp_path / "own.yaml"
    path.write_text("extends: acme.yaml\nentities:\n  commitments:\n    accepted: ~\n    lines: {order: {0: place}}\n")
    own, plain = load_mapping(path), load_mapping(base).spec.entities["commitments"]
    mine = own.spec.entities["commitments"]
    assert plain.accepted is not None and mine.accepted is None
    assert mine.lines.order == ("place",) and mine.lines.fields == plain.lines.fields  # type: ignore[union-attr]
    assert own.at("entities", "commitments", "lines", "order", 0) == f"{path}:5: entities.commitments.lines.order.0"


def test_a_message_names_the_file_in_which_the_key_stands(tmp_path: Path) -> None:
    path = variant(tmp_path)
    mapping, plain = load_mapping(path), load_mapping(mapping_path("sandbox_erp"))
    assert mapping.at("entities", "vendors", "fields", "name", "column") == f"{path}:6: entities.vendors.fields.name.column"
    place = ("entities", "commitments", "write", "update", 1, "sql")
    assert mapping.at(*place) == plain.at(*place) and "sandbox_erp.yaml:" in mapping.at(*place)
    assert mapping.at("entities", "commitments", "write", "create", 2) == f"{path}:11: entities.commitments.write.create.3"
    bad = variant(tmp_path, text=VARIANT.replace("row_no]", "row no]"))
    with pytest.raises(ConfigurationError, match=r"variant\.yaml:9: entities\.commitments\.key_columns.*'row no'"):
        load_mapping(bad)


def test_a_variant_of_a_variant_and_of_itself(tmp_path: Path) -> None:
    variant(tmp_path).rename(tmp_path / "first.yaml")
    path = variant(tmp_path, "./first.yaml", "extends: {base}\nsystem: second\n")
    mapping = load_mapping(path)
    assert mapping.system == "second" and mapping.spec.entities["commitments"].write.create[0].binds() == ("number",)
    assert [one.name for one in mapping.places.bases] == ["first.yaml", "sandbox_erp.yaml"]
    assert f"{tmp_path / 'first.yaml'}:6" in mapping.at("entities", "vendors", "fields", "name")
    with pytest.raises(ConfigurationError, match=r"variant\.yaml:1: extends: \./variant\.yaml extends this file"):
        load_mapping(variant(tmp_path, "./variant.yaml"))
    with pytest.raises(ConfigurationError, match=r"none\.yaml: cannot be read"):
        load_mapping(variant(tmp_path, "./none.yaml"))
    with pytest.raises(ConfigurationError, match="extends: must be the path of a mapping file"):
        load_mapping(variant(tmp_path, text="extends: 3\n"))


def test_an_acceptance_ends_when_what_is_extended_changes(tmp_path: Path) -> None:
    base = tmp_path / "base.yaml"
    base.write_text(mapping_path("sandbox_erp").read_text(encoding="utf-8"), encoding="utf-8")
    path = variant(tmp_path, "base.yaml")
    before = digest(path)
    base.write_text(base.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    assert digest(path) != before
