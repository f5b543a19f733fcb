"""The real Kafka and PostgreSQL of the integration tests, started once per session."""

import signal
from collections.abc import Iterator

import pytest

from tests.integration.stack import Stack, running_stack

# A run in the background has SIGINT ignored, and every process it starts would ignore it too.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Yield a running broker and database; a part that cannot start fails the test."""
    with running_stack() as running:
        yield running
