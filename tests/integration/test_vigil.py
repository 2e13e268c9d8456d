"""What the dispatcher shows of the store: how it stands now, on the real database, through time."""

from datetime import timedelta

from metrics import catalog
from metrics.recorder import MemoryRecorder
from models.store import deliveries
from models.store.rebuilding import forget_facts
from models.store.stops import look_back
from models.store.vigil import Followed, Heard, Vigil, vigil
from tests.integration import test_desk
from tests.integration.test_desk import Telling
from workflows.vigil import Showing

telling = test_desk.telling


def seen(telling: Telling) -> Vigil:
    return vigil(telling.connection)


def test_an_escalation_that_nobody_answers_is_shown_as_exhausted(telling: Telling) -> None:
    assert seen(telling).escalations == {"open": 0, "acknowledged": 0, "exhausted": 0}
    telling.signal()
    telling.look()
    assert seen(telling).escalations == {"open": 1, "acknowledged": 0, "exhausted": 0}
    for _ in range(9):
        telling.send()
        telling.clock.forward(minutes=10)
        telling.listens()
        telling.look()
    assert seen(telling).escalations == {"open": 0, "acknowledged": 0, "exhausted": 1}


def test_a_signal_that_no_dispatcher_looks_at_waits_by_its_age(telling: Telling) -> None:
    assert seen(telling).unheard_seconds == 0
    telling.signal()
    telling.clock.forward(seconds=70)
    assert 60 < seen(telling).unheard_seconds < 90 and seen(telling).overdue_seconds == 0
    telling.look()
    assert seen(telling).unheard_seconds == 0


def test_a_step_that_nobody_took_is_overdue_by_its_age(telling: Telling) -> None:
    telling.signal()
    telling.look()
    telling.send()
    assert seen(telling).overdue_seconds == 0
    telling.clock.forward(minutes=5, seconds=40)
    assert 30 < seen(telling).overdue_seconds < 60
    telling.listens()
    telling.look()
    telling.send()
    assert seen(telling).overdue_seconds == 0


def test_a_message_that_waits_is_overdue_though_its_escalation_is_not(telling: Telling) -> None:
    telling.signal()
    telling.look()
    telling.clock.forward(seconds=50)
    assert 45 < seen(telling).overdue_seconds < 70


def test_a_refused_message_counts_for_an_hour(telling: Telling) -> None:
    telling.signal()
    telling.look()
    [webhook] = [one for one in deliveries.take(telling.connection) if one.channel == "webhook"]
    deliveries.refused(telling.connection, webhook.key, "HTTP 410")
    assert seen(telling).failed == {"webhook": 1}
    telling.clock.forward(minutes=61)
    assert seen(telling).failed == {}


def test_a_feed_is_shown_with_its_last_word_and_its_silence(telling: Telling) -> None:
    now = telling.now()
    telling.rows(
        "INSERT INTO feeds (source, site, partition, last_time, last_recorded) VALUES ('/elm/pms', 'elm', 0, %s, %s),"
        " ('/elm/pms', 'elm', 1, %s, %s) RETURNING 1",
        *(now - timedelta(minutes=9), now - timedelta(minutes=9), now, now),
    )
    assert seen(telling).feeds == (Heard("/elm/pms", "elm", now, False),)
    telling.rows(
        "INSERT INTO silences (signal, source, site, since, raised) VALUES ('s', '/elm/pms', 'elm', %s, %s) RETURNING 1",
        now,
        now,
    )
    assert seen(telling).feeds == (Heard("/elm/pms", "elm", now, True),)


def test_the_workers_are_as_far_as_the_partition_that_is_furthest_behind(telling: Telling) -> None:
    assert seen(telling).listened is None
    telling.listens()
    first = telling.now()
    found = seen(telling)
    assert found.listened is not None and abs(found.listened - first) < timedelta(seconds=5)
    telling.rows(
        "INSERT INTO positions (partition, cluster, beat, judged) VALUES (1, 'c', %s, %s) RETURNING 1",
        first - timedelta(hours=1),
        first - timedelta(hours=2),
    )
    found = seen(telling)
    assert (found.beat, found.listened) == (first - timedelta(hours=1), first - timedelta(hours=2))


def test_while_the_facts_are_made_again_the_workers_are_as_far_as_they_were(
    telling: Telling, database_url: str
) -> None:
    telling.listens()
    look_back(telling.connection, telling.desk)
    was = seen(telling).listened
    forget_facts(database_url)
    found = seen(telling)
    assert was is not None and (found.beat, found.listened) == (was, was)
    telling.ledger.claim("a-cluster", [0], "w0")
    telling.listens()
    now = seen(telling).listened
    assert now is not None and now > was


def test_each_partition_is_shown_with_its_position_and_how_often_it_was_taken_over(telling: Telling) -> None:
    telling.rows(
        "INSERT INTO positions (partition, cluster, position, epoch, losses) VALUES (5, 'c', 40, 2, 0), (6, 'c', 7, 9, 3)"
        " RETURNING 1"
    )
    found = seen(telling)
    assert found.followed[-2:] == (Followed(5, 40, 2), Followed(6, 7, 9, 3))
    recorder = MemoryRecorder()
    Showing(recorder).show(found)
    assert recorder.values[catalog.POSITION.name, ("5",)] == 40
    assert recorder.values[catalog.CLAIMS.name, ("6",)] == 9
    assert recorder.values[catalog.LOSSES.name, ("6",)] == 3


def test_dead_letters_are_shown_by_reason_while_they_are_young(telling: Telling) -> None:
    telling.clock.forward(minutes=70 - telling.now().minute)
    hour = telling.now().replace(minute=0, second=0, microsecond=0)
    telling.rows(
        "INSERT INTO doubts (site, kind, reason, hour, partition, count) VALUES"
        " ('', 'dead_letter', 'not json', %s, 0, 3), ('', 'dead_letter', 'not json', %s, 1, 2),"
        " ('', 'dead_letter', 'bad time', %s, 0, 50), ('elm', 'before_case', '', %s, 0, 70) RETURNING 1",
        *(hour, hour - timedelta(hours=1), hour - timedelta(hours=2), hour),
    )
    found = seen(telling)
    assert found.dead_letters == {"not json": 5}
    recorder = MemoryRecorder()
    showing = Showing(recorder)
    showing.show(found)
    assert recorder.values[catalog.RECENT_DEAD_LETTERS.name, ("not json",)] == 5
    telling.clock.forward(hours=2)
    showing.show(seen(telling))
    assert recorder.values[catalog.RECENT_DEAD_LETTERS.name, ("not json",)] == 0


def test_the_series_of_what_is_gone_falls_to_nothing(telling: Telling) -> None:
    recorder = MemoryRecorder()
    showing = Showing(recorder)
    now = telling.now()
    showing.show(Vigil({"open": 0}, 0.0, {"webhook": 2}, (Heard("/elm/pms", "elm", now, True),), now, now))
    assert recorder.values[catalog.FEED_SILENT.name, ("/elm/pms", "elm")] == 1
    showing.show(Vigil({"open": 0}, 0.0, {}, (), None, None))
    assert recorder.values[catalog.FEED_SILENT.name, ("/elm/pms", "elm")] == 0
    assert recorder.values[catalog.DELIVERIES_FAILED.name, ("webhook",)] == 0
    assert recorder.values[catalog.LISTENED.name, ()] == 0
