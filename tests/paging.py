"""Words for tests of the console about escalations: one that is open and was told to people, and how the lists say they stand."""

from tests.console import Served, Story


def paged(story: Story) -> str:
    """An escalation that is open and was told; its id."""
    story.read(0, story.now)
    signal = story.signal("stat-verified", 1)
    story.told()
    return story.escalation(signal)


def states(console: Served, **asked: str) -> list[str]:
    api = console.api()
    return [one["state"] for one in api.get("/api/v1/escalations", params=asked).json()["items"]]
