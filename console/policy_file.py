"""Whether the policy's file is what holds: the store is the truth, and a file that was changed since changes nothing.

The file is read again only when it was written, since the board asks with every look.
"""

from pathlib import Path
from threading import Lock

from models.store.console import ConsoleStore
from models.store.policies import Version, file_differs

_State = tuple[int, int, str]


class PolicyFile:
    """The file that RXPULSE_POLICY names; `path` None: there is none. May be asked by several threads at once."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = Lock()
        self._seen: tuple[_State, str | None] | None = None

    def differs(self, store: ConsoleStore) -> str | None:
        """A sentence with the remedy where the file is another policy than the one in the store; None where it is the same,
        there is no file, or nothing in the store. Raises DatabaseAway."""
        last = None if self._path is None else store.last_version()
        if self._path is None or last is None:
            return None
        try:
            found = self._path.stat()
        except OSError as fault:
            return f"{self._path} cannot be read ({fault.strerror}): put it back, or start without RXPULSE_POLICY"
        state = (found.st_mtime_ns, found.st_size, last.version)
        with self._lock:
            if self._seen is None or self._seen[0] != state:
                self._seen = state, _said(self._path, last)
            return self._seen[1]


def _said(path: Path, last: Version) -> str | None:
    text = file_differs(path, last)
    return None if text is None else f"{text[:1].upper()}{text[1:]}."
