"""``python -m sandbox.batches``: the sandbox with batches in its ERP, until stopped; prints the addresses of both systems."""

from __future__ import annotations

import signal
import sys

from sandbox import postgres
from sandbox.batches.demo import company
from sandbox.local import VAR, LocalError, interruptible


def main() -> int:
    interruptible()
    try:
        with company(VAR / "batches", size="small") as info:
            print(f"Procore: {info['base_url']}\nERP: {info['erp_url']}", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        return 0
    except (LocalError, postgres.NoServer) as error:
        print(error, file=sys.stderr)
    finally:
        postgres.stop()
    return 1


if __name__ == "__main__":
    sys.exit(main())
