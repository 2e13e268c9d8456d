"""What a dashboard may read: views in a schema of their own, without cases, people or messages"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_VIEWS = {
    # Where open cases wait; priorities as the board buckets them.
    "queues": """
SELECT site, kind, coalesce(waits, '') AS stage,
    CASE WHEN priority IN ('stat', 'now', 'urgent', 'routine', 'prn', '') THEN priority ELSE 'other' END AS priority,
    count(*) AS open, count(*) FILTER (WHERE pace = 'at_risk') AS at_risk, count(*) FILTER (WHERE pace = 'late') AS late,
    min(since) AS oldest
FROM cases WHERE finished IS NULL GROUP BY 1, 2, 3, 4""",
    # How old what the board shows is: of the partition that is furthest behind, null while one was never judged.
    "freshness": """
SELECT CASE WHEN bool_and(judged IS NOT NULL) THEN min(judged) END AS judged,
    CASE WHEN bool_and(judged IS NOT NULL) THEN greatest(extract(epoch FROM now() - min(judged)), 0)::float8 END
    AS age_seconds
FROM positions""",
    # Readings of stopped clocks, each as it now holds.
    "turnarounds": """
SELECT stopped, clock, site, priority, net / 1e6::float8 AS net_seconds, target / 1e6::float8 AS target_seconds, in_target
FROM intervals i WHERE NOT retracted AND NOT EXISTS (
    SELECT FROM intervals n WHERE n.case_id = i.case_id AND n.id = i.id AND n.revision > i.revision)""",
    "signals": """
SELECT raised, cleared, kind, name, 'S' || severity AS severity, site, told FROM signals
WHERE reason IS DISTINCT FROM 'disproof'""",
    "escalations": """
SELECT opened, resolved, state, 'S' || severity AS severity, kind, name, site,
    (SELECT min(at) FROM escalation_entries a WHERE a.escalation = e.id AND a.entry->>'entry' = 'acknowledged')
    AS acknowledged
FROM escalations e""",
    "deliveries": """
SELECT made, first_attempt, last_attempt, channel, type, state, attempts FROM deliveries""",
    "feeds": """
SELECT source, site, max(last_recorded) AS last_recorded, sum(events)::int8 AS events, EXISTS (
    SELECT FROM silences s WHERE s.cleared IS NULL AND s.worker IS NULL AND s.source = f.source AND s.site = f.site)
    AS silent
FROM feeds f GROUP BY source, site""",
    "trials": """
SELECT minute, site, rate, sum(clean + late_clean)::int8 AS clean, sum(errors + late_errors)::int8 AS errors
FROM outcomes GROUP BY 1, 2, 3""",
}


def upgrade() -> None:
    op.execute("CREATE SCHEMA grafana")
    for name, query in _VIEWS.items():
        op.execute(f"CREATE VIEW grafana.{name} AS {query.strip()}")
