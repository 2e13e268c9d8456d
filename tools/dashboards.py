"""Writes the dashboards of deploy/grafana from the catalogue of metrics and the store's questions.

.venv/bin/python tools/dashboards.py            writes them
.venv/bin/python tools/dashboards.py --check    says whether what is there is what would be written
"""

import json
import sys
from dataclasses import fields

from generated import ROOT, write_or_check

from metrics.dashboards import Questions, board_and_turnaround
from models.store import panels

FILE = ROOT / "deploy" / "grafana" / "dashboards" / "board-and-turnaround.json"


def text() -> str:
    """The dashboard as it is to lie in FILE."""
    asked = Questions(**{one.name: getattr(panels, one.name.upper()) for one in fields(Questions)})
    return json.dumps(board_and_turnaround(asked), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(write_or_check(FILE, text(), sys.argv))
