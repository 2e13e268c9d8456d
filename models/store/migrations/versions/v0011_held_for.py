"""The feed whose silence keeps a signal back"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("signals", sa.Column("feed", sa.Text(), nullable=True))
