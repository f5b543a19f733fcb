"""The registry as it is shipped, read once for all tests that only ask it."""

from typing import Final

from shared.registry import load

REGISTRY: Final = load()
