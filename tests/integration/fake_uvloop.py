"""An event loop that says it is uvloop's, which the lock file keeps out."""

import asyncio


class Loop(asyncio.SelectorEventLoop):
    """Stock asyncio under another name."""


Loop.__module__ = "uvloop"


def make() -> asyncio.AbstractEventLoop:
    """Make one, as uvicorn asks for it."""
    return Loop()
