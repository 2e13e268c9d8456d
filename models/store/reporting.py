"""What the store knows of a site's weeks, for its report, and which reports were written.

Everything is counted in the week in which it happened, by the site's calendar: a turnaround when its clock stopped, a
signal when it became true, a trial in its minute. So the same facts give the same report whenever it is made. What
changed hands after the week, an order finished on Monday, does not count any more; what became known late does.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any, LiteralString

from psycopg import Connection, OperationalError

from models.period import LOOKED_BACK, Week
from models.policy import Policies
from models.store import scores
from models.store.connecting import DatabaseAway, connect
from models.store.latest import LATEST
from models.store.months import kept_since
from models.store.policies import read_policies
from models.store.rights import Rights

WORST = 10
"""Cases still open that are named."""
_NAME = "rxpulse reports"


@dataclass(frozen=True, slots=True)
class Window:
    """What a report looks at: the weeks whose first instants are `weeks` (UTC, oldest first, the last one reported), up to
    `ends`. What people did counts up to `known`. `zone` is the site's time zone."""

    site: str
    zone: str
    weeks: tuple[datetime, ...]
    ends: datetime
    known: datetime

    @classmethod
    def of(cls, site: str, zone: str, week: Week) -> "Window":
        """What a report of this week looks at: the week, and the seven before it."""
        weeks = tuple(week.before(back).begins(zone) for back in range(LOOKED_BACK - 1, -1, -1))
        return cls(site, zone, weeks, week.ends(zone), week.reported(zone))

    @property
    def begins(self) -> datetime:
        """The first instant of the week reported."""
        return self.weeks[-1]

    @property
    def before(self) -> datetime:
        """The first instant of the week before."""
        return self.weeks[-2]


@dataclass(frozen=True, slots=True)
class Turnaround:
    """Intervals of a clock that stopped on a day, or in a week where `whole_week` (then `day` is its Monday). `due` of them
    had a due, `in_target` met it; `median` and `p90` are net lengths in microseconds, type 7."""

    clock: str
    day: date
    whole_week: bool
    n: int
    due: int
    in_target: int
    median: float
    p90: float


@dataclass(frozen=True, slots=True)
class Raised:
    """Signals of one kind and name that became true in the week, at the highest severity that each reached."""

    kind: str
    name: str
    severity: int
    count: int


@dataclass(frozen=True, slots=True)
class StillOpen:
    """A signal that was open when the week ended, as it stood then. `priority` and `opened` are its case's, None where
    the store holds the case no more."""

    kind: str
    name: str
    severity: int
    case: str | None
    raised: datetime
    priority: str | None
    opened: datetime | None


@dataclass(frozen=True, slots=True)
class Trials:
    """Trials of a rate in a week, those that became known late included; `late` of them were late. `previous`: of the
    week before."""

    rate: str
    previous: bool
    clean: int
    errors: int
    late: int


@dataclass(frozen=True, slots=True)
class Shifted:
    """A rate that shifted, about `since`, found at `raised`, in the week or before and not over when it began. `cleared` is
    None where it was not over when the week ended."""

    rate: str
    since: datetime
    raised: datetime
    cleared: datetime | None


@dataclass(frozen=True, slots=True)
class Telling:
    """Escalations opened in the week, and how many of them somebody was told of, acknowledged, or left unanswered to the
    end of the ladder. `median` and `p90` are seconds from opening to the first acknowledgement, None without any."""

    opened: int
    told: int
    acknowledged: int
    exhausted: int
    median: float | None
    p90: float | None


@dataclass(frozen=True, slots=True)
class Heard:
    """A feed in the week: in how many hours it was heard of, and how often it fell silent and for how many seconds."""

    source: str
    hours: int
    silences: int
    silent_s: float


@dataclass(frozen=True, slots=True)
class Corrections:
    """Of the week's intervals: changed by late evidence, taken back by it, and of no length at all."""

    corrected: int
    retracted: int
    zero: int


@dataclass(frozen=True, slots=True)
class Doubtful:
    """So many conflicts of a kind have the cases that began in the week; of kind `after_close`, so many events that were
    recorded in the week came after their case had left."""

    kind: str
    count: int


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a report is made of. `not_told` counts the week's signals by what was told of them, `yes` or the
    reason why not, None while nobody has decided. `open_total` counts what `still_open` names the worst of."""

    turnaround: tuple[Turnaround, ...]
    raised: tuple[Raised, ...]
    told: tuple[tuple[str | None, int], ...]
    still_open: tuple[StillOpen, ...]
    open_total: int
    trials: tuple[Trials, ...]
    shifted: tuple[Shifted, ...]
    telling: Telling
    heard: tuple[Heard, ...]
    corrections: Corrections
    doubtful: tuple[Doubtful, ...]

    @property
    def digest(self) -> str:
        """Equal facts, equal digest: 64 hexadecimal digits."""
        return sha256(repr(self).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Written:
    """The latest revision of a report that was written. `path` is absolute."""

    kind: str
    site: str
    period: str
    revision: int
    digest: str
    path: str


@dataclass(frozen=True, slots=True)
class Published:
    """A report that can be read, and when (UTC) its latest revision was made."""

    written: Written
    made: datetime


@contextmanager
def reporting(database_url: str) -> "Generator[Reporting]":
    """The store as reports see it, in one transaction. Raises DatabaseAway."""
    with connect(database_url, _NAME) as connection:
        try:
            yield Reporting(connection)
        except OperationalError as fault:
            raise DatabaseAway(f"the database does not answer: {fault}") from fault


class Reporting:
    """One transaction, of one thread. All instants are UTC."""

    def __init__(self, connection: "Connection[Any]") -> None:
        self._connection = connection

    def now(self) -> datetime:
        """The store's own clock."""
        return self._one("SELECT now()")[0]

    def policies(self) -> Policies | None:
        """Every version of the policy; None where there is none."""
        return read_policies(self._connection, None)

    def seen(self, site: str) -> bool:
        """Whether the store ever heard of a site."""
        return self._one("SELECT EXISTS (SELECT FROM feeds WHERE site = %(site)s)", site=site)[0]

    def sites(self) -> list[str]:
        """The sites that the store has heard of."""
        return [site for (site,) in self._connection.execute("SELECT DISTINCT site FROM feeds ORDER BY site")]

    def kept_since(self) -> datetime | None:
        """From when on turnaround times are kept; None: from the beginning on."""
        return kept_since(self._connection)

    def behind(self, site: str, ends: datetime, known: datetime) -> str | None:
        """Why the facts of a week of a site are not complete yet; None once every event recorded up to `known` is applied
        and the rates up to `ends` are judged. History that is being brought in has been read to its end again and again
        before it has come to that instant, so what still comes from before it is waited for."""
        with self._connection.cursor() as cursor:
            reach = scores.reach(cursor)
        if reach is None or reach.read < known:
            return "the events recorded up to then are not all read yet"
        if self._one(_COMES, site=site, known=known, within=_COMING)[0]:
            return "events recorded before then still come in"
        query = "SELECT EXISTS (SELECT FROM touched WHERE site = %(site)s AND since < %(ends)s)"
        return "its rates are not judged yet" if self._one(query, site=site, ends=ends)[0] else None

    def lock(self, site: str) -> None:
        """Until the end of the transaction nobody else writes reports of the site."""
        self._connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('report of ' || %s, 0))", [site])

    def written(self, kind: str, site: str) -> dict[str, Written]:
        """The latest revision of each report of a site, by period."""
        rows = self._connection.execute(f"{_LATEST} WHERE kind = %s AND site = %s {_ORDER}", [kind, site])
        return {one.period: one for one in (Written(*row) for row in rows)}

    def note(self, one: Written) -> None:
        """A report was written, or the same one again elsewhere."""
        self._connection.execute(
            "INSERT INTO reports (kind, site, period, revision, digest, path) VALUES (%s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (kind, site, period, revision) DO UPDATE SET path = excluded.path",
            [one.kind, one.site, one.period, one.revision, one.digest, one.path],
        )

    def facts(self, window: Window) -> Facts:
        """What is known of a site's weeks."""
        return Facts(
            turnaround=turnaround(self._connection, window),
            raised=tuple(Raised(*row) for row in self._rows(_RAISED, window)),
            told=tuple((told, count) for told, count in self._rows(_TOLD, window)),
            still_open=tuple(StillOpen(*row) for row in self._rows(f"{_OPEN} LIMIT %(worst)s", window)),
            open_total=self._rows(f"SELECT count(*) FROM ({_OPEN}) o", window)[0][0],
            trials=tuple(Trials(*row) for row in self._rows(_TRIALS, window)),
            shifted=tuple(Shifted(*row) for row in self._rows(_SHIFTED, window)),
            telling=Telling(*self._rows(_TELLING, window)[0]),
            heard=tuple(Heard(*row) for row in self._rows(_HEARD, window)),
            corrections=Corrections(*self._rows(_CORRECTIONS, window)[0]),
            doubtful=tuple(Doubtful(*row) for row in self._rows(_DOUBTFUL, window)),
        )

    def _rows(self, query: LiteralString, window: Window) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, _values(window)).fetchall()

    def _one(self, query: LiteralString, **values: object) -> tuple[Any, ...]:
        row = self._connection.execute(query, values).fetchone()
        assert row is not None
        return row


_COMING = timedelta(minutes=2)
"""For so long after a partition's latest event of a site was applied, and that lies before a report's instant, more from
before it may follow. Sources are taken together: some speak once a month."""
_COMES: LiteralString = (
    "SELECT EXISTS (SELECT FROM feeds WHERE site = %(site)s GROUP BY partition"
    " HAVING max(last_recorded) < %(known)s AND max(heard) > now() - %(within)s)"
)


def turnaround(connection: "Connection[Any]", window: Window, clock: str = "") -> tuple[Turnaround, ...]:
    """How long work took in the weeks of a window, by clock, day and week. `clock`: of this one alone."""
    return tuple(Turnaround(*row) for row in connection.execute(_TURNAROUND, _values(window) | {"clock": clock}))


def _values(window: Window) -> dict[str, object]:
    return {
        "site": window.site,
        "zone": window.zone,
        "first": window.weeks[0],
        "previous": window.before,
        "begins": window.begins,
        "ends": window.ends,
        "known": window.known,
        "worst": WORST,
    }


def all_written(connection: "Connection[Any]") -> list[Written]:
    """The latest revision of every report, by kind, site and period."""
    return [Written(*row) for row in connection.execute(f"{_LATEST} {_ORDER}")]


def published(connection: "Connection[Any]", rights: Rights) -> list[Published]:
    """The latest revision of every report of the sites of `rights`: by site, the newest week first."""
    scope = None if rights.sites is None else list(rights.sites)
    rows = connection.execute(_PUBLISHED, {"scope": scope})
    return [Published(Written(*row[:-1]), row[-1]) for row in rows]


_LATEST: LiteralString = (
    "SELECT DISTINCT ON (kind, site, period) kind, site, period, revision, digest, path FROM reports"
)
_PUBLISHED: LiteralString = """
SELECT * FROM (
    SELECT DISTINCT ON (kind, site, period) kind, site, period, revision, digest, path, made FROM reports
    WHERE %(scope)s::text[] IS NULL OR site = ANY(%(scope)s) ORDER BY kind, site, period, revision DESC
) latest ORDER BY site, kind, period DESC
"""
_ORDER: LiteralString = "ORDER BY kind, site, period, revision DESC"
_INTERVALS: LiteralString = f"""
SELECT i.* FROM intervals i WHERE i.site = %(site)s AND i.stopped >= %(first)s AND i.stopped < %(ends)s AND {LATEST}
"""
_TURNAROUND: LiteralString = f"""
WITH stopped AS (
    SELECT clock, net, target, in_target, (stopped AT TIME ZONE %(zone)s)::date AS day FROM ({_INTERVALS}) i
    WHERE NOT retracted AND (%(clock)s::text = '' OR clock = %(clock)s)
), dated AS (SELECT *, date_trunc('week', day::timestamp)::date AS monday FROM stopped)
SELECT clock, coalesce(day, monday), day IS NULL, count(*), count(in_target), count(*) FILTER (WHERE in_target),
    percentile_cont(0.5) WITHIN GROUP (ORDER BY net), percentile_cont(0.9) WITHIN GROUP (ORDER BY net)
FROM dated GROUP BY GROUPING SETS ((clock, day), (clock, monday)) ORDER BY clock COLLATE "C", 3, 2
"""
_CORRECTIONS: LiteralString = f"""
SELECT count(*) FILTER (WHERE NOT retracted AND revision > 1), count(*) FILTER (WHERE retracted),
    count(*) FILTER (WHERE NOT retracted AND net = 0)
FROM ({_INTERVALS}) i WHERE stopped >= %(begins)s
"""
_COUNTED: LiteralString = (
    "FROM signals WHERE site = %(site)s AND raised >= %(begins)s AND raised < %(ends)s"
    " AND reason IS DISTINCT FROM 'disproof'"
)
_RAISED: LiteralString = (
    f'SELECT kind, name, severity, count(*) {_COUNTED} GROUP BY 1, 2, 3 ORDER BY kind, name COLLATE "C", severity'
)
_TOLD: LiteralString = f"SELECT told, count(*) {_COUNTED} GROUP BY 1 ORDER BY 2 DESC, 1"
# As it stood when the week ended: a rise of severity afterwards moves `raised` of the signal as it now stands. What was over
# by then is over in the signal as it now stands too, so that years of changes need not be read.
_OPEN: LiteralString = """
SELECT s.kind, s.name, s.severity, s.case_id, s.raised, coalesce(c.priority, d.priority),
    coalesce(c.opened, d.opened) FROM (
    SELECT DISTINCT ON (h.id) h.* FROM signals later JOIN signal_changes h ON h.id = later.id
    WHERE later.site = %(site)s AND (later.cleared IS NULL OR later.cleared >= %(ends)s OR later.raised >= %(ends)s)
    AND h.site = %(site)s AND h.raised < %(ends)s ORDER BY h.id, h.revision DESC
) s LEFT JOIN signals now ON now.id = s.id AND now.cleared_by IS NOT NULL AND now.cleared < %(ends)s
LEFT JOIN cases c ON c.id = s.case_id LEFT JOIN departures d ON d.case_id = s.case_id
WHERE s.kind IN ('clock', 'rule') AND now.id IS NULL AND (s.cleared IS NULL OR s.cleared >= %(ends)s)
AND s.reason IS DISTINCT FROM 'disproof' ORDER BY s.severity, s.raised, s.id
"""
_TRIALS: LiteralString = """
SELECT rate, minute < %(begins)s, sum(clean + late_clean)::int8, sum(errors + late_errors)::int8,
    sum(late_clean + late_errors)::int8
FROM outcomes WHERE site = %(site)s AND minute >= %(previous)s AND minute < %(ends)s
GROUP BY 1, 2 HAVING sum(clean + errors + late_clean + late_errors) > 0 ORDER BY rate COLLATE "C", 2
"""
_SHIFTED: LiteralString = """
SELECT rate, since, raised, CASE WHEN cleared < %(ends)s THEN cleared END FROM shifts WHERE site = %(site)s AND raised < %(ends)s
AND (cleared IS NULL OR cleared >= %(begins)s) AND reason IS DISTINCT FROM 'disproof' ORDER BY rate COLLATE "C", since
"""
_TELLING: LiteralString = """
SELECT count(*), count(*) FILTER (WHERE told), count(answered), count(*) FILTER (WHERE exhausted),
    percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM answered - opened)::float8),
    percentile_cont(0.9) WITHIN GROUP (ORDER BY extract(epoch FROM answered - opened)::float8)
FROM (
    SELECT e.opened,
        EXISTS (SELECT FROM deliveries d WHERE d.escalation = e.id AND d.type IN ('page', 'remind')
            AND d.state = 'sent' AND d.last_attempt < %(known)s) AS told,
        (SELECT min(at) FROM escalation_entries a WHERE a.escalation = e.id AND a.entry->>'entry' = 'acknowledged'
            AND at < %(known)s) AS answered,
        EXISTS (SELECT FROM escalation_entries x WHERE x.escalation = e.id AND x.entry->>'entry' = 'exhausted'
            AND at < %(known)s) AS exhausted
    FROM escalations e WHERE e.site = %(site)s AND e.opened >= %(begins)s AND e.opened < %(ends)s
) t
"""
_HEARD: LiteralString = """
SELECT source, coalesce(hours, 0), coalesce(silences, 0), coalesce(silent_s, 0) FROM (
    SELECT source, count(DISTINCT hour) AS hours FROM feed_hours
    WHERE site = %(site)s AND hour >= %(begins)s AND hour < %(ends)s GROUP BY source
) h FULL JOIN (
    SELECT source, count(*) AS silences,
        extract(epoch FROM sum(least(coalesce(cleared, %(ends)s), %(ends)s) - greatest(since, %(begins)s)))::float8
        AS silent_s
    FROM silences WHERE site = %(site)s AND worker IS NULL AND raised < %(ends)s
    AND (cleared IS NULL OR cleared >= %(begins)s) GROUP BY source
) s USING (source) ORDER BY source COLLATE "C"
"""
_DOUBTFUL: LiteralString = """
SELECT kind, sum(count)::int8 FROM doubts WHERE site = %(site)s AND hour >= %(begins)s AND hour < %(ends)s
GROUP BY kind HAVING sum(count) > 0 ORDER BY kind COLLATE "C"
"""
