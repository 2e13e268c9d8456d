"""What the store knows of its own health, on a real database."""

from datetime import timedelta
from threading import Thread

import psycopg

from models.store.connecting import connect
from models.store.soundness import Blocked, soundness
from tests.live import until


def test_positions_clocks_and_young_dead_letters_are_told(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO positions (partition, cluster, position, beat, judged, owner)"
            " VALUES (0, 'c', 7, now(), now() - interval '9 s', 'worker-w0-7'), (1, 'c', 0, NULL, NULL, NULL)"
        )
        connection.execute(
            "INSERT INTO worker_clocks (worker, ahead, measured)"
            " VALUES ('w0', -95000000, now()), ('w1', 0, now() - interval '2 minutes')"
        )
        connection.execute(
            "INSERT INTO doubts (site, kind, reason, hour, partition, count) VALUES"
            " ('', 'dead_letter', 'not json', date_trunc('hour', now()), 0, 3),"
            " ('', 'dead_letter', 'not json', now() - interval '3 hours', 0, 9),"
            " ('mercy', 'after_close', 'fill', now() - interval '6 days', 0, 3),"
            " ('mercy', 'after_close', 'fill', now() - interval '8 days', 0, 9),"
            " ('elm', 'after_close', 'place', now() - interval '6 days', 0, 9)"
        )
    found = soundness(database_url)
    assert found is not None
    here, unread = found.places
    assert here.owner == "worker-w0-7" and here.beat and here.judged == here.beat - timedelta(seconds=9)
    assert (unread.owner, unread.judged, unread.position) == (None, None, 0)
    assert found.ahead == {"w0": timedelta(seconds=-95)}, "who has not measured lately is no more"
    assert dict(found.refused) == {"not json": 3}
    assert dict(found.after_close) == {"mercy": 3}
    assert found.blocked == ()


def test_a_worker_that_waits_for_a_lock_is_told_with_who_holds_it(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as setup:
        setup.execute("INSERT INTO positions (partition, cluster) VALUES (0, 'c')")
    holder, waiter = connect(database_url, "a long export"), connect(database_url, "worker-w0-7")
    move = "UPDATE positions SET position = position + 1"
    holder.execute(move)
    waits = Thread(target=lambda: waiter.execute(move))
    waits.start()
    try:

        def blocked() -> tuple[Blocked, ...]:
            found = soundness(database_url)
            return () if found is None else found.blocked

        [one] = until(blocked)
        assert one.name == "worker-w0-7" and one.seconds >= 0
        assert one.by == (f"a long export, process {holder.info.backend_pid}",)
    finally:
        holder.close()
        waits.join(10)
        waiter.close()
