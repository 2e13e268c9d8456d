"""What the dispatcher shows of its work is found without reading all that was ever told"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("escalations_unresolved", "escalations", ["state"], postgresql_where=sa.text("state <> 'resolved'"))
    op.create_index(
        "deliveries_failed",
        "deliveries",
        ["last_attempt"],
        postgresql_where=sa.text("state IN ('refused', 'gave_up')"),
    )
