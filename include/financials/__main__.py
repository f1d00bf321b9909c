"""Command line of the ledger: ``python -m include.financials why commitment 104-SC-003``."""

from __future__ import annotations

import argparse
import getpass
import os
import signal
import sys
from contextlib import closing

from include.financials import decide
from include.financials.exceptions import ConfigurationError, SyncError
from include.financials.ledger import Ledger
from include.financials.ledger.story import why

DEFAULT_LEDGER = "sqlite:///var/demo/ledger.sqlite"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m include.financials", description=__doc__)
    parser.add_argument(
        "--ledger",
        default=os.environ.get("SYNC_LEDGER_URL", DEFAULT_LEDGER),
        help="SQLAlchemy URL of the ledger (default: $SYNC_LEDGER_URL, else the demo's)",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    story = commands.add_parser("why", help="one document's whole story: state, rule, what it waits for, calls, ids")
    story.add_argument("entity", help="vendor, customer, project, cost type, cost code or commitment")
    story.add_argument("number", help="what people call it, e.g. 104-SC-003 or V-1042")
    decision = commands.add_parser("decide", help="record a person's decision on a record as it is now")
    decide.arguments(decision)
    made = commands.add_parser("ledger", help="make the ledger, or bring it up to date after an upgrade")
    made.add_argument("action", choices=("create",))
    chosen = parser.parse_args(arguments)
    try:
        with closing(Ledger(chosen.ledger)) as ledger:
            print(_carried_out(ledger, chosen))
    except SyncError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _carried_out(ledger: Ledger, chosen: argparse.Namespace) -> str:
    if chosen.command == "ledger":
        ledger.create()
        return f"The ledger {ledger.shown} is ready."
    ledger.ready()
    if chosen.command == "why":
        return "\n".join(why(ledger.story, chosen.entity, chosen.number))
    return decide.decide(ledger, chosen, _who())


def _who() -> str:
    """Who decides. In a container the process may belong to a number that nobody has given a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise ConfigurationError("Nobody is known to decide this: set LOGNAME to your name, and repeat the command.") from error


if __name__ == "__main__":
    if hasattr(signal, "SIGPIPE"):  # `why ... | head` ends quietly, as other commands do
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main())
