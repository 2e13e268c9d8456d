"""Alembic's entry: brings one database, whose connection it is handed, to the tables of `models.store.tables`."""

from alembic import context
from sqlmodel import SQLModel

from models.store import tables

assert tables.Position.metadata is SQLModel.metadata
connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=SQLModel.metadata, compare_type=True)
with context.begin_transaction():
    context.run_migrations()
