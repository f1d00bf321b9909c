"""A running sandbox for tests: real HTTP on a free port of 127.0.0.1, and a caller that speaks to it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import uvicorn

from sandbox.app import CuttableProtocol, create_app
from sandbox.world import World

COMPANY = 8089
P1, P2, HIDDEN = 4_700_000_001, 4_700_000_002, 4_700_000_003
STEEL, CONCRETE, GONE = 4_400_000_001, 4_400_000_002, 4_400_000_003
LABOR, SUBCONTRACT = 31, 33
LIST = 601
DIV3, CAST, DIV5, STEELWORK, OTHER_PROJECT_CODE = 6_100_000_001, 6_100_000_002, 6_100_000_003, 6_100_000_004, 6_100_000_099
DRAFT, APPROVED, ORDER = 8_300_000_001, 8_300_000_002, 8_300_000_003
LINE_1, LINE_2 = 9_100_000_001, 9_100_000_002
PACKAGE, POTENTIAL, CHANGE_LINE = 5_300_000_001, 5_400_000_001, 5_500_000_001
OLD = "2026-08-01T08:00:00Z"


class Caller:
    """Calls as the integration makes them; ``token`` is fetched at once."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.session = requests.Session()
        self.login()

    def login(self) -> None:
        credentials = {"grant_type": "client_credentials", "client_id": "sandbox-client", "client_secret": "sandbox-secret"}
        token = requests.post(f"{self.base}/oauth/token", json=credentials, timeout=30).json()["access_token"]
        self.session.headers.update({"Authorization": f"Bearer {token}", "Procore-Company-Id": str(COMPANY)})

    def __call__(self, method: str, path: str, **options: Any) -> requests.Response:
        """``path`` below ``/rest/v1.0`` unless it starts with ``/rest`` or ``/oauth``."""
        full = path if path.startswith(("/rest", "/oauth")) else f"/rest/v1.0{path}"
        return self.session.request(method, self.base + full, timeout=60, **options)

    def get(self, path: str, status: int = 200) -> Any:
        reply = self("GET", path)
        assert reply.status_code == status, reply.text
        return reply.json()

    def send(self, method: str, path: str, json: Any, status: int = 200) -> Any:
        reply = self(method, path, json=json)
        assert reply.status_code == status, reply.text
        return reply.json() if reply.content else None

    def sync(self, path: str, updates: list[dict[str, Any]], **scope: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        reply = self.send("PATCH", path, {**scope, "updates": updates})
        return reply["entities"], reply["errors"]

    def control(self, method: str, path: str, json: Any = None, status: int = 200) -> Any:
        reply = requests.request(method, f"{self.base}/_sandbox{path}", json=json, timeout=60)
        assert reply.status_code == status, reply.text
        return reply.json()

    def as_user(self, method: str, path: str, json: Any = None) -> requests.Response:
        return requests.post(f"{self.base}/_sandbox/as_user", json={"method": method, "path": path, "json": json}, timeout=60)

    def settings(self, **settings: Any) -> None:
        """Start over with these settings and the hand-made records."""
        self.control("POST", "/reset", {"size": "tiny", "history": "none", "settings": settings})


@contextmanager
def serving(state: Path) -> Iterator[tuple[Caller, World]]:
    """A sandbox in this process, in a thread of its own."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()  # from here on callers wait for an answer, even before uvicorn has started
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    world = World(state)
    world.reset(size="tiny", history="none")
    config = uvicorn.Config(
        create_app(state, base_url=base, world=world),
        http=CuttableProtocol,
        lifespan="off",
        log_level="warning",
        date_header=False,
        timeout_keep_alive=120,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    caller = Caller(base)
    try:
        yield caller, world
    finally:
        server.should_exit = True
        thread.join(10)
        world.close()


def row(id: int, **values: Any) -> dict[str, Any]:
    return {"id": id, "company_id": COMPANY, "created_at": OLD, "updated_at": OLD, **values}


def hand_made(world: World) -> None:
    """A company of two projects (and one that the app may not see), in place of whatever is in the store."""
    world.store.clear()
    load = world.store.load
    load(
        "vendors",
        [
            row(
                STEEL,
                name="Iron & Söhne",
                origin_id="sandbox:G1:vendors:V-1",
                origin_code="V-1",
                is_active=True,
                ein="12-3456789",
            ),
            row(CONCRETE, name="Concrete Works", is_active=True),
            row(GONE, name="Gone Painting", origin_id="sandbox:G1:vendors:V-3", is_active=False),
        ],
    )
    load(
        "projects",
        [
            row(
                P1,
                name="Clinic",
                project_number="25-901",
                active=True,
                total_value="1000.00",
                currency_iso_code="USD",
                permitted=True,
            ),
            row(P2, name="School", project_number="25-902", active=True, currency_iso_code="USD", permitted=True),
            row(HIDDEN, name="Secret", project_number="25-903", active=True, currency_iso_code="USD", permitted=False),
        ],
    )
    load(
        "line_item_types",
        [
            row(LABOR, name="Labor", code="L", base_type="labor"),
            row(SUBCONTRACT, name="Commitment", code="C", base_type="commitment"),
        ],
    )
    load("standard_cost_code_lists", [row(LIST, name="Master list", is_erp_list=True, available_to_use_on_new_projects=True)])
    load(
        "cost_codes",
        [
            row(DIV3, project_id=P1, code="03", name="Concrete", position=1),
            row(
                CAST,
                project_id=P1,
                parent_id=DIV3,
                code="3000",
                name="Cast in place",
                position=2,
                origin_id="sandbox:01:cost_codes:x",
            ),
            row(DIV5, project_id=P1, code="05", name="Metals", position=3),
            row(STEELWORK, project_id=P1, parent_id=DIV5, code="1200", name="Structural steel", position=4),
            row(OTHER_PROJECT_CODE, project_id=P2, code="03", name="Concrete", position=1),
        ],
    )
    contract = {"project_id": P1, "currency_iso_code": "USD", "accounting_method": "amount"}
    load(
        "work_order_contracts",
        [
            row(DRAFT, number="SC-1", title="Concrete", status="Draft", vendor_id=CONCRETE, **contract),
            row(
                APPROVED, number="SC-2", title="Steel", status="Approved", vendor_id=STEEL, retainage_percent="10.00", **contract
            ),
        ],
    )
    load("purchase_order_contracts", [row(ORDER, number="PO-1", title="Rebar", status="Approved", vendor_id=STEEL, **contract)])
    line = {
        "parent_id": APPROVED, "contract_kind": "work_order_contracts", "project_id": P1, "cost_code_id": STEELWORK,
        "line_item_type_id": SUBCONTRACT, "extended_type": "manual",
    }  # fmt: skip
    load(
        "contract_lines",
        [
            row(LINE_1, position=1, amount="1000.10", description="Fabricate", **line),
            row(LINE_2, position=2, amount="-50.05", **line),
        ],
    )
    change = {"parent_id": APPROVED, "project_id": P1, "contract_kind": "work_order_contracts"}
    change |= {"number": "001", "status": "approved"}
    load("change_order_packages", [row(PACKAGE, title="More steel", reviewed_at=OLD, **change)])
    load("potential_change_orders", [row(POTENTIAL, title="More steel", package_id=PACKAGE, **change)])
    added = {**line, "parent_id": POTENTIAL, "package_id": PACKAGE, "is_markup": False}
    load("change_lines", [row(CHANGE_LINE, position=1, amount="250.00", description="Embeds", **added)])
