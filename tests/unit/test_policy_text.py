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
