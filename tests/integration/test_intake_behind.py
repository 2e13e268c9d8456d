"""What the intake says when a part behind it does not keep up: a worker that is too far behind, a Kafka that does not confirm, a
database that is away. The sender keeps its events."""

from contextlib import closing
from dataclasses import replace

import psycopg
import pytest

from models import policy_text
from models.store import policies
from models.store.intake import IntakeStore
from streams.confirming import Confirming
from streams.intake.reception import Cleaned, Unconfirmed
from tests.door import Door
from tests.intake import BATCH, POLICY, Intake, cloud, figure, served, stands


@pytest.mark.parametrize(
    ("behind", "allowed", "status"),
    [(301.0, 300.0, 429), (299.0, 300.0, 202), (None, 300.0, 202), (61.0, 60.0, 429), (9e9, 0.0, 202)],
)
def test_a_worker_that_is_too_far_behind_is_not_given_more(
    intake: Intake, behind: float | None, allowed: float, status: int
) -> None:
    slow = replace(intake.behind, standing=stands(intake, behind=behind), max_lag_seconds=allowed)
    before = figure(intake, "rxpulse_intake_requests_total", '{status="429"}')
    with served(slow) as url:
        answer = replace(intake, url=url).post(cloud())
    assert answer.status_code == status
    assert figure(intake, "rxpulse_intake_worker_behind_seconds") == (behind or 0.0)
    if status == 429:
        assert answer.headers["retry-after"] == "30" and f"{behind:.0f} seconds behind" in answer.json()["error"]
        assert (answer.json()["reason"], answer.json()["behind_seconds"]) == ("worker behind", behind)
        assert figure(intake, "rxpulse_intake_requests_total", '{status="429"}') == before + 1


@pytest.mark.parametrize(
    ("judged", "beat", "ahead", "found"),
    [
        ("10 minutes", "1 second", 29, 600.0),
        ("10 minutes", "2 minutes", 0, None),
        ("1 second", "1 second", 0, 1.0),
        # Nobody listens while clocks differ, though all is read.
        ("10 minutes", "1 second", -31, None),
    ],
)
def test_behind_is_a_worker_that_lives_and_has_long_not_read_to_the_end(
    database_url: str, judged: str, beat: str, ahead: int, found: float | None
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO positions (partition, cluster, judged, beat)"
            " VALUES (0, 'c', now() - %s::interval, now() - %s::interval), (1, 'c', NULL, now())",
            [judged, beat],
        )
        connection.execute("INSERT INTO worker_clocks (worker, ahead) VALUES ('w0', %s)", [ahead * 1_000_000])
    held = IntakeStore(database_url)
    behind = held.standing().behind
    held.close()
    assert behind == (None if found is None else pytest.approx(found, abs=5))


def test_a_kafka_that_is_away_is_said_and_the_sender_keeps_his_events(intake: Intake) -> None:
    def away(records: object) -> None:
        raise Unconfirmed(1, 3, "Kafka does not take them")

    with served(replace(intake.behind, deliver=away)) as url:
        answer = replace(intake, url=url).post([cloud("a"), cloud("b"), cloud("c")], BATCH)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "1 of 3 events are confirmed" in answer.json()["error"]


def test_a_broker_that_nobody_reaches_is_unconfirmed_and_not_ready(intake: Intake) -> None:
    nobody = Confirming(replace(intake.settings, kafka="127.0.0.1:1"))
    with pytest.raises(Unconfirmed):
        nobody.deliver([Cleaned("order/1", b"{}", 0)])
    assert nobody.missing() == "Kafka does not answer"


def test_while_the_database_is_away_what_was_known_holds(database_url: str) -> None:
    policies.begin(database_url, policy_text.read(POLICY), "test")
    held = IntakeStore(database_url)
    known = held.standing()
    with closing(Door(database_url)) as door:
        door.shut()
        assert held.missing() == "the database does not answer"
        assert held.standing() is known
        door.open()
        assert held.missing() is None
    held.close()


def test_a_connection_that_was_ended_is_no_database_that_is_away(intake: Intake, database_url: str) -> None:
    policies.begin(database_url, policy_text.read(POLICY), "test")
    held = IntakeStore(database_url)
    assert held.missing() is None
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE application_name = 'rxpulse intake' AND datname = current_database()"
        )
    assert held.missing() is None
    held.close()
