"""What `doctor` finds in a stack that runs: each thing with what, where and the remedy, and nothing where all is well."""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from models.keeping import Month
from models.policy import Policy
from models.policy_text import parse
from models.settings import Settings
from models.store.connecting import DatabaseAway, says_full
from models.store.crowd import Connected, Crowd
from models.store.months import Drawer, Kept
from models.store.soundness import Place, Soundness, Spoke, Trials
from models.store.vigil import Vigil
from rxpulse import connection_examination, examination, postgres, running_examination
from rxpulse import home as homes
from rxpulse.connection_examination import Door
from rxpulse.examination import examine
from rxpulse.findings import Finding, Level, Log, located
from rxpulse.keeping_examination import kept
from rxpulse.running import absence
from rxpulse.suitability import unsuited
from rxpulse.telling_examination import telling
from streams.condition import Condition, PutAside
from streams.feed import Extent

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
WELL = Soundness(NOW, (Place(0, "ours", 10, NOW, 0, 0, 0),), (), (), {}, 0, {})
TOPICS = Condition("ours", {0: Extent(0, 10)}, frozenset(), 0, None)


def bad(findings: object) -> list[Finding]:
    return [one for one in findings if one.level is not Level.GOOD]  # type: ignore[attr-defined]


def placed(**changes: object) -> Soundness:
    return replace(WELL, places=(replace(WELL.places[0], **changes),))


def test_a_stack_that_keeps_up_gives_nothing_to_do() -> None:
    assert bad(running_examination.positions(WELL, TOPICS)) == []
    assert bad(running_examination.put_aside(TOPICS)) == []
    assert bad(running_examination.records(WELL)) == []


@pytest.mark.parametrize(
    ("store", "topics", "what"),
    [
        (placed(cluster="theirs"), TOPICS, "counted on the Kafka cluster theirs, not ours"),
        (placed(position=11), TOPICS, "the topic ends at 10, and the store has applied it up to 11"),
        (placed(partition=3), TOPICS, "the topic is not there"),
        (placed(position=2), replace(TOPICS, extents={0: Extent(5, 10)}), "3 events were deleted from the topic"),
        (placed(position=7), replace(TOPICS, replaced=frozenset({0})), "the topic holds another record at 6 than"),
        (placed(beat=NOW - timedelta(minutes=2)), TOPICS, "has written nothing since 2026-11-25T11:58:00Z"),
        (placed(beat=None), TOPICS, "has written nothing yet"),
    ],
)
def test_positions_that_do_not_fit_the_topic_are_faults_with_place_and_remedy(
    store: Soundness, topics: Condition, what: str
) -> None:
    [found] = bad(running_examination.positions(store, topics))
    assert found.level is Level.FAULT and what in found.what and found.where and found.remedy


def test_how_little_is_left_to_read_is_said() -> None:
    few = replace(TOPICS, extents={0: Extent(0, 1_010), 1: Extent(0, 0)})
    assert [one.what for one in running_examination.positions(WELL, few)] == ["1000 events are still to be applied"]
    many = replace(TOPICS, extents={0: Extent(0, 1_011)})
    assert list(running_examination.positions(WELL, many)) == [], "that takes a second look"


@pytest.mark.parametrize(
    ("reasons", "said"), [({"not json": 20}, ""), ({"not json": 8, "bad time": 13}, "13 of them: bad time")]
)
def test_dead_letters_that_come_in_numbers_are_said(reasons: dict[str, int], said: str) -> None:
    found = list(running_examination.refused(replace(WELL, refused=reasons)))
    assert [said in one.what and one.level is Level.WARNING for one in found] == ([True] if said else [])


def test_dead_letters_are_counted_and_the_last_reason_is_said() -> None:
    [found] = bad(running_examination.put_aside(replace(TOPICS, dead_letters=3, last=PutAside("not json", NOW, 41))))
    assert found.what.startswith("rx.deadletter holds 3 records") and found.what.endswith(": not json")
    assert found.where == "rx.deadletter, offset 41"


WATCHED = Vigil({"open": 2, "acknowledged": 1, "exhausted": 0}, 0.0, {}, (), NOW, NOW)


def test_where_people_are_told_in_time_there_is_nothing_to_do() -> None:
    assert bad(telling(WATCHED)) == []
    assert bad(telling(replace(WATCHED, overdue_seconds=30.0, unheard_seconds=29.0))) == []


@pytest.mark.parametrize(
    ("watched", "level", "what"),
    [
        (replace(WATCHED, overdue_seconds=42.0), Level.FAULT, "told 42 s ago"),
        (replace(WATCHED, unheard_seconds=61.0, overdue_seconds=5.0), Level.FAULT, "told 61 s ago"),
        (replace(WATCHED, failed={"email": 3}), Level.WARNING, "3 messages by email were refused"),
        (replace(WATCHED, escalations={"exhausted": 2}), Level.WARNING, "2 escalations were told to everybody"),
    ],
)
def test_whom_nobody_tells_is_said_with_the_remedy(watched: Vigil, level: Level, what: str) -> None:
    [found] = bad(telling(watched))
    assert found.level is level and what in found.what and found.remedy


def test_ids_given_twice_and_records_in_the_wrong_place_are_said() -> None:
    found = bad(running_examination.records(placed(id_reused=2, rerouted=5)))
    assert [one.what.partition(" ")[0] for one in found] == ["2", "5"]


def test_new_events_of_cases_that_were_put_away_are_said_where_they_come_in_numbers() -> None:
    store = replace(WELL, after_close={"mercy": running_examination.MANY + 1, "elm": running_examination.MANY})
    [found] = bad(running_examination.after_close(store))
    assert found.what.startswith("21 events of the last seven days") and found.where == "site mercy"


def test_a_feed_that_said_nothing_for_a_day_is_said() -> None:
    store = replace(WELL, feeds=(Spoke("/a", "mercy", NOW - timedelta(hours=30)), Spoke("/b", "mercy", NOW)))
    [found] = bad(running_examination.feeds(store))
    assert (found.what, found.where) == ("nothing was recorded for 30 hours", "feed /a at mercy")


@pytest.mark.parametrize(
    ("user", "name", "role"),
    [
        ("rxpulse", "worker-w0-17", "worker"),
        ("rxpulse", "reads for worker-w0-17", "worker"),
        ("rxpulse", "judges for w0", "worker"),
        ("rxpulse", "rxpulse dispatcher hears", "dispatcher"),
        ("rxpulse", "rxpulse console", "console"),
        ("rxpulse", "rxpulse intake", "intake"),
        ("prefect", "", "prefect"),
        ("postgres", "psql", "admin"),
        ("rxpulse", "rxpulse status", "commands"),
    ],
)
def test_a_connection_belongs_to_the_role_that_made_it(user: str, name: str, role: str) -> None:
    assert postgres.role_of(user, name) == role


def test_a_role_above_its_budget_is_said() -> None:
    many = Connected("rxpulse", "rxpulse intake", postgres.CONNECTION_BUDGET["intake"] + 1)
    [found] = bad(connected(many))
    assert found.what == "intake holds 5 connections, and 4 are meant for it"


def connected(*who: Connected, workers: int = 1, refused: DatabaseAway | None = None) -> list[Finding]:
    door = Door(Settings(home=Path("/h"), cache=Path("/c")), Crowd(who, 64), refused)
    return list(connection_examination.connections(door, workers, "rxpulse up"))


@pytest.mark.parametrize(("workers", "warned"), [(1, True), (2, False)])
def test_each_worker_has_a_budget_of_its_own(workers: int, warned: bool) -> None:
    assert bool(bad(connected(Connected("rxpulse", "worker-w0-7", 8), workers=workers))) is warned


@pytest.mark.parametrize(("count", "level"), [(51, Level.GOOD), (52, Level.WARNING)])
def test_connections_are_counted_against_what_the_server_takes(count: int, level: Level) -> None:
    [found] = connected(Connected("postgres", "psql", count))
    assert (found.level, found.what.partition(" connections")[0]) == (level, f"{count} of 64")


def test_who_holds_all_connections_is_said_to_whom_they_are_refused() -> None:
    refused = DatabaseAway("the database does not answer: FATAL:  sorry, too many clients already")
    said, above = connected(Connected("rxpulse", "an export", 51), Connected("prefect", "", 10), refused=refused)
    assert said.level is Level.FAULT and said.what == (
        "the database lets in its administrator alone: sorry, too many clients already; 61 of 64 connections are in use:"
        " commands 51, prefect 10; 51 are of an export"
    )
    assert said.remedy.endswith("or all at once by `rxpulse down` and `rxpulse up`")
    assert above.what == "commands holds 51 connections, and 11 are meant for it"


@pytest.mark.parametrize(
    ("words", "full"),
    [
        ("sorry, too many clients already", True),
        ('too many connections for role "rxpulse"', True),
        ('too many connections for database "rxpulse"', True),
        ("remaining connection slots are reserved for roles with the SUPERUSER attribute", True),
        ('password authentication failed for user "rxpulse"', False),
        ("the database system is starting up", False),
    ],
)
def test_a_database_that_is_full_is_told_from_one_that_is_away(words: str, full: bool) -> None:
    away = DatabaseAway(f"the database does not answer: connection to server at 127.0.0.1 failed: FATAL:  {words}")
    assert away.reason == words and says_full(away.reason) is full
    assert ("pg_stat_activity" in connection_examination.shut(away).remedy) is full


def test_a_log_is_named_where_it_is_kept() -> None:
    found = Finding(Level.FAULT, "it stands", "see its last lines there", Log("worker"))
    assert located(found, Path("/h")).where == "logs/worker.log"
    assert located(found, None).where == "the log of worker"
    assert located(replace(found, where="site mercy"), None).where == "site mercy"


MERCY = '[site.mercy]\nsetting = "inpatient"\ntimezone = "UTC"\n'
ANA = (
    '[person.ana]\nname = "Ana"\n[ladder.some]\nfor = {{ {0} }}\n'
    'steps = [{{ after = "0s", to = ["person:ana"], by = ["inbox"] }}]\n'
)


def said(policy: Policy, store: Soundness) -> list[tuple[str, str]]:
    return list(unsuited(policy, store))


def test_a_rule_whose_deciding_type_a_site_never_sent_is_said() -> None:
    policy = parse('extends = "inpatient"\n' + MERCY, file="test")
    seen = {"mercy": frozenset({"rx.adc.wasted"}), "new": frozenset({"rx.adc.wasted"})}
    store = replace(WELL, seen=seen, spans={"mercy": timedelta(days=14), "new": timedelta(days=13)})
    [(_, line)] = [one for one in said(policy, store) if "never sent" in one[1]]
    assert line.startswith("4 rules cannot speak at mercy")
    assert "dispensed-before-final-check (rx.dose.delivered or 2 others)" in line
    assert "waste-witnessed-by-same-person" not in line and "sold-before-final-check" not in line
    assert "switch" not in line


def test_while_history_loads_no_feed_is_called_still() -> None:
    assert running_examination.behind(WELL, replace(TOPICS, extents={0: Extent(0, 1_011)})) == 1_001
    assert running_examination.behind(placed(cluster="theirs"), replace(TOPICS, extents={0: Extent(0, 1_011)})) == 0


def test_settings_that_cannot_start_are_faults_before_the_start(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text('[clock.stat-verified]\ntarget = "soon"\n', encoding="utf-8")
    settings = Settings(home=tmp_path / "home", cache=tmp_path, bind="0.0.0.0", policy=file)
    faults = [one for one in examine(settings, {}) if one.level is Level.FAULT]
    assert any("RXPULSE_BIND is 0.0.0.0" in one.what and "RXPULSE_TLS_CERT" in one.remedy for one in faults)
    assert any(one.what.startswith("RXPULSE_POLICY: 1 faults in") and "policy check" in one.remedy for one in faults)


def test_a_home_that_is_a_file_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file", encoding="utf-8")
    found = [one for one in examine(Settings(home=tmp_path / "home", cache=tmp_path), {}) if one.level is Level.FAULT]
    assert any("is a file, no folder" in one.what for one in found)


def test_a_killed_supervisor_is_told_with_its_last_sign_of_life(tmp_path: Path) -> None:
    homes.open_home(tmp_path / "home")
    part = homes.PartState(name="worker", phase="healthy", healthy=True, pid=2**22 + 2, born="a while ago")
    homes.write_state(tmp_path / "home", homes.StackState(pid=2**22 + 1, born="a while ago", base=7400, parts=(part,)))
    os.utime(tmp_path / "home" / "stack.json", (1_700_000_000, 1_700_000_000))
    said = absence(tmp_path / "home") or ""
    assert "was killed" in said and "2023-11-14 22:13:20Z" in said and "`rxpulse up`" in said
    found = examine(Settings(home=tmp_path / "home", cache=tmp_path), {})
    assert any(one.level is Level.FAULT and "was killed" in one.what for one in found)


@pytest.mark.parametrize(
    ("purpose", "start"), [(homes.Purpose.DEMO, "rxpulse demo"), (homes.Purpose.WORK, "rxpulse up")]
)
@pytest.mark.parametrize(("phase", "first"), [("stays-down", "mend that first"), ("waiting", "see ")])
def test_a_part_that_is_down_is_started_again_by_the_command_that_the_home_takes(
    tmp_path: Path, purpose: homes.Purpose, start: str, phase: str, first: str
) -> None:
    home = tmp_path / "home"
    homes.open_home(home, purpose)
    part = homes.PartState(name="worker", phase=phase, healthy=False, detail="stopped on purpose")
    pid = os.getpid()
    homes.write_state(home, homes.StackState(pid=pid, born=homes.born(pid) or "", base=7400, parts=(part,)))
    found = examination._stack(Settings(home=home, cache=tmp_path), {})
    [remedy] = [one.remedy for one in found if one.what == "worker is not healthy: stopped on purpose"]
    assert remedy.startswith(first) and f"`rxpulse down` and `{start}` start it" in remedy


def test_a_site_of_whose_urgent_signals_nobody_would_be_told_is_named() -> None:
    text = 'extends = "none"\n' + MERCY + '[rule.expired-lot]\nseverity = "S1"\n'
    store = replace(WELL, seen={"mercy": frozenset({"rx.adc.vend"}), "elm": frozenset({"rx.adc.vend"})})
    narrow = parse(text + ANA.format('site = ["mercy"]'), file="test")
    assert [sentence.partition("; ")[0] for _, sentence in said(narrow, store)] == [
        "nobody would be told at elm of expired-lot (S1)"
    ]
    assert said(parse(text + ANA.format('severity = ["S1"]'), file="test"), store) == []


@pytest.mark.parametrize(("late", "warned"), [(20, False), (30, True)])
def test_outcomes_that_become_known_too_late_are_said_with_both_shares(late: int, warned: bool) -> None:
    policy = parse('extends = "retail"\n', file="test")
    trials = Trials("elm", "claim-rejects", 72 + 20 - late, 8, late - 4, 4)
    found = said(policy, replace(WELL, trials=(trials,)))
    assert bool(found) is warned
    if warned:
        assert "30% of the outcomes of elm" in found[0][1]
        assert "12.9% of those in time went wrong, 13.6% of all" in found[0][1]


MONTHS = tuple(Drawer(Month.of(NOW).after(away), 1000) for away in range(-30, 4))
TWO_YEARS = timedelta(days=731)
HOUSE = Kept(NOW, None, NOW - timedelta(hours=3), MONTHS, {})


def test_a_house_that_is_kept_gives_nothing_to_do_and_says_what_would_leave() -> None:
    assert bad(kept(HOUSE, None)) == bad(kept(HOUSE, TWO_YEARS)) == []
    assert [one.what for one in kept(HOUSE, None)] == [
        "turnaround times are there from the beginning on, in 34 months; kept for ever"
    ]
    leaving = [one.what for one in kept(HOUSE, TWO_YEARS)][1]
    assert leaving.startswith("the turnaround times of 2024-05, 2024-06, 2024-07,")
    assert leaving.endswith("2024-09, 2024-10 (about 6000) leave at the next housekeeping")
    left = replace(HOUSE, since=Month.of(NOW).after(-24).begins, months=MONTHS[6:])
    assert [one.what for one in kept(left, TWO_YEARS)] == [
        "turnaround times are there from 2024-11-01 on, in 28 months; kept 731 days"
    ]


@pytest.mark.parametrize(
    ("house", "what"),
    [
        (replace(HOUSE, rest={Month.of(NOW).after(-40): 7}), "7 turnaround times lie in no month of their own yet"),
        (replace(HOUSE, months=MONTHS[:-1]), "the month 2027-02 has no place yet"),
        (replace(HOUSE, done=NOW - timedelta(days=3)), "housekeeping was done last at 2026-11-22T12:00Z"),
    ],
)
def test_a_house_that_is_not_kept_is_a_warning_with_the_remedy(house: Kept, what: str) -> None:
    [found] = bad(kept(house, TWO_YEARS))
    assert found.level is Level.WARNING and what in found.what and "its log says why" in found.remedy


def test_dates_of_another_century_are_no_warning() -> None:
    house = replace(HOUSE, rest={Month.of(NOW).after(1500): 6498})
    assert bad(kept(house, None)) == []
    assert "6498 turnaround times of far-off dates" in [one.what for one in kept(house, None)][1]
