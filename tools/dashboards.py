"""Writes the dashboards of deploy/grafana from the catalogue of metrics and the store's questions.

.venv/bin/python tools/dashboards.py            writes them
.venv/bin/python tools/dashboards.py --check    says whether what is there is what would be written
"""

import json
import sys
from dataclasses import fields
from pathlib import Path

from metrics.dashboards import Questions, board_and_turnaround
from models.store import panels

FILE = Path(__file__).parents[1] / "deploy" / "grafana" / "dashboards" / "board-and-turnaround.json"


def text() -> str:
    """The dashboard as it is to lie in FILE."""
    asked = Questions(**{one.name: getattr(panels, one.name.upper()) for one in fields(Questions)})
    return json.dumps(board_and_turnaround(asked), indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    if "--check" not in sys.argv[1:]:
        FILE.parent.mkdir(parents=True, exist_ok=True)
        FILE.write_text(text(), "utf-8")
        return 0
    if FILE.is_file() and FILE.read_text("utf-8") == text():
        return 0
    print(f"{FILE} is not what the catalogue gives: run .venv/bin/python tools/dashboards.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
