"""What the tools write from the catalogue of metrics, the alerts and the store's questions is what they would write now."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("tool", ["dashboards.py", "metrics_page.py"])
def test_it_is_what_the_catalogue_gives(tool: str) -> None:
    argv = [sys.executable, str(ROOT / "tools" / tool), "--check"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
