"""What is added to revisions outside: they go on when facts are made again"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("watch", sa.Column("revision_base", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
