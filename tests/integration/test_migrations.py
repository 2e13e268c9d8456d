"""The tables that migrations make are those that the code names."""

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from models import store
from models.store.migrating import NewerTables, driver_url
from models.store.tables import Position


def test_the_migrated_database_holds_exactly_the_tables_of_the_code(database_url: str) -> None:
    engine = create_engine(driver_url(database_url), poolclass=NullPool)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Position.metadata) == []


def test_migrating_again_changes_nothing(database_url: str) -> None:
    store.migrate(database_url)


def test_the_tables_of_a_newer_release_are_refused_with_the_remedy(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(NewerTables, match=r"step 9999, .* put back the copy"):
        store.migrate(database_url)


def test_cases_are_tidied_before_their_remains_outnumber_what_is_open(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        [(options,)] = connection.execute("SELECT reloptions FROM pg_class WHERE oid = 'cases'::regclass").fetchall()
    assert "autovacuum_vacuum_scale_factor=0.02" in options
