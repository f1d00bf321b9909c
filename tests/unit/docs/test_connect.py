"""The commands of docs/connect-an-erp.md that need no Airflow, run one after the other as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "connect-an-erp.md").read_text(encoding="utf-8")
ELSEWHERE = ("make setup", "--procore procore_default")
"""What a test run has done already, and what needs Airflow's connections."""


def commands() -> list[str]:
    steps = PAGE[: PAGE.index("## 7. The first plan")]
    found = [line for block in re.findall(r"```bash\n(.*?)```", steps, re.S) for line in block.splitlines()]
    return [line for line in found if not any(part in line for part in ELSEWHERE)]


@pytest.mark.slow
def test_from_nothing_to_an_acceptance(tmp_path: Path) -> None:
    folder = tmp_path / "jobledger"
    script = "\n".join(["set -euo pipefail", *(f"{one}; echo 'done {n}'" for n, one in enumerate(commands()))])
    script = script.replace("var/jobledger", str(folder)).replace(".venv/bin/python", sys.executable)
    env = {name: value for name, value in os.environ.items() if name != "ERP_URL"}
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    said = done.stdout.splitlines()
    assert f"done {len(commands()) - 1}" in said
    assert "commitments: 2 records, sum 173,500.50 USD" in said
    assert "accepted on 2026-09-30 for stages 1 to 3, reading only" in said and "accepted on 2026-09-30 for stages 1 to 3" in said
    assert sum(line.strip() == "the ERP would take it as 3, stored as it was sent; undone" for line in said) == 2
    shown = re.search(r"```text\n(.*?)```", PAGE, re.S)
    assert shown and all(line in said for line in shown[1].splitlines())
    assert (folder / "jobledger.accepted.json").is_file()
