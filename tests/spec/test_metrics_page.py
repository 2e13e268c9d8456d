"""The page of metrics is what the catalogue and the rules of the alerts give."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_it_is_what_the_catalogue_gives() -> None:
    argv = [sys.executable, str(ROOT / "tools" / "metrics_page.py"), "--check"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
