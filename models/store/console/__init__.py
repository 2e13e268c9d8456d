"""The console's door to the store: a few connections that its pages share, and the questions that they ask."""

from psycopg.errors import UndefinedTable

from models.store.connecting import DatabaseAway
from models.store.console.answering import Answering
from models.store.console.entering import Entering
from models.store.console.watching import BoardView, Watching

__all__ = ["BoardView", "ConsoleStore"]


class ConsoleStore(Watching, Answering, Entering):
    """The store as the console sees it. Every method raises DatabaseAway while the database does not answer; all may be
    called from several threads at once."""

    def missing(self) -> str | None:
        """What is missing for the console to work, in words; None where nothing is."""
        try:
            with self._pool.connection() as connection:
                connection.execute("SELECT 1 FROM sessions, announcements LIMIT 0")
        except UndefinedTable:
            return (
                "the database has no tables of RxPulse yet: run `rxpulse up`, or `rxpulse _migrate` for this database"
            )
        except DatabaseAway as away:
            return str(away)
        return None
