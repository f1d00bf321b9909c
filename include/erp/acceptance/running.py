"""Runs the suite: pytest in this process, with the plugin and nothing else."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from unittest.mock import patch

import pytest

from include.erp.acceptance.plugin import Plugin
from include.erp.acceptance.result import Result, digest
from include.erp.acceptance.suite import Options, Suite
from include.financials.exceptions import ConfigurationError

MODULES = ("reads", "sent", "writes", "afterwards")
QUIET = ("terminal", "cacheprovider", "faulthandler", "logging", "unraisableexception", "threadexception", "junitxml")
"""Parts of pytest that write of their own, or would watch over the caller's process."""


def accept(options: Options, chosen: str | None = None) -> Result:
    """:param chosen: only the checks of whose name this is a part (several: with commas); accepts nothing then.

    Raises ConfigurationError for a mapping or an address that is wrong, RetryLater for an ERP that is away.
    """
    suite = Suite(options)
    try:
        health = suite.erp.check()
        plugin = Plugin(suite, chosen)
        files = [str(import_module(f"include.erp.acceptance.{name}").__file__) for name in MODULES]
        arguments = ["-c", os.devnull, "--rootdir", str(Path(files[0]).parent), "--import-mode=importlib", *files]
        with patch.dict(os.environ, {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "", "PYTEST_PLUGINS": ""}):
            code = pytest.main([*arguments, *(f"-pno:{name}" for name in QUIET)], plugins=[plugin])
        if code == pytest.ExitCode.NO_TESTS_COLLECTED:
            raise ConfigurationError(f"no check is called {chosen!r}")
        if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            raise ConfigurationError(f"the checks could not be run: {pytest.ExitCode(code).name.lower()}")
        return Result(
            str(suite.path), digest(suite.path), health.description, health.version, f"{health.now:%Y-%m-%d}", options.stage,
            options.allow_writes, bool(chosen or options.entities), plugin.checks, suite.empty,
        )  # fmt: skip
    finally:
        suite.close()
