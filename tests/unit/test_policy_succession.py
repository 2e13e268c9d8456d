"""One version of the policy after another: what is said of the change, and what it ends."""

from datetime import UTC, datetime, timedelta

import pytest

from models.errors import UsageFault
from models.policy import Kind, Policies
from models.policy_text import read
from models.policy_text.differing import difference
from models.signals import Cleared
from models.store.policies import checked
from models.tracking import Watched, tick, track
from models.tracking.ending import changed_from, ended, narrowed, resettled
from rxpulse.commands.policy_versions import endings
from tests.heart import at, event, policy

BASE = 'extends = "inpatient"\n'
NOW = datetime(2026, 11, 25, 12, 0, 1, tzinfo=UTC)


def changes(before: str, after: str) -> list[str]:
    return [str(one) for one in difference(read(before).dump, read(after).dump)]


@pytest.mark.parametrize(
    ("after", "said"),
    [
        ("# only a remark\n", []),
        ('[clock.stat-verified]\ntarget = "12m"\nsource = "ours"\n', ['target "10m" -> "12m"']),
        ("[rule.expired-lot]\nenabled = false\n", ["removed rule expired-lot"]),
        ("strict_sites = true\n", ["changed setting: strict_sites true"]),
        ('[tell]\nwithin = "5m"\n', ['changed tell: within "5m"']),
        (
            '[person.ana]\nname = "Ana"\nwebhook = "https://hooks.example.org/ana"\n',
            ['added person ana: name "Ana"; webhook "https://hooks.example.org/ana"'],
        ),
        (
            '[site.mercy]\nsetting = "inpatient"\ntimezone = "UTC"\n',
            ['added site mercy: setting "inpatient"; timezone "UTC"'],
        ),
        (
            '[channel.email]\nsmtp = "smtp://mail:25"\n[channel.webhook]\nallow_private = true\n',
            ['added channel email: smtp "smtp://mail:25"', "added channel webhook: allow_private true"],
        ),
    ],
)
def test_a_change_is_said_with_its_figures(after: str, said: list[str]) -> None:
    found = changes(BASE, BASE + after)
    assert len(found) == len(said)
    assert all(words in one for words, one in zip(said, found, strict=True))


TOLD = """
[site.mercy]
setting = "inpatient"
timezone = "UTC"
[person.ana]
webhook = "https://hooks.example.org/ana"
[roster.lead]
rotation = ["ana"]
timezone = "UTC"
from = "2026-11-02"
overrides = [{ from = "2026-12-24T07:00", to = "2026-12-26T07:00", who = "ana" }]
[ladder.urgent]
for = { severity = ["S1", "S2"] }
steps = [
  { after = "0s", to = ["person:ana"], by = ["webhook"] },
  { after = "5m", to = ["roster:lead"], by = ["webhook"] },
]
repeat = { from_step = 1, times = 3, after = "5m" }
[channel.webhook]
secret_file = "webhook.secret"
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('["S1", "S2"] }', '["S1"] }', 'changed ladder urgent: for.severity ["S1", "S2"] -> ["S1"]'),
        ('["S1", "S2"] }', '["S1", "S2"], site = "mercy" }', 'changed ladder urgent: for.site "mercy"'),
        ("times = 3", "times = 5", "changed ladder urgent: repeat.times 3 -> 5"),
        ('after = "5m", to', 'after = "9m", to', 'changed ladder urgent: steps[2].after "5m" -> "9m"'),
        ("hooks.example.org", "other.example.org", "changed person ana: webhook "),
        (
            'secret_file = "webhook.secret"',
            "allow_private = true",
            "changed channel webhook: allow_private true; secret",
        ),
        ('"inpatient"\ntimezone = "UTC"', '"inpatient"\ntimezone = "America/New_York"', "changed site mercy: timezone"),
        ("12-26T07:00", "12-27T07:00", 'roster lead: overrides[1].to "2026-12-26T07:00" -> "2026-12-27T07:00"'),
        (
            'repeat = { from_step = 1, times = 3, after = "5m" }\n',
            "",
            'changed ladder urgent: repeat { after = "5m", from_step = 1, times = 3 } -> left out',
        ),
    ],
)
def test_what_people_are_told_by_is_said_key_by_key(old: str, new: str, said: str) -> None:
    [found] = changes(BASE + TOLD, BASE + TOLD.replace(old, new))
    assert said in found


def test_only_entries_that_judge_less_and_sites_that_are_judged_otherwise_are_told_to_end() -> None:
    plain = read(BASE).policy
    site = '[site.mercy]\nsetting = "inpatient"\ntimezone = "UTC"\n'
    declared = read(BASE + site).policy
    assert narrowed(plain, declared) == frozenset()
    assert resettled(plain, declared) == {"mercy": (None, "inpatient")}
    assert resettled(declared, read(BASE + site.replace("UTC", "Europe/Berlin")).policy) == {}
    narrow = read(BASE + site + '[clock.stat-verified]\nsites = ["mercy"]\n').policy
    assert narrowed(declared, narrow) == {(Kind.CLOCK, "stat-verified")}
    assert narrowed(narrow, declared) == frozenset()
    assert narrowed(plain, read('extends = ["inpatient", "retail"]\n').policy) == frozenset()


def test_what_ends_is_said_once_for_all_that_it_holds_of() -> None:
    before = read(BASE).policy
    off = "".join(
        f"[{entry}]\nenabled = false\n"
        for entry in ("clock.stat-verified", "clock.dose-within-window", "rule.expired-lot")
    )
    sites = "".join(f'[site.{name}]\nsetting = "inpatient"\ntimezone = "UTC"\n' for name in ("elm", "oak"))
    assert list(endings(before, read(BASE + off + sites).policy)) == [
        "clocks dose-within-window, stat-verified: where one no longer judges, what runs ends then and its signals are"
        " cleared",
        "rule expired-lot: where it no longer judges, what runs ends then and its signals are cleared",
        "sites elm, oak: judged as inpatient, until now as each case says",
        "  what runs there of clocks and rules that do not judge it any more ends then, and their signals are cleared",
    ]
    assert list(endings(before, before)) == []


def test_the_order_of_ladders_is_a_change() -> None:
    person = '[person.ana]\nname = "Ana"\n'
    one, two = (
        f'[ladder.{name}]\nsteps = [{{ after = "0s", to = ["person:ana"], by = ["inbox"] }}]\n' for name in ("a", "b")
    )
    assert changes(BASE + person + one + two, BASE + person + two + one) == [
        'changed setting: order ["a", "b"] -> ["b", "a"]'
    ]


def test_an_entry_that_judges_fewer_sites_ends_at_the_others() -> None:
    everywhere = read(BASE).policy
    narrow = read(
        BASE + '[site.a]\nsetting = "inpatient"\ntimezone = "UTC"\n[clock.stat-verified]\nsites = ["a"]\n'
    ).policy
    assert (Kind.CLOCK, "stat-verified") in ended(everywhere, narrow)
    assert ended(everywhere, everywhere) == frozenset()


def test_only_versions_from_the_one_asked_for_on_count() -> None:
    first, without = read(BASE).policy, read(BASE + "[rule.expired-lot]\nenabled = false\n").policy
    three = Policies((at(0), at(1), at(2)), (first, without, without))
    assert changed_from(three, 1) == changed_from(three, 0) == {(Kind.RULE, "expired-lot")}
    assert changed_from(three, 2) == changed_from(three, 3) == frozenset()
    assert changed_from(Policies((at(0), at(1)), (without, first)), 1) == {(Kind.RULE, "expired-lot")}


def test_a_version_that_another_replaces_at_its_own_instant_ends_nothing() -> None:
    whole = policy()
    without = read('extends = "none"\n').policy
    case = track(
        Watched(event("order.entered", 0).subject), event("order.entered", 0, priority="stat"), Policies.only(whole)
    )
    replaced = Policies((at(-9999), at(20), at(20)), (whole, without, policy(version="v3")))
    assert all(one.open for one in tick(case.case, replaced, at(30)).signals)
    taken_away = Policies((at(-9999), at(20)), (whole, without))
    assert {one.reason for one in tick(case.case, taken_away, at(30)).signals} == {Cleared.POLICY}


def test_a_version_holds_from_the_first_whole_minute_six_minutes_ahead() -> None:
    assert checked(None, NOW, None) == datetime(2026, 11, 25, 12, 7, tzinfo=UTC)
    later = datetime(2026, 11, 26, 0, 0, tzinfo=UTC)
    assert checked(later, NOW, None) == later == checked(None, NOW, later)


@pytest.mark.parametrize(
    ("wanted", "latest", "earliest"),
    [
        (NOW + timedelta(minutes=6), None, "12:07Z"),
        (datetime(2026, 11, 25, 13, 0, 30, tzinfo=UTC), None, "13:01Z"),
        (datetime(2026, 11, 25, 13, tzinfo=UTC), datetime(2026, 11, 25, 14, tzinfo=UTC), "14:00Z"),
    ],
)
def test_an_instant_that_cannot_be_is_refused_with_the_earliest(
    wanted: datetime, latest: datetime | None, earliest: str
) -> None:
    with pytest.raises(UsageFault, match=f"give 2026-11-25T{earliest} or"):
        checked(wanted, NOW, latest)
