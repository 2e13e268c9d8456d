"""A file that a tool of this folder writes: written anew, or with `--check` held against what would be written."""

import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]


def write_or_check(file: Path, text: str, words: Sequence[str]) -> int:
    """The exit code of the tool that was called with these words; 1: the file is not what it would write."""
    if "--check" not in words[1:]:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
        return 0
    if file.is_file() and file.read_text("utf-8") == text:
        return 0
    tool = f".venv/bin/python tools/{Path(words[0]).name}"
    print(f"{file} is not what the catalogue gives: run {tool}", file=sys.stderr)
    return 1
