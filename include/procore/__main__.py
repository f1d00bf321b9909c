"""``python -m include.procore webhooks plan|apply|status|rotate``: the hook through which Procore tells of changes.

Procore, receiver and settings are those of Airflow's connections ``procore_default`` and ``procore_webhooks`` and of its Variable
``procore_erp_sync_settings``, as the DAG finds them: run it where Airflow's commands run.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import closing

from include.financials.exceptions import SyncError

ACTIONS = {
    "plan": "what apply would change; changes nothing",
    "apply": "make the hook and its triggers, and take away those that are not wanted; a second time there is nothing to do",
    "status": "hook, receiver, and what could not be delivered; exit code 1 unless all is well",
    "rotate": "send the newest of the connection's tokens, once the receiver takes it",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0; 1 where something is wrong, or (status) not all is well; 2 for a wrong command line."""
    given = _parser().parse_args(arguments)
    # As Airflow's own commands for connections do: those that stand in its database are found too.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    try:
        good, lines = _carried_out(given)
    except SyncError as error:
        good, lines = False, [f"problem: {line}" for line in str(error).splitlines()]
    for line in lines:
        print(line)
    return 0 if good else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m include.procore", description=__doc__)
    areas = parser.add_subparsers(required=True, metavar="area")
    webhooks = areas.add_parser("webhooks", help="the hook through which Procore tells of changes")
    actions = webhooks.add_subparsers(required=True, metavar="action", dest="action")
    for name, meaning in ACTIONS.items():
        action = actions.add_parser(name, help=meaning, description=meaning)
        action.add_argument("--procore", default="procore_default", metavar="CONNECTION", help="of type procore")
        action.add_argument("--receiver", default="procore_webhooks", metavar="CONNECTION", help="of type generic")
        if name == "rotate":
            action.add_argument("--no-probe", action="store_true", help="the receiver cannot be reached from here: do not ask it")
    return parser


def _carried_out(given: argparse.Namespace) -> tuple[bool, list[str]]:
    # Airflow's import takes seconds: only after the command line was right.
    from include.procore.webhooks import Webhooks
    from include.provider.events import receiver_of
    from include.provider.hooks.procore import ProcoreHook
    from include.provider.settings import current_settings

    with closing(ProcoreHook(given.procore).client) as client:
        webhooks = Webhooks(client, receiver_of(given.receiver))
        if given.action == "status":
            return webhooks.status()
        if given.action == "rotate":
            return True, [webhooks.rotate(probe=not given.no_probe)]
        plan = webhooks.plan(current_settings())
        if given.action == "apply" and not plan.nothing:
            webhooks.apply(plan)
        return True, plan.lines()


if __name__ == "__main__":
    sys.exit(main())
