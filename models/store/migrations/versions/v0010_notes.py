"""The note of a person who cleared a signal"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("signals", "remembered"):
        op.add_column(table, sa.Column("note", sa.Text(), nullable=True))
