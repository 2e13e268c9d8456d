"""Hears when another process has something for this one, so that nobody has to ask all the time.

Word that is lost (the connection broke) costs a moment and nothing else: whoever listens also looks by himself.
"""

from collections.abc import Callable
from threading import Event, Thread
from time import sleep

from psycopg import OperationalError, sql

from models.store.connecting import DatabaseAway, connect

_AGAIN = 1.0
"""Seconds until a broken connection is made again."""


def listen(database_url: str, channel: str, name: str, heard: Callable[[], None], stop: Event) -> Thread:
    """Calls `heard`, in a thread of its own, whenever something is said on `channel`, until `stop` is set."""

    def run() -> None:
        while not stop.is_set():
            try:
                _hear(database_url, channel, name, heard, stop)
            except (DatabaseAway, OperationalError):
                # Whoever listens looks by himself meanwhile, and says that the database is away.
                sleep(_AGAIN)

    thread = Thread(target=run, name=f"hears {channel}", daemon=True)
    thread.start()
    return thread


def _hear(database_url: str, channel: str, name: str, heard: Callable[[], None], stop: Event) -> None:
    with connect(database_url, name, autocommit=True) as connection:
        connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        heard()
        while not stop.is_set():
            for _ in connection.notifies(timeout=0.5, stop_after=1):
                heard()
