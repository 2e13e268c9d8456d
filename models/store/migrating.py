"""Brings a database up to date: the tables of this release, whatever release made them first.

Two programs that do so at once do it one after the other.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from models.errors import CallerFault
from models.store.connecting import connect
from models.store.months import make_months

HERE = Path(__file__).parent / "migrations"
_LOCK = 0x52785075
"""Any number, the same in every release: the key of the lock under which tables change."""


class NewerTables(CallerFault):
    """The tables are of a later release, and nobody knows how to go back from them."""

    def __init__(self, found: str, known: str) -> None:
        super().__init__(
            f"the database was brought up to date by a newer RxPulse (its tables are of step {found}, this release knows them up"
            f" to {known}): start that release, or put back the copy made before the update"
        )


def migrate(database_url: str) -> None:
    """Brings the database to this release's tables, and makes the months that facts will lie in. `database_url` is
    `postgresql://...` without a driver, of the owner of the tables. Raises DatabaseAway, NewerTables."""
    # Whether the server answers is asked first, since SQLAlchemy's own word of it is a page long.
    connect(database_url, "rxpulse migrate").close()
    engine = create_engine(driver_url(database_url), poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        config = configuration(connection)
        _refuse_newer(connection, config)
        command.upgrade(config, "head")
    engine.dispose()
    make_months(database_url)


def _refuse_newer(connection: Connection, config: Config) -> None:
    script = ScriptDirectory.from_config(config)
    known = {step.revision for step in script.walk_revisions()}
    found = MigrationContext.configure(connection).get_current_revision()
    if found is not None and found not in known:
        raise NewerTables(found, str(script.get_current_head()))


def configuration(connection: Connection) -> Config:
    """Alembic's settings for one connection."""
    config = Config()
    config.set_main_option("script_location", str(HERE).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def driver_url(database_url: str) -> str:
    """The URL with the driver that SQLAlchemy is to use."""
    return database_url.replace("postgresql://", "postgresql+psycopg://", 1)
