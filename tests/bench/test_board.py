"""How large the board gets with 50,000 open cases among 300,000, and how long the console works on it.

The size is held against what is wanted. The time is only said (`pytest -s`), since no test compares seconds; the figures
found stand in docs/operations/benchmarks.md.
"""

from collections.abc import Iterator
from statistics import median
from time import perf_counter

import pytest

from tests.console import Served, Story, serving

OPEN, FINISHED, SIGNALS, ESCALATIONS = 50_000, 250_000, 2_000, 400
LARGEST = 150_000
"""Bytes of a page."""
ROUNDS = 15
_CASES = """
INSERT INTO cases (id, partition, site, kind, priority, waits, since, opened, finished, pace, body)
SELECT 'order/' || n, n %% 8, 'site-' || n %% 12, CASE WHEN n %% 12 < 4 THEN 'order' ELSE 'fill' END,
    (ARRAY['stat', 'urgent', 'routine', 'prn', ''])[1 + n / 96 %% 5],
    (ARRAY['entry', 'claim', 'verify', 'fill', 'prepare', 'check', 'ready', 'deliver'])[1 + n / 12 %% 8],
    now() - n * interval '1 s', now() - n * interval '1 s', CASE WHEN n > %(open)s THEN now() END,
    (ARRAY['on_time', 'on_time', 'at_risk', 'late'])[1 + n / 480 %% 4],
    decode(repeat(md5(n::text), 12) || repeat(md5((n + 1)::text), 12), 'hex')
FROM generate_series(1, %(all)s) n
"""
_SIGNALS = """
INSERT INTO signals (id, kind, name, severity, site, case_id, raised, known, revision, told, attention)
SELECT 's' || n, 'clock', 'stat-verified', 1 + n %% 4, 'site-' || n %% 12, 'order/' || n, now() - n * interval '1 min',
    now() - n * interval '1 min', 1, CASE WHEN n %% 3 = 0 THEN 'yes' ELSE 'old' END, false
FROM generate_series(1, %s) n
"""
_ESCALATIONS = """
INSERT INTO escalations (id, signal, kind, name, severity, site, setting, case_id, title, ladder, state, opened, about)
SELECT 'e' || n, 's' || n, 'clock', 'stat-verified', 1 + n %% 4, 'site-' || n %% 12, 'inpatient', 'order/' || n,
    'STAT order verified by a pharmacist', 'urgent', 'open', now() - n * interval '1 min', '{}'
FROM generate_series(1, %s) n
"""


@pytest.fixture
def full(database_url: str) -> Iterator[Story]:
    """A large organisation on a bad day."""
    story = Story(database_url)
    story.read(0, story.now)
    story.connection.execute(_CASES, {"open": OPEN, "all": OPEN + FINISHED})
    story.connection.execute(_SIGNALS, [SIGNALS])
    story.connection.execute(_ESCALATIONS, [ESCALATIONS])
    for table in ("cases", "signals", "escalations"):
        story.connection.execute(f"VACUUM ANALYZE {table}")  # type: ignore[arg-type]
    yield story
    story.connection.close()


@pytest.fixture
def console(full: Story, database_url: str) -> Iterator[Served]:
    with serving(database_url) as served:
        yield served


@pytest.mark.slow
def test_a_board_of_fifty_thousand_open_cases_stays_small(console: Served) -> None:
    browser, taken = console.signed_in("manager"), list[float]()
    for _ in range(ROUNDS):
        begun = perf_counter()
        answer = browser.get("/board")
        taken.append(perf_counter() - begun)
    size = len(answer.content)
    print(f"\nboard: {size / 1000:.0f} kB, median {median(taken) * 1000:.0f} ms, longest {max(taken) * 1000:.0f} ms")
    queues = console.api().get("/api/v1/board").json()["queues"]
    assert (len(queues), sum(one["count"] for one in queues)) == (12 * 8 * 5, OPEN)
    assert answer.status_code == 200 and size <= LARGEST
