"""Brings a database up to date: the tables of this release, whatever release made them first.

Two programs that do so at once do it one after the other.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from models.store.connecting import connect
from models.store.months import make_months

HERE = Path(__file__).parent / "migrations"
_LOCK = 0x52785075
"""Any number, the same in every release: the key of the lock under which tables change."""


def migrate(database_url: str) -> None:
    """Brings the database to this release's tables, and makes the months that facts will lie in. `database_url` is
    `postgresql://...` without a driver, of the owner of the tables. Raises DatabaseAway, CallerFault."""
    # Whether the server answers is asked first, since SQLAlchemy's own word of it is a page long.
    connect(database_url, "rxpulse migrate").close()
    engine = create_engine(driver_url(database_url), poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        command.upgrade(configuration(connection), "head")
    engine.dispose()
    make_months(database_url)


def configuration(connection: Connection) -> Config:
    """Alembic's settings for one connection."""
    config = Config()
    config.set_main_option("script_location", str(HERE).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def driver_url(database_url: str) -> str:
    """The URL with the driver that SQLAlchemy is to use."""
    return database_url.replace("postgresql://", "postgresql+psycopg://", 1)
