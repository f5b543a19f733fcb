"""What makes one stage, for the shell that runs it: its rule, its store, its limits."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import structlog
from pydantic import BaseModel

from shared.platform.clock import Clock
from shared.platform.postgres import Connection, Pool
from shared.rules.decision import Cause, Decide
from shared.runtime.case_store import CaseStore
from shared.runtime.metrics import Meters
from shared.runtime.ports import Log
from shared.runtime.reader import Inbound

C = TypeVar("C", bound=BaseModel)
P = TypeVar("P")
LoadLookups = Callable[[Connection, Sequence[Inbound]], Awaitable[object]]
MakeContext = Callable[[Cause, Any, C | None], P]
"""Makes a rule's context of the record's cause, the batch's lookups (None without `load_lookups`),
and the lane's own case, which every change of the registry goes to (None if there was none)."""


def lookups_alone(_cause: Cause, lookups: Any, _lane: object) -> Any:
    """Return the lookups as the context: what most gateways need."""
    return lookups


@dataclass(frozen=True, slots=True)
class Stage(Generic[C, P]):
    """What makes one stage: its name in `shared/contract/topics.py`, its rule, its store.

    Whatever the rule may know beside its case and the record is its context: `load_lookups` loads
    the part that lies in the database, once for a batch, and `context` makes the context of each
    record. A gateway gives `identify` (the report of a record, elsewhere the key) and decides
    unreadable records too. `background` runs beside the consumer. `is_latency_tolerant`: no report
    waits for what this stage publishes, so that its batches may be fewer and larger.
    """

    name: str
    store: CaseStore[C]
    migrations: Path
    decide: Decide[C, P]
    context: MakeContext[C, P] = lookups_alone
    identify: Callable[[BaseModel, Cause], str] | None = None
    load_lookups: LoadLookups | None = None
    more_schemas: Mapping[str, Path] = field(default_factory=dict)
    background: tuple[Callable[["Resources"], Awaitable[None]], ...] = ()
    is_latency_tolerant: bool = False

    @property
    def is_gateway(self) -> bool:
        """Return whether channels or institutions write to this stage's topics themselves."""
        return self.identify is not None


@dataclass(frozen=True, slots=True)
class ShellLimits:
    """Limits of the shell; counts, shares, bytes, and seconds.

    A case remembers every id that it decided, 8 bytes each: 16,384 of them, where a report has
    about thirty events (a guess far above). At a gateway `refused_per_minute_max` messages of one
    lane are rejected one by one, then one answer stands for `refused_per_answer` (guesses far above
    what a producer that works has rejected).
    """

    backoff_seconds_max: float = 5.0
    dead_letter_count_max: int = 50
    dead_letter_share_max: float = 0.1
    dead_letter_window: int = 1_000
    parked_bytes_max: int = 4_194_304
    decided_bytes_max: int = 131_072
    refused_per_minute_max: int = 600
    refused_per_answer: int = 1_000

    @property
    def dead_letter_own_max(self) -> int:
        """Return how many dead letters of one sender or report count: a tenth of the limit."""
        return max(1, self.dead_letter_count_max // 10)


@dataclass(frozen=True, slots=True)
class Resources:
    """What a stage's background work may use."""

    pool: Pool
    log: Log
    clock: Clock
    stopping: asyncio.Event
    logger: structlog.stdlib.BoundLogger
    meters: Meters
