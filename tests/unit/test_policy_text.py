"""The policy file: what ships is whole, and a fault is named with file, line and remedy."""

from datetime import timedelta

import pytest

from models.policy import RuleName, Severity, Within
from models.policy_text import PolicyFault, explain, load, parse, parse_dump, read


def test_the_shipped_default_holds_all_rules_and_every_entry_names_its_source() -> None:
    policy = load(None)
    assert set(policy.rules) == set(RuleName)
    assert all(entry.source for entry in (*policy.clocks.values(), *policy.rates.values()))


def test_a_shipped_entry_judges_sites_of_its_own_setting_only() -> None:
    stat = load(None).clocks["stat-verified"]
    assert stat.applies.settings == {"inpatient"}


def test_a_file_changes_what_it_names_and_nothing_else() -> None:
    policy = parse('extends = "inpatient"\n[clock.stat-verified]\ntarget = "12m"\n', file="site.toml")
    assert policy.clocks["stat-verified"].target == Within(timedelta(minutes=12))
    assert policy.clocks["stat-verified"].severity is Severity.S2


def test_an_entry_can_be_switched_off() -> None:
    policy = parse('extends = "inpatient"\n[clock.stat-verified]\nenabled = false\n', file="site.toml")
    assert "stat-verified" not in policy.clocks


def test_the_stored_form_has_the_same_version() -> None:
    parsed = read("", file="x")
    assert parse_dump(parsed.dump).version == parsed.policy.version


@pytest.mark.parametrize(
    "text",
    [
        "[clock.x]\ntitle = 1\n",
        'nonsense = "x"\n',
        '[clock.stat-verified]\ntarget = "soon"\n',
        "[clock.stat-verified]\nwarn_at = 2.0\n",
        '[rule.sold-before-final-chek]\nseverity = "S1"\n',
        'extends = "hospital"\n',
        "[clock\n",
    ],
)
def test_a_mistake_is_refused_with_the_file_named(text: str) -> None:
    with pytest.raises(PolicyFault, match=r"site\.toml"):
        parse(text, file="site.toml")


def test_an_entry_is_explained_in_words() -> None:
    policy = load(None)
    assert "within 10 min" in explain(policy, "stat-verified")
    assert "errors in a row" in explain(policy, "claim-rejects")


def test_a_changed_figure_is_no_longer_told_with_the_source_of_the_old_one() -> None:
    policy = parse('[clock.stat-verified]\ntarget = "12m"\n[clock.now-verified]\nseverity = "S2"\n', file="site.toml")
    assert policy.clocks["stat-verified"].source.startswith("set by this site, in place of: Naylor")
    assert policy.clocks["now-verified"].source.startswith("Editable default")


def test_a_changed_figure_with_a_source_of_its_own_keeps_it() -> None:
    text = '[rate.claim-rejects]\nbaseline = 0.1\nsource = "our own last year"\n'
    assert parse(text, file="site.toml").rates["claim-rejects"].source == "our own last year"


def test_a_clock_is_explained_with_all_that_decides_its_reading() -> None:
    text = explain(load(None), "stat-verified")
    for part in (
        "from rx.order.entered to rx.order.verified, within 10 minutes; late is S2",
        "a warning (S3) at 50% of it, S1 at 2 times the target",
        "Only where priority is stat.",
        "The time from rx.order.intervention.opened to rx.order.intervention.resolved does not count.",
        "no longer matters after rx.order.discontinued",
        "Judges inpatient sites.",
    ):
        assert part in text


def test_targets_in_business_days_and_in_a_field_are_explained() -> None:
    policy = load(None)
    assert "by the end of business day 1 after it" in explain(policy, "cs-loss-notified")
    assert "by the time in `promised` plus 2 hours" in explain(policy, "dose-within-window")
    assert "measured only, never late" in explain(policy, "verification-wait")


def test_an_entry_for_some_sites_and_open_hours_is_explained() -> None:
    text = parse(
        '[clock.will-call]\ncounts = "open-hours"\nsites = ["elm", "oak"]\nwhen = { channel = ["", "erx"] }\n', file="x"
    )
    told = explain(text, "will-call")
    assert "Judges retail sites, of these elm or oak." in told
    assert "Only the site's opening hours count." in told
    assert "Only where channel is erx or not said." in told
