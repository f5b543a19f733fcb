"""The real Kafka and PostgreSQL of the integration tests, started once per session."""

from collections.abc import Iterator

import pytest

from tests.integration.stack import Stack, running_stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Yield a running broker and database; a part that cannot start fails the test."""
    with running_stack() as running:
        yield running
