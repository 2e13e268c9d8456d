"""A telling that a person ended; the secret that signs the links in messages, and which of them were used"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("signals", "remembered"):
        op.add_column(table, sa.Column("quiet", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_table(
        "signing_key",
        sa.Column("seat", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seat"),
    )
    op.create_table(
        "used_links",
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("nonce"),
    )
