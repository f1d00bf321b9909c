"""A whole run against a running sandbox, without Airflow: ``info`` is its ``/_sandbox/info``, ``folder`` has ledger and files.
Where another ERP stands in the place of its own, ``erp_url`` leads there, ``mapping`` is its mapping and ``erp_settings`` what is
chosen in it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from upath import UPath

from include import pipeline
from include.erp.registry import described_erp, erp_system
from include.financials.ledger import Ledger
from include.financials.settings import Settings, from_file
from include.financials.view import Sync
from include.procore.client import ProcoreClient
from include.procore.described import DescribedProcore
from include.session import Access

MAPPING = "sandbox_erp"
SETTINGS = Path(__file__).resolve().parent / "settings.yaml"
EVERYTHING = "2000-01-01T00:00:00Z"


def access(info: Mapping[str, Any], folder: Path, settings: Settings | None = None, ledger_url: str | None = None) -> Access:
    """To the sandbox's two systems, and to a ledger that is made if there is none."""
    chosen = settings or from_file(SETTINGS)

    def ledger() -> Ledger:
        found = Ledger(ledger_url or f"sqlite:///{folder}/ledger.sqlite")
        found.create()
        return found

    return Access(
        settings=lambda: chosen,
        known=lambda: {
            "procore": DescribedProcore(info["base_url"], info["company_id"]),
            "erp": described_erp(info.get("mapping", MAPPING)),
        },
        procore=lambda: ProcoreClient(
            info["base_url"], info["login_url"], info["company_id"], info["client_id"], info["client_secret"]
        ),
        ledger=ledger,
        erp=lambda origin_system: erp_system(
            info["erp_url"], info.get("mapping", MAPPING), origin_system=origin_system, settings=info.get("erp_settings")
        ),
        staging=lambda: UPath(folder / "staging"),
    )


def opened(
    info: Mapping[str, Any], folder: Path, run_id: str, *, settings: Settings | None = None, ledger_url: str | None = None,
    **options: Any,
) -> AbstractContextManager[Sync]:  # fmt: skip
    """The sync of one run; ``options`` are those of :func:`include.pipeline.opened`."""
    return pipeline.opened(access(info, folder, settings, ledger_url), run_id, **options)


def run(
    info: Mapping[str, Any], folder: Path, run_id: str, *, settings: Settings | None = None, ledger_url: str | None = None,
    params: Mapping[str, Any] | None = None, **options: Any,
) -> dict[str, Any]:  # fmt: skip
    """One run from window to report, over everything unless ``params`` or events say otherwise; returns the report."""
    begin = {} if options.get("events") else {"since": EVERYTHING}
    return pipeline.run(access(info, folder, settings, ledger_url), run_id, params=begin | dict(params or {}), **options)
