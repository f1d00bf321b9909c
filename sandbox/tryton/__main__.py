"""``python -m sandbox.tryton``: Tryton with the company's books, until stopped; prints the addresses of its users."""

from __future__ import annotations

import argparse
import signal
import sys
from contextlib import closing

from sandbox.local import VAR, LocalError, interruptible
from sandbox.tryton.books import Clerk, books
from sandbox.tryton.keys import rest_address
from sandbox.tryton.server import tryton

JOBS = 12
"""For the acceptance suite: a budget takes a job that has none."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.tryton", description="Tryton with the company's books.")
    parser.add_argument(
        "--acceptance", action="store_true", help="with jobs for tests, and what was confirmed can be cancelled for a while"
    )
    testing = parser.parse_args().acceptance
    interruptible()
    try:
        with tryton(VAR / "tryton" / "running", books(), grace=testing) as running:
            if testing:
                with closing(Clerk(running)) as clerk:
                    clerk.test_jobs(JOBS)
            for user in ("integration", "clerk", "reader"):
                print(f"{user}: {running.address(user)}", flush=True)
            print(f"integration, by REST: {rest_address(running.address())}", flush=True)
            print(f"reader, by REST: {rest_address(running.address('reader'))}", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        return 0
    except LocalError as error:
        print(error, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
