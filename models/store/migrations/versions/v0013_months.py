"""Turnaround times lie in months; what housekeeping has done

Rows move once, into the months in which their clocks stopped, in the same transaction: about a minute for five million of
them, for which the worker waits. There is no way back down, as with every version.
"""

from datetime import UTC, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_COLUMNS = (
    "partition, sequence, position, id, clock, site, priority, case_id, started, stopped, net, target, in_target,"
    " revision, retracted"
)
# A month for every month that holds rows, but for dates shifted far away, as research does: they stay in the rest.
_HELD = """
SELECT DISTINCT date_trunc('month', stopped, 'UTC') AS month FROM intervals_before
WHERE stopped > now() - interval '15 years' AND stopped < now() + interval '3 months'
"""
_TURNAROUNDS = """
CREATE VIEW grafana.turnarounds AS
SELECT stopped, clock, site, priority, net / 1e6::float8 AS net_seconds, target / 1e6::float8 AS target_seconds, in_target
FROM intervals i WHERE NOT retracted AND NOT EXISTS (
    SELECT FROM intervals n
    WHERE n.revision > 1 AND n.site = i.site AND n.clock = i.clock AND n.id = i.id AND n.revision > i.revision)
"""


def upgrade() -> None:
    op.create_table(
        "housekeeping",
        sa.Column("seat", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("seat"),
    )
    op.execute("CREATE SCHEMA months")
    op.execute("DROP VIEW grafana.turnarounds")
    op.execute("ALTER TABLE intervals RENAME TO intervals_before")
    op.execute("CREATE TABLE intervals (LIKE intervals_before) PARTITION BY RANGE (stopped)")
    op.execute("CREATE TABLE months.intervals_rest PARTITION OF intervals DEFAULT")
    for (instant,) in op.get_bind().execute(sa.text(_HELD)).fetchall():
        month = instant.astimezone(UTC)
        after = (month + timedelta(days=31)).replace(day=1)
        op.execute(
            f"CREATE TABLE months.intervals_{month:%Y_%m} PARTITION OF intervals"
            f" FOR VALUES FROM ('{month.isoformat()}') TO ('{after.isoformat()}')"
        )
    op.execute(f"INSERT INTO intervals ({_COLUMNS}) SELECT {_COLUMNS} FROM intervals_before")
    op.execute("DROP TABLE intervals_before")
    # Keys and indexes come last: so each is built once, in order.
    op.create_primary_key("intervals_pkey", "intervals", ["partition", "sequence", "stopped"])
    op.create_index("intervals_stopped", "intervals", ["clock", "site", "stopped"])
    op.create_index(
        "intervals_revised",
        "intervals",
        ["site", "clock", "id", "revision"],
        postgresql_where=sa.text("revision > 1"),
    )
    op.create_index("signal_changes_id", "signal_changes", ["id"])
    op.create_index("signals_cleared", "signals", ["cleared"], postgresql_where=sa.text("cleared IS NOT NULL"))
    op.execute(_TURNAROUNDS.strip())
    op.execute("ANALYZE intervals")
