"""When something of a feed was applied last"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("feeds", sa.Column("heard", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False))
