"""What the store counts, for `rxpulse status`: feeds, positions, cases, signals, escalations, reports."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from models.store.connecting import asking
from models.store.reporting import Written, all_written
from models.store.silences import silent_feeds


@dataclass(frozen=True, slots=True)
class FeedFigure:
    """`silent_s` counts from the latest `recorded`. `alarm`: it is silent for longer than it may be, and a signal says so."""

    source: str
    site: str
    last_event: datetime
    silent_s: float
    alarm: bool


@dataclass(frozen=True, slots=True)
class CaseFigure:
    open: int
    late: int
    total: int


@dataclass(frozen=True, slots=True)
class Figures:
    """`positions` by partition; `cases` by kind."""

    positions: dict[int, int]
    events_total: int
    feeds: list[FeedFigure]
    cases: dict[str, CaseFigure]
    signals_open: int
    signals_raised: int
    escalations_open: int
    escalations_unacknowledged: int
    delivered: int
    failed: int
    reports: list[Written]


def figures(database_url: str) -> Figures | None:
    """The figures as they stand now; None where the database has no tables yet. Raises DatabaseAway."""
    with asking(database_url, "rxpulse status") as connection:

        def rows(query: Any) -> list[tuple[Any, ...]]:
            return connection.execute(query).fetchall()

        if rows("SELECT to_regclass('positions'), to_regclass('escalations')") == [(None, None)]:
            return None
        positions = rows("SELECT partition, position, accepted FROM positions")
        feeds = rows(
            "SELECT source, site, max(last_time), extract(epoch FROM now() - max(last_recorded))::float8 FROM feeds"
            " GROUP BY source, site ORDER BY source, site"
        )
        silent = silent_feeds(connection)
        cases = rows(
            "SELECT kind, sum(open)::int8, sum(late)::int8, sum(total)::int8 FROM ("
            " SELECT kind, count(*) FILTER (WHERE finished IS NULL) AS open, count(*) FILTER (WHERE finished IS NULL AND"
            " pace = 'late') AS late, count(*) AS total FROM cases GROUP BY kind"
            " UNION ALL SELECT split_part(case_id, '/', 1), 0, 0, count(*) FROM departures GROUP BY 1"
            ") c GROUP BY kind ORDER BY kind"
        )
        signals = rows("SELECT count(*) FILTER (WHERE cleared IS NULL), count(*) FROM signals")[0]
        telling = rows(
            "SELECT count(*) FILTER (WHERE state <> 'resolved'), count(*) FILTER (WHERE state IN ('open', 'exhausted'))"
            " FROM escalations"
        )[0]
        sent = rows(
            "SELECT count(*) FILTER (WHERE state = 'sent'), count(*) FILTER (WHERE state IN ('refused', 'gave_up'))"
            " FROM deliveries"
        )[0]
        reports = all_written(connection)
    return Figures(
        positions={partition: position for partition, position, _ in positions},
        events_total=sum(accepted for *_, accepted in positions),
        feeds=[
            FeedFigure(source, site, last, max(since, 0.0), (source, site) in silent)
            for source, site, last, since in feeds
        ],
        cases={kind: CaseFigure(opened, late, total) for kind, opened, late, total in cases},
        signals_open=signals[0],
        signals_raised=signals[1],
        escalations_open=telling[0],
        escalations_unacknowledged=telling[1],
        delivered=sent[0],
        failed=sent[1],
        reports=reports,
    )
