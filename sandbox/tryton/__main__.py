"""``python -m sandbox.tryton``: Tryton with the company's books, until stopped; prints the addresses of its users."""

from __future__ import annotations

import argparse
import signal
import sys

from sandbox.local import VAR, LocalError, interruptible
from sandbox.tryton.books import books
from sandbox.tryton.server import tryton


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.tryton", description="Tryton with the company's books.")
    parser.add_argument("--grace", action="store_true", help="what was confirmed can be cancelled for a while")
    grace = parser.parse_args().grace
    interruptible()
    try:
        with tryton(VAR / "tryton" / "running", books(), grace=grace) as running:
            for user in ("integration", "clerk", "reader"):
                print(f"{user}: {running.address(user)}", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        return 0
    except LocalError as error:
        print(error, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
