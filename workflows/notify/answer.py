"""What becomes of a message: it was taken, its receiver asks for patience, or it never will be taken."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from models.policy import Person


@dataclass(frozen=True, slots=True)
class Delivered:
    answer: str


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """Try again after `wait`; None: when it is usual."""

    answer: str
    wait: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    answer: str


Answer = Delivered | RetryAfter | Refused


class Notifier(Protocol):
    """One way to reach people. Never raises for what the other side does."""

    async def send(self, person: Person, key: str, message: dict[str, Any]) -> Answer:
        """Sends `message` to `person` under `key`, which is the same on every attempt."""
        ...
