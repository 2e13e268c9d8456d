"""The history of an escalation in sentences: who was told what and when, who answered, what became of it."""

from dataclasses import dataclass
from datetime import datetime

from console.showing import CHANNELS, DELIVERED, REASONS, SEVERITIES, STATES, Words
from models.escalation import (
    Acknowledged,
    Entry,
    Exhausted,
    Expired,
    PassedOn,
    Released,
    Resolved,
    Rose,
    Settled,
    Told,
)
from models.store.stories import Message, Story

_WHY = {
    "opened": "opened",
    "step": "the step before was not answered in time",
    "repeat": "nobody answered, so it begins again",
    "expired": "the acknowledgement ran out",
    "released": "it was given back",
    "worse": "it got worse",
    "nobody": "nobody could be reached before",
    "passed_on": "it was passed on",
}
_TOLD = {"page": "Told", "remind": "Reminded", "acknowledged": "Told who has it", "resolved": "Told that it is over"}


@dataclass(frozen=True, slots=True)
class Sentence:
    """One line of the history. `details` are the messages that went out with it, and how each ended."""

    at: datetime
    text: str
    details: tuple[str, ...]


def sentences(story: Story, words: Words) -> tuple[Sentence, ...]:
    """The whole history, oldest first. How a message ended stands with the line that sent it."""
    by_key = {one.key: one for one in story.messages}
    told: list[Sentence] = []
    for one in story.history:
        text = _text(one.entry, words)
        if text is not None:
            why = f": {REASONS.get(one.code, one.code)}" if one.code else ""
            note = f" “{one.note}”" if one.note else ""
            told.append(Sentence(one.at, text + why + note, _details(one.entry, by_key, words)))
    return tuple(told)


def _text(entry: Entry, words: Words) -> str | None:
    match entry:
        case Told() if not entry.deliveries:
            return f"Step {entry.step}: nobody there to be told"
        case Told(message=message) if message.value != "page":
            return _TOLD[message.value]
        case Told(message=message, step=step, loop=loop, why=why):
            because = f" ({_WHY.get(why.value, why.value)})" if why is not None else ""
            times = f", round {loop}" if loop > 1 else ""
            return f"{_TOLD[message.value]}, step {step}{times}{because}"
        case Settled():
            return None
        case Acknowledged(person=person):
            return f"{words.person(person)} acknowledged"
        case Expired():
            return "The acknowledgement ran out"
        case Released(person=person):
            return f"{words.person(person)} gave it back"
        case PassedOn(person=person, to=to):
            return f"{words.person(person)} passed it on" + (f" to {words.person(to)}" if to else "")
        case Rose(severity=severity):
            return f"It got worse: {severity.name}, {SEVERITIES[severity.name]}"
        case Exhausted():
            return f"{STATES['exhausted'].capitalize()}: nothing is left to tell"
        case Resolved(person=person):
            return f"Ended by {words.person(person)}" if person else "Over: what it was about has cleared"


def _details(entry: Entry, by_key: dict[str, Message], words: Words) -> tuple[str, ...]:
    if not isinstance(entry, Told):
        return ()
    return tuple(
        detail(by_key[one.key], words) if one.key in by_key else f"{words.person(one.person)} by {one.channel.value}"
        for one in entry.deliveries
    )


def detail(one: Message, words: Words) -> str:
    """Who, by what, and how it ended."""
    text = (
        f"{words.person(one.person)} by {CHANNELS.get(one.channel, one.channel)}: {DELIVERED.get(one.state, one.state)}"
    )
    text += f" after {one.attempts} attempts" if one.attempts > 1 else ""
    return text + (f" ({one.answer})" if one.answer else "")
