"""When the broker received the record that was applied last, by which a topic that lost its end is told"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("positions", sa.Column("received", sa.DateTime(timezone=True), nullable=True))
