"""Command line of the ledger: ``python -m include.financials why commitment 104-SC-003``."""

from __future__ import annotations

import argparse
import getpass
import os
import sys

from include.financials.exceptions import SyncError
from include.financials.ledger import Ledger
from include.financials.why import entity_named, why

DEFAULT_LEDGER = "sqlite:///var/demo/ledger.sqlite"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m include.financials", description=__doc__)
    parser.add_argument("--ledger", default=os.environ.get("SYNC_LEDGER_URL", DEFAULT_LEDGER), help="SQLAlchemy URL of the ledger (default: $SYNC_LEDGER_URL, else the demo's)")
    commands = parser.add_subparsers(dest="command", required=True)
    story = commands.add_parser("why", help="one document's whole story: state, rule, what it waits for, calls, ids")
    story.add_argument("entity", help="vendor, customer, project, cost type, cost code or commitment")
    story.add_argument("number", help="what people call it, e.g. 104-SC-003 or V-1042")
    decision = commands.add_parser("decide", help="record a person's decision on a record as it is now")
    decision.add_argument("decision", choices=("approve", "link"), help="approve: may be sent; link: the proposed match is right")
    decision.add_argument("entity")
    decision.add_argument("number")
    decision.add_argument("--note", help="why; kept in the audit trail")
    chosen = parser.parse_args(arguments)
    ledger = Ledger(chosen.ledger)
    try:
        ledger.migrate()
        if chosen.command == "why":
            print("\n".join(why(ledger, chosen.entity, chosen.number)))
        else:
            print(_decide(ledger, chosen))
    except SyncError as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        ledger.close()
    return 0


def _decide(ledger: Ledger, chosen: argparse.Namespace) -> str:
    entity = entity_named(chosen.entity)
    known = [row for row in ledger.story(entity, chosen.number)["records"] if row["state"]]
    if len(known) != 1:
        raise SyncError(f"{entity} {chosen.number}: {len(known)} records of that number are known, a decision needs exactly one")
    row = known[0]
    ledger.decide(
        entity=entity, company=row["company"], record_id=row["id"], content_hash=row["source_hash"],
        decision=chosen.decision, who=getpass.getuser(), detail=chosen.note,
    )  # fmt: skip
    return f"{chosen.decision} recorded for {chosen.number} as it is now; it takes effect in the next run, and ends when the record changes."


if __name__ == "__main__":
    sys.exit(main())
