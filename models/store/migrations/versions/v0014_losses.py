"""How often a partition was lost by a worker that lived"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("positions", sa.Column("losses", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
