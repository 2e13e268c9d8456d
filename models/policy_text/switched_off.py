"""What a policy could judge and does not: entries that ship switched off, such as the duties of one state, and those that a
site has switched off itself. They can be read before anybody switches them on.
"""

from collections.abc import Iterator, Mapping

from models.policy import Clock, Policy, Rate, Rule
from models.policy_text.merging import EVERYWHERE, entries, shipped
from models.policy_text.schema import JUDGING, SHIPPED

Judging = Clock | Rule | Rate


def everything_on() -> str:
    """The TOML text that switches on whatever the shipped policies hold switched off."""
    off = [
        (table, name)
        for file in (EVERYWHERE, *SHIPPED)
        for table in JUDGING
        for name, entry in entries(shipped(file).tables, table).items()
        if entry.get("enabled") is False
    ]
    return "".join(f"[{table}.{name}]\nenabled = true\n" for table, name in off)


def switched_off(policy: Policy, whole: Policy) -> Mapping[str, Judging]:
    """The entries of `whole`, in which every shipped entry is on, that `policy` holds switched off, by name. What belongs
    to settings that it does not extend is none of them."""
    here = {str(entry.name) for entry in judging(policy)}
    settings = {setting for entry in judging(policy) for setting in entry.applies.settings or ()}
    return {
        str(entry.name): entry
        for entry in judging(whole)
        if str(entry.name) not in here and settings & (entry.applies.settings or frozenset())
    }


def judging(policy: Policy) -> Iterator[Judging]:
    """Its clocks, rules and rates, in the order of the file."""
    yield from policy.clocks.values()
    yield from policy.rules.values()
    yield from policy.rates.values()
