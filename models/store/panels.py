"""The questions that the dashboard asks of the store, over the views made for it (schema `grafana`).

They are in Grafana's wording: `$__timeFilter(column)` is the time chosen, `${site:sqlstring}` the sites chosen, quoted.
Lines need a column `time`; each other text column names a line.
"""

from typing import LiteralString

_SITES: LiteralString = "site IN (${site:sqlstring})"
_TAKEN: LiteralString = f"FROM grafana.turnarounds WHERE $__timeFilter(stopped) AND {_SITES}"

SITES: LiteralString = "SELECT DISTINCT site FROM grafana.feeds ORDER BY site"
"""The choice of sites."""
OPEN: LiteralString = f"SELECT coalesce(sum(open), 0)::int8 AS open FROM grafana.queues WHERE {_SITES}"
AT_RISK: LiteralString = f"SELECT coalesce(sum(at_risk), 0)::int8 AS at_risk FROM grafana.queues WHERE {_SITES}"
LATE: LiteralString = f"SELECT coalesce(sum(late), 0)::int8 AS late FROM grafana.queues WHERE {_SITES}"
AGE: LiteralString = "SELECT age_seconds FROM grafana.freshness"
UNANSWERED: LiteralString = (
    "SELECT count(*) AS unanswered FROM grafana.escalations"
    f" WHERE state IN ('open', 'exhausted') AND ({_SITES} OR site = '*')"
)
SERIOUS: LiteralString = (
    "SELECT count(*) AS serious FROM grafana.signals WHERE cleared IS NULL AND severity IN ('S1', 'S2')"
    f" AND (told = 'yes' OR raised > now() - interval '7 days') AND {_SITES}"
)
QUEUES: LiteralString = f"""
SELECT site, kind, stage, priority, open, at_risk, late, extract(epoch FROM now() - oldest)::float8 AS oldest_waits
FROM grafana.queues WHERE {_SITES} ORDER BY late DESC, at_risk DESC, open DESC, site, stage
"""
STAGES: LiteralString = f"""
SELECT site || ' ' || coalesce(nullif(stage, ''), 'nobody''s turn') AS metric, sum(open)::int8 AS open
FROM grafana.queues WHERE {_SITES} GROUP BY site, stage ORDER BY open DESC LIMIT 15
"""
CLOCKS: LiteralString = f"""
SELECT clock, site, count(*) AS n, percentile_cont(0.5) WITHIN GROUP (ORDER BY net_seconds) AS p50,
    percentile_cont(0.9) WITHIN GROUP (ORDER BY net_seconds) AS p90, avg(in_target::int)::float8 AS in_target
{_TAKEN} GROUP BY clock, site ORDER BY in_target NULLS LAST, clock, site
"""
IN_TARGET: LiteralString = f"""
SELECT date_trunc('day', stopped) AS time, clock AS metric, avg(in_target::int)::float8 AS in_target
{_TAKEN} AND in_target IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2
"""
MEDIAN: LiteralString = f"""
SELECT date_trunc('day', stopped) AS time, clock AS metric,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY net_seconds) AS p50
{_TAKEN} GROUP BY 1, 2 ORDER BY 1, 2
"""
P90: LiteralString = f"""
SELECT date_trunc('day', stopped) AS time, clock AS metric,
    percentile_cont(0.9) WITHIN GROUP (ORDER BY net_seconds) AS p90
{_TAKEN} GROUP BY 1, 2 ORDER BY 1, 2
"""
SEVERITIES: LiteralString = f"""
SELECT date_trunc('day', raised) AS time, severity AS metric, count(*) AS raised FROM grafana.signals
WHERE $__timeFilter(raised) AND {_SITES} GROUP BY 1, 2 ORDER BY 1, 2
"""
CAUSES: LiteralString = f"""
SELECT kind, name, severity, count(*) AS raised, count(*) FILTER (WHERE cleared IS NULL) AS open FROM grafana.signals
WHERE $__timeFilter(raised) AND {_SITES} GROUP BY 1, 2, 3 ORDER BY raised DESC, kind, name, severity LIMIT 20
"""
ESCALATIONS: LiteralString = f"""
SELECT state, count(*) AS escalations, count(acknowledged) AS acknowledged,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM acknowledged - opened)::float8) AS answered_after
FROM grafana.escalations WHERE $__timeFilter(opened) AND ({_SITES} OR site = '*') GROUP BY state ORDER BY state
"""
DELIVERIES: LiteralString = """
SELECT channel, count(*) FILTER (WHERE state = 'sent') AS sent,
    count(*) FILTER (WHERE state IN ('refused', 'gave_up')) AS failed,
    count(*) FILTER (WHERE state = 'sent')::float8
    / nullif(count(*) FILTER (WHERE state IN ('sent', 'refused', 'gave_up')), 0) AS success
FROM grafana.deliveries WHERE $__timeFilter(made) GROUP BY channel ORDER BY channel
"""
RATES: LiteralString = f"""
SELECT date_trunc('day', minute) AS time, rate AS metric, sum(errors)::float8 / nullif(sum(clean + errors), 0) AS share
FROM grafana.trials WHERE $__timeFilter(minute) AND {_SITES} GROUP BY 1, 2 ORDER BY 1, 2
"""
