"""Words for tests of the console's live feed: somebody who listens, and reads what it says piece by piece."""

import httpx


class Listener:
    """Reads server-sent events one by one."""

    def __init__(self, api: httpx.Client, last: str | None = None) -> None:
        headers = {} if last is None else {"last-event-id": last}
        self.stream = api.stream("GET", "/api/v1/feed", headers=headers, timeout=20)
        self._lines = self.stream.__enter__().iter_lines()

    def block(self) -> dict[str, str]:
        """The fields of the next block."""
        fields: dict[str, str] = {}
        for line in self._lines:
            if line:
                name, _, value = line.partition(":")
                fields[name] = value.strip()
            elif fields:
                return fields
        raise AssertionError("the feed ended")

    def close(self) -> None:
        self.stream.__exit__(None, None, None)
