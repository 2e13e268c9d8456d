"""What the tests of the console share: a store with work in it, and the console served over it. A test that wants another
store or console has a fixture of its own by that name."""

from collections.abc import Iterator

import pytest

from tests.console import Served, Story, serving


@pytest.fixture
def story(database_url: str) -> Iterator[Story]:
    one = Story(database_url)
    yield one
    one.connection.close()


@pytest.fixture
def console(story: Story, database_url: str) -> Iterator[Served]:
    with serving(database_url) as served:
        yield served
