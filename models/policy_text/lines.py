"""Where each key of a policy file stands: the line, so that a fault can be found without searching.

Python's TOML reader gives values without their places. This walks the same text once more, after the reader has found
it well formed, and notes the line of every table, key and list element; the values it skips.
"""

from dataclasses import dataclass, field

from models.policy_text.faults import Path

_SPACE = " \t\r\n"


def lines(text: str) -> dict[Path, int]:
    """The line (from 1) of each table, key and element of a well-formed TOML text; a table that is opened several times
    stands where it was opened first. Undefined for a text that `tomllib` refuses."""
    walk = _Walk(text)
    walk.document()
    return walk.found


@dataclass(slots=True)
class _Walk:
    text: str
    at: int = 0
    line: int = 1
    found: dict[Path, int] = field(default_factory=dict[Path, int])
    tables: dict[Path, int] = field(default_factory=dict[Path, int])

    def document(self) -> None:
        table: Path = ()
        while self.skip():
            if self.text[self.at] == "[":
                table = self.header()
            else:
                self.pair(table)

    def header(self) -> Path:
        array = self.text.startswith("[[", self.at)
        line = self.line
        self.move(2 if array else 1)
        path = self.names()
        self.move(2 if array else 1)
        if array:
            self.tables[path] = self.tables.get(path, -1) + 1
            self.note(path, line)
            path = (*path, self.tables[path])
        self.note(path, line)
        return path

    def pair(self, table: Path) -> None:
        line = self.line
        path = table + self.names()
        for depth in range(len(table) + 1, len(path) + 1):
            self.note(path[:depth], line)
        self.move(1)
        self.value(path)

    def names(self) -> Path:
        parts: list[str] = []
        while True:
            self.skip()
            parts.append(self.name())
            self.skip()
            if self.text[self.at] != ".":
                return tuple(parts)
            self.move(1)

    def name(self) -> str:
        begin = self.at
        if self.text[begin] in "\"'":
            self.string()
            return _unquoted(self.text[begin : self.at])
        while self.text[self.at] not in " \t.=]":
            self.at += 1
        return self.text[begin : self.at]

    def value(self, path: Path) -> None:
        self.skip()
        start = self.text[self.at]
        if start in "\"'":
            self.string()
        elif start == "[":
            self.array(path)
        elif start == "{":
            self.inline(path)
        else:
            while self.at < len(self.text) and self.text[self.at] not in ",]}#\r\n":
                self.at += 1

    def array(self, path: Path) -> None:
        self.move(1)
        position = 0
        while self.skip() and self.text[self.at] != "]":
            self.note((*path, position), self.line)
            self.value((*path, position))
            position += 1
            self.comma()
        self.move(1)

    def inline(self, path: Path) -> None:
        self.move(1)
        while self.skip() and self.text[self.at] != "}":
            self.pair(path)
            self.comma()
        self.move(1)

    def comma(self) -> None:
        if self.skip() and self.text[self.at] == ",":
            self.move(1)

    def string(self) -> None:
        quote = self.text[self.at]
        if self.text.startswith(quote * 3, self.at):
            self.move(3)
            while not self.text.startswith(quote * 3, self.at):
                self.move(2 if quote == '"' and self.text[self.at] == "\\" else 1)
            self.move(3)
            while self.at < len(self.text) and self.text[self.at] == quote:
                self.move(1)
            return
        self.move(1)
        while self.text[self.at] != quote:
            self.move(2 if quote == '"' and self.text[self.at] == "\\" else 1)
        self.move(1)

    def skip(self) -> bool:
        """Past blanks and comments; whether anything follows."""
        while self.at < len(self.text):
            if self.text[self.at] == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            elif self.text[self.at] in _SPACE:
                self.move(1)
            else:
                return True
        return False

    def move(self, characters: int) -> None:
        self.line += self.text.count("\n", self.at, self.at + characters)
        self.at += characters

    def note(self, path: Path, line: int) -> None:
        for depth in range(1, len(path) + 1):
            self.found.setdefault(path[:depth], line)


def _unquoted(text: str) -> str:
    """A quoted key; the escapes of TOML are those of the reader itself."""
    import tomllib

    return str(tomllib.loads(f"key = {text}")["key"])
