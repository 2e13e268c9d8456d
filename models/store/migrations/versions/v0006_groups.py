"""Several signals told as one page; since when the store is known to be live"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "grouped",
        sa.Column("escalation", sa.Text(), nullable=False),
        sa.Column("signal", sa.Text(), nullable=False),
        sa.Column("severity", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("escalation", "signal"),
    )
    op.create_index("grouped_signal", "grouped", ["signal"])
    op.create_table(
        "watch",
        sa.Column("seat", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("live_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sequence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("seat"),
    )
