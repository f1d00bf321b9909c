"""Command line of the ledger: ``python -m include.financials why commitment 104-SC-003``."""

from __future__ import annotations

import argparse
import getpass
import os
import signal
import sys

from include.financials import decide
from include.financials.exceptions import SyncError
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
    ledger = Ledger(chosen.ledger)
    try:
        if chosen.command == "ledger":
            ledger.create()
            print(f"The ledger {ledger.shown} is ready.")
            return 0
        ledger.ready()
        if chosen.command == "why":
            print("\n".join(why(ledger.story, chosen.entity, chosen.number)))
        else:
            print(decide.decide(ledger, chosen, getpass.getuser()))
    except SyncError as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        ledger.close()
    return 0


if __name__ == "__main__":
    if hasattr(signal, "SIGPIPE"):  # `why ... | head` ends quietly, as other commands do
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main())
