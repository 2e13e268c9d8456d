"""What ships: the three default policies and the demo's own, complete, with sources, and true to the simulated sites."""

import tomllib
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from models.event import Site
from models.hours import WorkingTime, parse_opening
from models.policy import Channel, RuleName, Severity, SiteProfile, Within, Worsens
from models.policy_text import Parsed, expected_false_alarms, load, parse, read
from streams.simulate import demo_sites
from streams.simulation.retail import OPENING

DEFAULTS = Path(str(files("models.defaults")))
SHIPPED = ("everywhere", "inpatient", "retail", "specialty")


def entries() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(file, table.name, entry) of everything that judges work."""
    for file in SHIPPED:
        tables = tomllib.loads((DEFAULTS / f"{file}.toml").read_text("utf-8"))
        for table in ("clock", "rule", "rate"):
            for name, entry in tables.get(table, {}).items():
                yield file, f"{table}.{name}", entry


def test_every_shipped_entry_has_a_title_and_names_its_source() -> None:
    assert [name for _, name, entry in entries() if not (entry.get("title") and entry.get("source"))] == []


def test_no_shipped_entry_stands_in_two_files() -> None:
    assert [name for name, times in Counter(name for _, name, _ in entries()).items() if times > 1] == []


def test_a_clock_without_a_figure_says_that_it_only_measures() -> None:
    clocks = load(None).clocks.values()
    assert {clock.name for clock in clocks if clock.target is None} == {
        clock.name for clock in clocks if clock.source.startswith("Measured, not judged")
    }


def test_all_six_rules_ship_with_the_severity_of_the_harm_they_prevent() -> None:
    assert {name: rule.severity for name, rule in load(None).rules.items()} == {
        RuleName.SOLD_BEFORE_FINAL_CHECK: Severity.S1,
        RuleName.DISPENSED_BEFORE_FINAL_CHECK: Severity.S1,
        RuleName.HIGH_ALERT_WITHOUT_SECOND_ACTOR: Severity.S1,
        RuleName.EXPIRED_LOT: Severity.S1,
        RuleName.SCAN_MISMATCH_BYPASSED: Severity.S2,
        RuleName.WASTE_WITNESSED_BY_SAME_PERSON: Severity.S2,
    }


def test_the_figures_for_stat_orders_are_the_published_ones() -> None:
    clocks = load(None).clocks
    wanted = {"stat-verified": 10, "stat-dispensed": 15, "stat-administered": 30}
    assert {name: clocks[name].target for name in wanted} == {
        name: Within(timedelta(minutes=minutes)) for name, minutes in wanted.items()
    }
    assert clocks["stat-verified"].worsens == (Worsens(2.0, Severity.S1),)


def test_what_holds_everywhere_judges_the_settings_that_are_extended_and_no_other() -> None:
    assert load(None).rules[RuleName.EXPIRED_LOT].applies.settings == {"inpatient", "retail", "specialty"}
    hospital = parse('extends = "inpatient"\n', file="site.toml")
    assert hospital.rules[RuleName.EXPIRED_LOT].applies.settings == {"inpatient"}
    assert hospital.clocks["cs-loss-notified"].applies.settings == {"inpatient"}
    assert not parse('extends = "none"\n', file="site.toml").clocks


def test_what_ships_switched_off_can_be_switched_on() -> None:
    off = [name for _, name, entry in entries() if entry.get("enabled") is False]
    assert off
    clocks = parse("".join(f"[{name}]\nenabled = true\n" for name in off), file="site.toml").clocks
    assert {name.partition(".")[2] for name in off} <= set(clocks)
    assert not {name.partition(".")[2] for name in off} & set(load(None).clocks)


@pytest.mark.parametrize(("setting", "rates"), [("inpatient", 6), ("retail", 4), ("specialty", 0)])
def test_a_site_has_to_expect_at_most_two_false_alarms_a_month(setting: str, rates: int) -> None:
    policy = load(None)
    always = WorkingTime(timezone="UTC", weekly=None, holidays=frozenset(), us_federal=False)
    site = SiteProfile(site=Site("here"), name="here", setting=setting, working=always)
    assert sum(rate.applies.to(site.site, setting) for rate in policy.rates.values()) == rates
    assert 0.25 * rates <= expected_false_alarms(policy, site) <= 2.0


def test_each_duty_with_a_legal_term_goes_by_a_reason_of_its_own() -> None:
    duties = [clock for clock in load(None).clocks.values() if clock.case == "duty" and clock.name != "duty-done"]
    reasons = [value for clock in duties for name, values in clock.when if name == "reason" for value in values]
    assert len(reasons) == len(set(reasons)) == len(duties) >= 10


def demo() -> Parsed:
    return read(DEFAULTS / "demo.toml")


def test_the_demo_policy_has_nothing_worth_a_second_look() -> None:
    assert demo().warnings == ()


def test_the_demo_declares_each_simulated_site_with_its_setting_and_time_zone() -> None:
    declared = {site.site: (site.setting, site.working.timezone) for site in demo().policy.sites.values()}
    assert declared == {Site(spec.site): (spec.profile, spec.timezone) for spec in demo_sites()}


def test_the_demo_stores_open_when_the_simulated_stores_do() -> None:
    simulated = tuple((OPENING[day],) for day in range(7))
    sites = demo().policy.sites.values()
    assert {site.working.weekly for site in sites if site.setting == "retail"} == {simulated}
    assert {site.working.weekly for site in sites if site.setting == "inpatient"} == {parse_opening("always")}


def test_the_demo_tells_its_one_person_twice_and_again() -> None:
    policy = demo().policy
    [ladder] = policy.ladders
    assert ladder.severities == {Severity.S1, Severity.S2}
    assert [(step.after.total_seconds(), step.by) for step in ladder.steps] == [
        (0, (Channel.INBOX,)),
        (300, (Channel.INBOX,)),
    ]
    assert {target.who for step in ladder.steps for target in step.to} == set(policy.people) == {"manager"}
