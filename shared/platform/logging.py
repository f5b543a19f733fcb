"""JSON log lines with the name of the stage; bodies and personal data never enter them."""

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
        without_messages,
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


def without_messages(_logger: Any, _method: str, line: EventDict) -> EventDict:
    """Replace an exception by its type and its place in the code, without its message.

    A message may hold what a citizen wrote: pydantic's has the input, asyncpg's the row's values,
    a bug's anything. So may asyncio's line about a task that failed.
    """
    raised = line.pop("exc_info", None)
    if raised is True:
        raised = sys.exc_info()
    if isinstance(raised, tuple):
        raised = raised[1]
    if isinstance(raised, BaseException):
        line["raised"] = [_described(each) for each in _chain(raised)]
    record = line.get("_record")
    if isinstance(record, logging.LogRecord) and record.name == "asyncio":
        line["event"] = str(line.get("event", "")).partition("\n")[0]
    return line


def _chain(raised: BaseException) -> Iterator[BaseException]:
    """List an exception and those behind it, the last raised first."""
    error: BaseException | None = raised
    for _ in range(CHAIN_MAX):
        if error is None:
            return
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _described(raised: BaseException) -> dict[str, object]:
    frames = traceback.extract_tb(raised.__traceback__)[-FRAMES_MAX:]
    described: dict[str, object] = {
        "type": type(raised).__name__,
        "at": [f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames],
    }
    sqlstate = getattr(raised, "sqlstate", None)
    if isinstance(sqlstate, str):
        described["sqlstate"] = sqlstate
    return described


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
        """Return whether this line is the first of its place in the code within a second."""
        place = (record.pathname, record.lineno)
        if record.created - self._last.get(place, 0.0) < 1.0:
            return False
        self._last[place] = record.created
        return True
