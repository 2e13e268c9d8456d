"""What ships: the three default policies and the demo's own, complete, with sources, and true to the simulated sites."""

from importlib.resources import files
from pathlib import Path

from models.event import Site
from models.hours import parse_opening
from models.policy import Channel, Severity
from models.policy_text import Parsed, read
from streams.simulate import demo_sites
from streams.simulation.retail import OPENING

DEFAULTS = Path(str(files("models.defaults")))


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
