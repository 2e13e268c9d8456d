"""What every scenario starts with: a trial over the session's Kafka and PostgreSQL, with the seed and size asked for."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import RunningStack
from tests.faults.servers import Servers
from tests.faults.trial import Trial, trying

SEED = int(os.environ.get("RXPULSE_FAULTS_SEED", "1"))
EVENTS = int(os.environ.get("RXPULSE_FAULTS_EVENTS", "1500"))


@pytest.fixture
def trial(stack: RunningStack, database_url: str, tmp_path: Path) -> Iterator[Trial]:
    with trying(stack.kafka, database_url, tmp_path, SEED, EVENTS) as one:
        yield one


@pytest.fixture
def servers(stack: RunningStack) -> Servers:
    """The processes behind the session's Kafka and PostgreSQL."""
    return Servers(stack.home)
