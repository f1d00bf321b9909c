"""``python -m sandbox``: the sandbox on 127.0.0.1, until stopped.

Prints one JSON line, the body of ``GET /_sandbox/info``, once it listens.
"""

from __future__ import annotations

import argparse
import gc
import json
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvicorn

from sandbox.app import CuttableProtocol, create_app
from sandbox.world import World

HOST = "127.0.0.1"
KEEP_ALIVE = 120
"""Seconds; long, so that an idle connection of a session is never closed just when its next call is sent."""


class Server(uvicorn.Server):
    """Says where it listens, once it does."""

    def __init__(self, config: uvicorn.Config, world: World, base_url: str) -> None:
        super().__init__(config)
        self._world, self._base_url = world, base_url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        print(json.dumps(self._world.info(self._base_url)), flush=True)


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="A Procore look-alike and a small ERP, for tests.")
    parser.add_argument("--port", type=int, default=8765, help="0 takes a free one (default: %(default)s)")
    parser.add_argument(
        "--state", type=Path, default=Path("var/sandbox"), help="directory of the state files (default: %(default)s)"
    )
    parser.add_argument("--keep", action="store_true", help="go on with the state files that are there instead of seeding anew")
    parser.add_argument("--seed", default="planted", help="planted or closed_gate (default: %(default)s)")
    parser.add_argument(
        "--size", type=_size, default="small", help="tiny, small, medium, large, or counts as JSON (default: %(default)s)"
    )
    parser.add_argument("--history", default="linked", help="linked, unlinked, moved or none (default: %(default)s)")
    parser.add_argument(
        "--until", default=None, help="day that the data reach to, the clock being the real one (default: as seeded, 2026-09-30)"
    )
    parser.add_argument("--erp-url", default=None, help="SQLAlchemy URL of the ERP's database (default: SQLite in --state)")
    return parser.parse_args(argv)


def _size(text: str) -> Any:
    return json.loads(text) if text.startswith("{") else text


def open_world(options: argparse.Namespace) -> World:
    """The sandbox over its state files, seeded unless they are to be kept and hold something."""
    if not options.keep:
        for left in options.state.glob("procore.sqlite*"):
            left.unlink()
    world = World(options.state, options.erp_url)
    if not (options.keep and world.seeded):
        world.reset(seed=options.seed, size=options.size, history=options.history, until=options.until)
    return world


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C; both end it cleanly with exit code 0."""
    options = arguments(argv)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, options.port))
    except (OSError, OverflowError) as problem:
        print(f"Port {options.port} cannot be used: {problem}", file=sys.stderr)
        return 1
    # uvicorn raises a caught signal again once it has shut down; by then it has done its work.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        world = open_world(options)
    except (ValueError, OSError) as problem:
        print(problem, file=sys.stderr)
        return 2
    base_url = f"http://{HOST}:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        create_app(options.state, base_url=base_url, world=world),
        http=CuttableProtocol,
        lifespan="off",
        log_level="warning",
        access_log=False,
        date_header=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=3,
    )
    gc.freeze()  # the modules and the seed are here to stay; a call leaves next to nothing that refers to itself
    gc.set_threshold(10_000)
    try:
        Server(config, world, base_url).run(sockets=[listener])
    finally:
        world.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
