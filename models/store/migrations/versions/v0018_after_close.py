"""Events that came after their case, or the part of it they belong to, had left the store"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("positions", sa.Column("after_close", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
