"""Some of the feed is applied and the rest of what was sent is on its way: the moment for a fault."""

from tests.faults.trial import Trial


def feed_and_read(trial: Trial, parts: int) -> None:
    """Sends a portion of the feed, and waits until some of it is applied: half of it at most, as the seed has it."""
    records = trial.portion(parts)
    trial.feed(records)
    trial.progress(trial.chance.randint(1, records // 2))
