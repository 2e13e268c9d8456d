"""The worker is watched, and a stop is told of: on the real database, through time."""

from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from threading import Thread

import pytest

from models import policy_text
from models.policy import Kind, Severity
from models.signals import Cleared, signal_id
from models.store.connecting import connect
from models.store.desk import acknowledge, resolve
from models.store.ledger import Advance, Batch
from models.store.policies import begin
from models.store.rebuilding import forget_facts
from models.store.seat import Seat
from models.store.stops import catch_up, look_back
from models.store.watchman import watch
from tests.integration.test_desk import LATE, POLICY, Telling, telling
from tests.judging import always, told
from tests.live import until

__all__ = ["telling"]
TWO_SITES = POLICY.replace(
    "[clock.", '[site.north]\nname = "North"\nsetting = "inpatient"\ntimezone = "UTC"\n[clock.', 1
)


@pytest.fixture
def watched(telling: Telling) -> Telling:
    """A store of two sites that was live up to now."""
    telling.desk = replace(telling.desk, policy=policy_text.parse(TWO_SITES, file="test"))
    telling.listens()
    round_(telling)
    return telling


def round_(telling: Telling) -> None:
    """What the dispatcher does in a round."""
    telling.look()
    watch(telling.connection, telling.desk)
    look_back(telling.connection, telling.desk)
    catch_up(telling.connection, telling.desk)
    telling.look()


def reads(telling: Telling, rounds: int) -> None:
    """The worker lives, and does not come to the present, for so many times 35 seconds."""
    for _ in range(rounds):
        telling.clock.forward(seconds=35)
        telling.ledger.commit(Batch([Advance(0, 1, 0, 0, telling.written, 0)]))
        round_(telling)


def passes(telling: Telling, **time: float) -> None:
    telling.clock.forward(**time)
    round_(telling)


def workers(telling: Telling) -> list[tuple[str, bool]]:
    """(site, open) of every signal about the worker."""
    return telling.rows("SELECT site, cleared IS NULL FROM signals WHERE name = 'worker' ORDER BY raised, site")


def verdicts(telling: Telling) -> dict[str, str | None]:
    return dict(telling.rows("SELECT id, told FROM signals"))


def test_a_worker_that_listens_is_no_signal(watched: Telling) -> None:
    for _ in range(4):
        passes(watched, seconds=30)
        watched.listens()
    assert workers(watched) == []


def test_a_worker_without_a_sign_of_life_is_a_signal_for_each_site_and_one_page(watched: Telling) -> None:
    passes(watched, seconds=40)
    assert workers(watched) == []
    passes(watched, seconds=21)
    assert workers(watched) == [("mercy", True), ("north", True)]
    assert watched.told() == [("page", "ana", "inbox"), ("page", "ana", "webhook")]
    [(message,)] = watched.rows("SELECT message->'data' FROM deliveries WHERE channel = 'webhook'")
    assert message["title"] == (
        "S2 several sites: The worker has not judged for a while: missed deadlines are not seen"
    )
    assert (message["signal"], message["count"], len(message["signals"])) == (None, 2, 2)
    assert watched.rows("SELECT kind, name, site, signal FROM escalations") == [("feed", "worker", "*", None)]


def test_it_is_raised_once_however_long_it_lasts(watched: Telling) -> None:
    for _ in range(3):
        passes(watched, seconds=61)
    assert workers(watched) == [("mercy", True), ("north", True)]
    assert watched.rows("SELECT count(*) FROM escalations") == [(1,)]


def test_the_next_tick_clears_it_and_everybody_who_was_told_hears(watched: Telling) -> None:
    passes(watched, seconds=61)
    watched.send()
    passes(watched, seconds=1)
    watched.listens()
    round_(watched)
    assert workers(watched) == [("mercy", False), ("north", False)]
    assert watched.rows("SELECT DISTINCT reason, told FROM signals") == [("spoke", "yes")]
    assert ("resolved", "ana", "webhook") in watched.told()
    assert watched.rows("SELECT state FROM escalations") == [("resolved",)]


def test_what_is_found_goes_out_with_what_the_judge_found_once_he_is_back(watched: Telling, database_url: str) -> None:
    begin(database_url, policy_text.read(TWO_SITES, file="test"), "a test")
    with closing(Seat(database_url, "w0")) as before:
        assert given(before, None) == []
        passes(watched, seconds=61)
        assert given(before, 0) == [(0, "mercy", True), (1, "north", True)], "to one who judges on"
        assert given(before, 2) == []
    watched.listens()
    round_(watched)
    watched.clock.forward(seconds=10)
    with closing(Seat(database_url, "w1")) as after:
        cleared = given(after, None)
    assert [number for number, _, _ in cleared] == [2, 3], "to one who comes"
    # Signals are cleared in the order of their ids, which tells nothing of their sites.
    assert sorted((site, still) for _, site, still in cleared) == [("mercy", False), ("north", False)]


def given(seat: Seat, published: int | None) -> list[tuple[int, str, bool]]:
    """(number, site, open) of what is to be sent after a round about the worker."""
    about = [change for change in told(seat.judge(published, always)) if change.signal.name == "worker"]
    return [(one.sequence, one.signal.site, one.signal.open) for one in about]


def test_while_somebody_judges_nothing_is_found_and_in_the_next_look_it_is(watched: Telling, database_url: str) -> None:
    begin(database_url, policy_text.read(TWO_SITES, file="test"), "a test")
    with closing(Seat(database_url, "w0")) as seat:
        seat.judge(None, always)
        watched.clock.forward(seconds=61)
        with connect(database_url, "a judge") as still:
            still.execute("SELECT FROM judge FOR UPDATE")
            assert watch(watched.connection, watched.desk) == 0 and workers(watched) == []
    assert watch(watched.connection, watched.desk) == 2


def test_it_is_taken_on_as_one(watched: Telling) -> None:
    passes(watched, seconds=61)
    watched.send()
    acknowledge(watched.connection, watched.escalation(), "ana")
    passes(watched, minutes=6)
    assert ("page", "ben", "inbox") not in watched.told()


def test_a_worker_that_lives_and_does_not_come_to_the_present_is_behind(watched: Telling) -> None:
    reads(watched, rounds=9)
    assert workers(watched) == [("mercy", True), ("north", True)]


def test_the_first_load_of_an_empty_store_is_not_behind(telling: Telling) -> None:
    reads(telling, rounds=18)
    assert workers(telling) == []


def test_a_store_that_no_worker_ever_wrote_to_has_none_to_miss(telling: Telling) -> None:
    passes(telling, hours=1)
    assert workers(telling) == []


def test_while_the_facts_are_made_again_nobody_looks_for_missed_deadlines_and_that_is_told(
    watched: Telling, database_url: str
) -> None:
    forget_facts(database_url)
    passes(watched, seconds=40)
    assert workers(watched) == [], "it has time to come back"
    watched.ledger.claim("a-cluster", [0], "w0")
    reads(watched, rounds=9)
    assert workers(watched) == [("mercy", True), ("north", True)], "it lives, and is not at the present yet"
    watched.listens()
    round_(watched)
    assert workers(watched) == [("mercy", False), ("north", False)]


def test_a_worker_that_does_not_come_back_once_the_facts_were_forgotten_is_missed(
    watched: Telling, database_url: str
) -> None:
    forget_facts(database_url)
    passes(watched, seconds=61)
    assert workers(watched) == [("mercy", True), ("north", True)]


def test_a_dispatcher_that_has_just_started_gives_the_worker_time_to_begin(watched: Telling) -> None:
    watched.clock.forward(hours=2)
    watched.desk = replace(watched.desk, started=watched.now())
    round_(watched)
    assert workers(watched) == []
    passes(watched, seconds=61)
    assert workers(watched) == [("mercy", True), ("north", True)]
    assert set(verdicts(watched).values()) == {"yes"}


def stopped(telling: Telling, hours: float) -> None:
    """The whole stack stands still, and a dispatcher starts again."""
    telling.clock.forward(hours=hours)
    telling.desk = replace(telling.desk, started=telling.now())


def missed(telling: Telling, key: str, ago: float, /, **about: object) -> str:
    """A signal that became true so many minutes ago and was found by the tick after the stop; returns its id."""
    at = telling.now() - timedelta(minutes=ago)
    return telling.signal(id=signal_id(Kind.CLOCK, key), raised=at, known=at, **about).id


def test_after_a_stop_late_orders_are_told_one_by_one_and_the_rest_as_one(watched: Telling) -> None:
    stopped(watched, hours=6)
    fresh, urgent = missed(watched, "fresh", 200), missed(watched, "urgent", 30, severity=Severity.S1)
    stale = missed(watched, "stale", 300)
    rule = missed(watched, "rule", 100, kind=Kind.RULE, name="waste-witnessed-by-same-person")
    mild = missed(watched, "mild", 60, severity=Severity.S4)
    over = missed(watched, "over", 90, cleared=watched.now(), reason=Cleared.STOP)
    round_(watched)
    assert verdicts(watched) == {
        fresh: "yes",
        urgent: "yes",
        stale: "summary",
        rule: "summary",
        mild: "nobody",
        over: "old",
    }
    rows = watched.rows("SELECT signal, kind, name, severity FROM escalations ORDER BY signal NULLS LAST")
    assert {row[0] for row in rows} == {fresh, urgent, None} and rows[-1] == (None, "summary", "summary", 2)


def test_what_was_judged_in_time_while_no_dispatcher_was_there_is_told_as_after_a_stop(watched: Telling) -> None:
    """The worker had been behind, and went on: for the store there was no stop, and it was no old news."""
    late = missed(watched, "late", 10)
    rules = {
        missed(watched, name, 10, kind=Kind.RULE, name="waste-witnessed-by-same-person") for name in ("one", "two")
    }
    over = missed(watched, "over", 10, cleared=watched.now(), reason=Cleared.STOP)
    stopped(watched, hours=0.1)
    watched.listens()
    round_(watched)
    assert verdicts(watched) == {late: "yes", over: "cleared"} | dict.fromkeys(rules, "summary")
    assert sorted(watched.rows("SELECT signal IS NULL, name FROM escalations")) == [
        (False, LATE.name),
        (True, "summary"),
    ]
    passes(watched, seconds=1)
    assert watched.rows("SELECT count(*) FROM escalations") == [(2,)]


def test_a_summary_names_how_many_and_which(watched: Telling) -> None:
    stopped(watched, hours=6)
    names = {missed(watched, "one", 300), missed(watched, "two", 310)}
    round_(watched)
    [(message,)] = watched.rows("SELECT message->'data' FROM deliveries WHERE channel = 'webhook'")
    assert (message["signal"], message["count"], set(message["signals"])) == (None, 2, names)
    assert message["title"] == "S2 Mercy: 2 still open after a stop"


def test_a_summary_is_over_when_the_last_of_it_clears(watched: Telling) -> None:
    stopped(watched, hours=6)
    ages = {"one": 300, "two": 310}
    names = {name: missed(watched, name, ago) for name, ago in ages.items()}
    round_(watched)
    watched.send()
    for name, state in (("one", "open"), ("two", "resolved")):
        watched.signal(id=names[name], cleared=watched.now(), reason=Cleared.STOP, revision=2)
        watched.look()
        assert watched.rows("SELECT state FROM escalations") == [(state,)]
    assert ("resolved", "ana", "webhook") in watched.told()


@pytest.mark.parametrize("ago", [300, 200], ids=["summary", "page of its own"])
def test_what_ends_while_it_is_being_told_is_over(watched: Telling, ago: float) -> None:
    """The worker's word of the end waits for the dispatcher, which has just found the signal and opens an escalation."""
    stopped(watched, hours=6)
    name = missed(watched, "one", ago)
    watched.look()
    assert verdicts(watched) == {name: "old"}
    end = watched.now() - timedelta(minutes=30)
    about = {"id": name, "known": end, "cleared": end, "reason": Cleared.STOP, "revision": 2}
    worker = Thread(target=watched.signal, kwargs=about)
    with watched.connection.transaction():
        look_back(watched.connection, watched.desk)
        worker.start()
        until(lambda: watched.rows("SELECT 1 FROM pg_locks WHERE NOT granted"))
    worker.join()
    watched.look()
    assert watched.rows("SELECT state FROM escalations") == [("resolved",)]


def test_what_rises_under_a_summary_is_told_by_itself(watched: Telling) -> None:
    stopped(watched, hours=6)
    name = missed(watched, "one", 300)
    round_(watched)
    watched.signal(id=name, severity=Severity.S1, revision=2)
    watched.look()
    assert watched.rows("SELECT signal, severity FROM escalations WHERE signal IS NOT NULL") == [(name, 1)]


def test_a_summary_that_a_person_ended_stays_ended(watched: Telling) -> None:
    stopped(watched, hours=6)
    name = missed(watched, "one", 300)
    round_(watched)
    resolve(watched.connection, watched.escalation(), "ana", "seen")
    watched.look()
    watched.signal(id=name, severity=Severity.S1, revision=2)
    watched.look()
    assert verdicts(watched)[name] == "resolved"
    assert watched.rows("SELECT count(*) FROM escalations") == [(1,)]


def test_a_stop_is_told_of_once(watched: Telling) -> None:
    stopped(watched, hours=6)
    missed(watched, "one", 300)
    round_(watched)
    passes(watched, seconds=1)
    watched.listens()
    round_(watched)
    assert watched.rows("SELECT count(*) FROM escalations") == [(1,)]


def test_while_the_worker_still_catches_up_nothing_of_the_stop_is_told(watched: Telling) -> None:
    stopped(watched, hours=6)
    at = watched.now() - timedelta(minutes=30)
    missed(watched, "one", 30)
    watched.rows("UPDATE positions SET judged = now() - interval '5 h' RETURNING 1")
    round_(watched)
    assert watched.told() == []
    watched.listens()
    round_(watched)
    assert len(watched.told()) == 2 and at < watched.now()


def test_what_was_old_before_the_stop_stays_untold(watched: Telling) -> None:
    before = missed(watched, "before", 60)
    round_(watched)
    stopped(watched, hours=1)
    watched.listens()
    round_(watched)
    assert verdicts(watched) == {before: "old"}


def test_loading_history_into_an_empty_store_pages_nobody(telling: Telling) -> None:
    for number in range(3):
        missed(telling, str(number), 60 * number + 30)
    round_(telling)
    passes(telling, seconds=5)
    telling.listens()
    round_(telling)
    assert telling.told() == [] and set(verdicts(telling).values()) == {"old"}
