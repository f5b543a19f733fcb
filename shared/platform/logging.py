"""JSON log lines, bound with who speaks; bodies and personal data never enter them."""

import logging
import sys
import traceback
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, Final

import structlog
from structlog.typing import EventDict

FRAMES_MAX: Final = 12  # of each exception, the innermost: enough to find the place
CHAIN_MAX: Final = 5


def setup(stage: str) -> structlog.stdlib.BoundLogger:
    """Send every line, ours and the libraries', to standard error as JSON; return our logger."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        told_by_place,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    handler.addFilter(OncePerSecond())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logger: structlog.stdlib.BoundLogger = structlog.get_logger().bind(stage=stage)
    return logger


def told_by_place(_logger: Any, _method: str, line: EventDict) -> EventDict:
    """Say of an exception what it is and where it was raised, and nothing that it says.

    A message may hold what a citizen wrote: pydantic's their input, asyncpg's the values of a row,
    a bug's whatever it stumbled over. So may what asyncio tells of a task that failed.
    """
    raised = line.pop("exc_info", None)
    if raised is True:
        raised = sys.exc_info()
    if isinstance(raised, tuple):
        raised = raised[1]
    if isinstance(raised, BaseException):
        line["raised"] = [_told(each) for each in _chain(raised)]
    record = line.get("_record")
    if isinstance(record, logging.LogRecord) and record.name == "asyncio":
        line["event"] = str(line.get("event", "")).partition("\n")[0]
    return line


def _chain(raised: BaseException) -> Iterator[BaseException]:
    """List an exception and those behind it, the last raised first."""
    seen: BaseException | None = raised
    for _ in range(CHAIN_MAX):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)


def _told(raised: BaseException) -> dict[str, object]:
    frames = traceback.extract_tb(raised.__traceback__)[-FRAMES_MAX:]
    told: dict[str, object] = {
        "type": type(raised).__name__,
        "at": [f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames],
    }
    sqlstate = getattr(raised, "sqlstate", None)
    if isinstance(sqlstate, str):
        told["sqlstate"] = sqlstate
    return told


def _short(filename: str) -> str:
    return "/".join(PurePath(filename).parts[-4:])


class OncePerSecond(logging.Filter):
    """Lets one line a second through per place in the code.

    aiokafka writes about 20 lines a second while its broker is away (measured).
    """

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[tuple[str, int], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether this line is the first of its place within a second."""
        place = (record.pathname, record.lineno)
        if record.created - self._last.get(place, 0.0) < 1.0:
            return False
        self._last[place] = record.created
        return True
