"""When nobody would be told though a ladder says who: all its steps go to rosters, and none of them has anybody on duty.

A roster that begins next Monday leaves the nights until then to the board. That has to be said by day.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from models.hours import Span, merge, subtract
from models.policy import Ladder, Policy
from models.policy_text.cautions import Caution
from models.roster import spans

AHEAD = timedelta(days=7)
"""So far ahead it is looked."""


def uncovered(policy: Policy, now: datetime) -> Iterator[Caution]:
    """Each ladder that reaches nobody at some time from `now` (aware) to AHEAD later, with the remedy."""
    for ladder in policy.ladders:
        empty = _empty(ladder, policy, now)
        if empty:
            rosters = sorted({target.who for step in ladder.steps for target in step.to})
            zone = policy.rosters[rosters[0]].timezone
            more = f", and at {len(empty) - 1} more times within 7 days" if len(empty) > 1 else ""
            yield (
                ("ladder", ladder.key),
                f"nobody is on duty for ladder {ladder.key} from {_wall(empty[0][0], zone)} to {_wall(empty[0][1], zone)}{more},"
                f" so nobody would be told; begin roster {' or '.join(rosters)} earlier, fill the gap by an override, or"
                " name a person in a step",
            )


def _empty(ladder: Ladder, policy: Policy, now: datetime) -> list[Span]:
    """When none of a ladder's steps reaches anybody. A person named in a step is always there."""
    targets = [target for step in ladder.steps for target in step.to]
    if not all(target.roster and target.who in policy.rosters for target in targets):
        return []
    turns = [turn for target in targets for turn in spans(policy.rosters[target.who], now, now + AHEAD)]
    return list(subtract(merge([(now, now + AHEAD)]), merge([(turn.begins, turn.finishes) for turn in turns])))


def _wall(instant: datetime, zone: str) -> str:
    return f"{instant.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M %Z}"
