"""Call what makes the topics: `python -m deploy.local.provision MODULE:NAME ADDRESS`."""

import asyncio
import importlib
import inspect
import sys


def provision(reference: str, kafka: str) -> None:
    """Call the function named, plain or coroutine, with the broker's address."""
    module, _, name = reference.partition(":")
    made = getattr(importlib.import_module(module), name)(kafka)
    if inspect.iscoroutine(made):
        asyncio.run(made)


if __name__ == "__main__":
    provision(sys.argv[1], sys.argv[2])
