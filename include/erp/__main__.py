"""``python -m include.erp``: an ERP through its mapping, without Airflow and without Procore (docs/connect-an-erp.md).

``init`` begins a mapping, ``check``, ``sample`` and ``totals`` show what it reads, ``dry`` what it would write, ``accept`` tries
all that a run relies on, ``fields`` prints the page of canonical fields.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from importlib import import_module
from pathlib import Path

import sqlalchemy as sa

from include.erp.acceptance.masters import USES
from include.erp.mapping.loading import mapping_path
from include.erp.registry import erp_system
from include.erp.tools import canonical, looks
from include.financials.entities import OF_ERP
from include.financials.exceptions import ConfigurationError, SyncError
from include.financials.port import System

ADDRESS = "ERP_URL"
"""Variable that may hold the address: a password does not belong into a command line."""
WRITES = "ERP_WRITES_URL"
"""The same of the address for documents, where the mapping's ``writes`` gives them a way of their own."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0, or 1 where something is wrong with the mapping, the ERP or a record; 2 for a wrong command line."""
    parser = _parser()
    given = parser.parse_args(arguments)
    given.mapping = getattr(given, "mapping_option", None) or getattr(given, "mapping", None)
    given.url = getattr(given, "url_option", None) or getattr(given, "url", None) or os.environ.get(ADDRESS)
    for name in given.needs:
        if getattr(given, name) is None:
            parser.error(f"{given.named}: the {name} is missing" + (f" (or the variable {ADDRESS})" if name == "url" else ""))
    lines: list[str] = []
    try:
        for line in given.command(given):
            print(_safe(line, given))
            lines.append(line[:9])
    except SyncError as error:
        lines = [f"problem: {line}" for line in str(error).splitlines()]
        for line in lines:
            print(_safe(line, given))
    return int("problem: " in lines or any(line.startswith("problem: ") for line in lines))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m include.erp", description="Get to know an ERP through its mapping.")
    commands = parser.add_subparsers(required=True, metavar="command")
    both = ("mapping", "url")

    def command(name: str, run: Callable[..., Iterator[str]], told: str, *needs: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=told, description=told)
        sub.set_defaults(command=run, needs=needs, named=name)
        for one, meaning in (
            ("mapping", "a mapping file, or the name of one in include/mappings"),
            ("url", "the ERP's address, for a database its SQLAlchemy URL"),
        ):
            if one in needs:
                sub.add_argument(one, nargs="?", help=meaning)
                sub.add_argument(f"--{one}", dest=f"{one}_option", metavar=one.upper(), help=argparse.SUPPRESS)
        if needs == both:
            sub.add_argument(
                "--writes", metavar="URL", default=os.environ.get(WRITES), help="address for documents, where they have their own"
            )
        return sub

    init = command("init", _init, "a mapping to fill in, from what the database shows of itself", "url")
    init.add_argument("--system", default="erp", help="name of the ERP in external ids (default erp)")
    init.add_argument("--entity", action="append", default=[], metavar="ENTITY=TABLE", help="repeat; without: every entity")
    init.add_argument("--lines", action="append", default=[], metavar="ENTITY=TABLE", help="table of an entity's lines")
    init.add_argument("--schema", help="schema of the tables")
    command("check", _check, "validate the mapping, run every read, show counts, sums and samples; exit 1 on problems", *both)
    sample = command("sample", _sample, "records of one entity as canonical JSON, one per line", *both)
    sample.add_argument("entity", choices=list(OF_ERP), metavar="entity", help="e.g. commitments")
    sample.add_argument("-n", type=int, default=looks.SAMPLES, help=f"how many (default {looks.SAMPLES})")
    totals = command("totals", _totals, "count, sum, first and last date per entity and job", *both)
    totals.add_argument("--procore", metavar="CONNECTION", help="Airflow's connection: Procore's count and sum beside the ERP's")
    dry = command("dry", _dry, "what would be sent of a document, and what the ERP says of it; nothing stays", *both)
    dry.add_argument("--entity", choices=list(OF_ERP), metavar="ENTITY", help="only of this one")
    dry.add_argument("--records", type=Path, help="records as `sample` prints them; default: made of the ERP's own masters")
    _using(dry)
    accept = command("accept", _accept, "try all that a run relies on; keep the result beside the mapping", *both)
    accept.add_argument("--stage", type=int, choices=(1, 2, 3, 4), default=4, help="the entities of the stages up to it")
    accept.add_argument("--allow-writes", action="store_true", help="enter test documents: into a copy, or onto a job for tests")
    accept.add_argument("--entity", action="append", default=[], choices=list(OF_ERP), metavar="ENTITY", help="only these")
    accept.add_argument("--only", help="only checks whose name has one of these texts, with commas; accepts nothing")
    accept.add_argument("--reader", metavar="URL", help="the same ERP with read-only rights")
    accept.add_argument(
        "--clerk", metavar="MODULE:FUNCTION", help="posts, rejects and voids in the ERP: function(action, record)"
    )
    accept.add_argument("--result", type=Path, help="where the result is kept (default: beside the mapping)")
    _using(accept)
    fields = command("fields", _fields, "the page of canonical fields: meanings, units, words")
    fields.set_defaults(mapping=None, url=None)
    return parser


def _using(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--use", action="append", default=[], metavar="NAME=VALUE", help=f"of what to make documents: {', '.join(USES)}"
    )


# -- the commands: each yields the lines of its answer; what is wrong begins with "problem: "


def _init(given: argparse.Namespace) -> Iterator[str]:
    from include.erp.tools.skeleton import skeleton

    yield from skeleton(given.url, given.system, _pairs(given.entity), _pairs(given.lines), given.schema)


def _check(given: argparse.Namespace) -> Iterator[str]:
    with closing(_erp(given)) as erp:
        yield from looks.check(erp)


def _sample(given: argparse.Namespace) -> Iterator[str]:
    with closing(_erp(given)) as erp:
        yield from looks.sample(erp, given.entity, given.n)


def _totals(given: argparse.Namespace) -> Iterator[str]:
    with ExitStack() as stack:
        erp = stack.enter_context(closing(_erp(given)))
        procore = stack.enter_context(closing(_procore(given.procore, erp.namespace))) if given.procore else None
        yield from looks.totals(erp, procore)


def _dry(given: argparse.Namespace) -> Iterator[str]:
    from include.erp.acceptance.suite import Options
    from include.erp.tools.dry import dry

    yield from dry(Options(given.mapping, given.url, use=_uses(given), writes=given.writes), given.entity, given.records)


def _accept(given: argparse.Namespace) -> Iterator[str]:
    # pytest is imported for this command only.
    from include.erp.acceptance.result import beside
    from include.erp.acceptance.running import accept
    from include.erp.acceptance.suite import Options

    clerk = _function(given.clerk) if given.clerk else None
    options = Options(
        given.mapping, given.url, given.stage, given.allow_writes, given.reader, clerk, _uses(given), tuple(given.entity),
        writes=given.writes,
    )  # fmt: skip
    result = accept(options, given.only)
    yield from result.lines()
    path = given.result or (None if result.partial else beside(Path(mapping_path(given.mapping))))
    if path is not None:
        result.save(path)
        yield f"kept in {path}"


def _fields(given: argparse.Namespace) -> Iterator[str]:
    yield from canonical.page()


# -- what they stand on


def _erp(given: argparse.Namespace) -> System:
    return erp_system(given.url, given.mapping, origin_system="procore:0", writes=given.writes)


def _procore(connection: str, namespace: str) -> System:
    # Airflow's import takes seconds, and only its connections know how Procore is reached.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    from include.provider.hooks.procore import ProcoreHook
    from include.provider.settings import current_settings
    from include.session import procore_system

    return procore_system(ProcoreHook(connection).client, namespace, current_settings())


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not (name and sign and value):
            raise ConfigurationError(f"{text!r} is not of the form NAME=VALUE")
        found[name] = value
    return found


def _uses(given: argparse.Namespace) -> dict[str, str]:
    found = _pairs(given.use)
    if unknown := [name for name in found if name not in USES]:
        raise ConfigurationError(f"--use {unknown[0]}: is none of {', '.join(USES)}")
    return found


def _function(name: str) -> Callable[..., None]:
    module, _, function = name.partition(":")
    try:
        found: Callable[..., None] = getattr(import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"--clerk {name}: {error}") from None
    return found


def _safe(text: str, given: argparse.Namespace) -> str:
    """No line ever shows a password, whatever a driver says in its error."""
    for url in (given.url, getattr(given, "writes", None), getattr(given, "reader", None)):
        text = _without_password(text, url)
    return text


def _without_password(text: str, url: str | None) -> str:
    try:
        made = sa.make_url(url or "")
    except sa.exc.ArgumentError:
        return text
    secrets = [made.password, *(value for key, value in made.query.items() if "pass" in key.lower() or "pwd" in key.lower())]
    for secret in secrets:
        if isinstance(secret, str) and secret:
            text = text.replace(secret, "***")
    return text


if __name__ == "__main__":
    sys.exit(main())
