"""What the watchman finds is numbered among what the judge found, and sent with it"""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # What was found before has its own numbers, which nobody sends: those that are over would be news to nobody.
    op.drop_column("watch", "sequence")
