"""What README and docs tell people to type exists, with these options; what they link to is there."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import click
import pytest

from rxpulse.cli import main

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
_CODE = re.compile(r"`{3}[a-z]*\n(.*?)`{3}|`([^`\n]+)`|^ {4}(\S.*)$", re.DOTALL | re.MULTILINE)
_TYPED = re.compile(r"^\s*(?:RXPULSE_\w+=\S+\s+)*(?:\.venv/bin/)?rxpulse\s+(.+)$")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_ENDS = {"...", "…", "|", "&&", ">", "<", ";"}


def typed(page: Path) -> Iterator[tuple[str, bool]]:
    """What the page tells to type after `rxpulse`, without remarks; and whether it is a mention within a sentence."""
    for match in _CODE.finditer(page.read_text("utf-8")):
        fenced, mentioned, indented = match.groups()
        for line in (fenced or mentioned or indented).splitlines():
            if found := _TYPED.match(line):
                yield re.split(r"\s{2,}|\s#", found.group(1).strip())[0], mentioned is not None


def commands() -> list[tuple[str, str, bool]]:
    found = {(page.relative_to(ROOT).as_posix(), *line) for page in PAGES for line in typed(page)}
    return sorted(found)


def parse(words: list[str]) -> None:
    """Goes down the groups to the command and has it parse its options. Raises click.UsageError."""
    command: click.Command = main
    context = click.Context(main, info_name="rxpulse")
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        _, found, rest = command.resolve_command(context, rest)
        assert found is not None
        command, context = found, click.Context(found, info_name=found.name, parent=context)
    if rest and "--help" not in rest:
        command.parse_args(context, rest)


def anchors(page: Path) -> set[str]:
    """What its headings are called in a link."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def choices(words: list[str]) -> list[list[str]]:
    """`up|down` stands for either."""
    return next(
        (
            [[*words[:place], one, *words[place + 1 :]] for one in word.split("|")]
            for place, word in enumerate(words)
            if "|" in word
        ),
        [words],
    )


@pytest.mark.parametrize(("page", "line", "mentioned"), commands())
def test_a_command_of_the_docs_exists_with_its_options(page: str, line: str, mentioned: bool) -> None:
    words = shlex.split(re.sub(r"\[[^\]]*\]", "", line).replace("\\", " "))
    whole = list(takewhile(lambda word: word not in _ENDS, words))
    for choice in choices(whole):
        try:
            parse(choice)
        except (click.MissingParameter, click.BadParameter) as fault:
            # A mention leaves out what does not matter there, and a file is the reader's own.
            assert mentioned or whole != words or "does not exist" in fault.format_message(), fault.format_message()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_links_to_is_there(page: Path) -> None:
    for target in _LINK.findall(page.read_text("utf-8")):
        if not target.startswith(("http:", "https:", "mailto:")):
            name, _, anchor = target.partition("#")
            there = page.parent / name if name else page
            assert there.exists(), f"{page.name} links to {target}"
            assert not anchor or anchor in anchors(there), f"{page.name} links to {target}"


def test_what_the_readme_runs_without_a_service_runs(tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    (offline,) = (block for block in blocks if "simulate" in block)
    for line in offline.splitlines():
        words = shlex.split(line, comments=True)
        assert words[0] == ".venv/bin/rxpulse"
        done = subprocess.run(
            [sys.executable, "-m", "rxpulse", *words[1:]], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert "order" in done.stdout or "fill" in done.stdout
