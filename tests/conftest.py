"""What the tests share."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Asynchronous tests (marked `anyio`) run on asyncio."""
    return "asyncio"
