"""Dead letters that are in order by now go to the topic of events again.

First all of them are looked at: which are in order today, which were sent before, which stay refused. Then those in order
are sent in the order in which they were put aside, unchanged, each under the key of its case.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from models.settings import Settings
from models.wire import Decoded, Rejected
from streams.letters import Letter, Place
from streams.producing import Feeding

REPLAYED_FROM = "replayed-from"
"""The header of a record that was a dead letter: that one's id."""


@dataclass(slots=True)
class Review:
    """What was found of the dead letters asked for: those in order with the subject of their case, those sent before,
    and those that stay refused, with what is said of them today."""

    ready: dict[Place, str] = field(default_factory=dict[Place, str])
    before: list[Place] = field(default_factory=list[Place])
    refused: dict[Place, Rejected] = field(default_factory=dict[Place, Rejected])

    @property
    def total(self) -> int:
        return len(self.ready) + len(self.before) + len(self.refused)


def review(
    letters: Iterable[Letter], judge: Callable[[Letter], Decoded | Rejected], sent: Callable[[Letter], bool]
) -> Review:
    """Looks at each. `judge` says what holds today, `sent` whether it was sent before."""
    found = Review()
    for letter in letters:
        if sent(letter):
            found.before.append(letter.place)
            continue
        match judge(letter):
            case Decoded(event):
                found.ready[letter.place] = event.subject
            case refused:
                found.refused[letter.place] = refused
    return found


def resend(settings: Settings, letters: Iterable[Letter], ready: dict[Place, str]) -> list[str]:
    """Sends those that are ready and returns their marks, when the broker has confirmed every one. Raises CallerFault where
    Kafka does not answer, NotSent where it did not take them all: then all may be sent again."""
    feeding = Feeding(settings)
    marks: list[str] = []
    for letter in letters:
        subject = ready.get(letter.place)
        if subject is not None:
            feeding.send_record(subject, letter.value, {REPLAYED_FROM: str(letter.place).encode()})
            marks.append(letter.mark)
    feeding.finish()
    return marks
