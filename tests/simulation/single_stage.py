"""One stage's workers over one broker and one database in memory, and records to feed them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from pydantic import BaseModel

from shared.contract.envelope import Outbound, encode, event_headers
from shared.contract.events import Dispatch, ReportAccepted, ReportClass
from shared.contract.topics import AGENCIES, DEAD_LETTERS, INSTITUTION, ROUTING, Stream
from shared.platform.clock import Clock
from shared.runtime.case_store import CaseStore
from shared.runtime.lanes import Partition
from shared.runtime.metrics import Meters
from shared.runtime.parking import Action, replay_record
from shared.runtime.processor import Processor
from shared.runtime.reader import Reader
from shared.runtime.stage import ShellLimits, Stage
from shared.runtime.writer import Writer, partition_of
from tests.integration.echo import Echo, decide
from tests.simulation.memory import (
    CLEAR,
    Broker,
    Crash,
    MemoryLog,
    MemoryRecord,
    MemoryRecoveryStore,
    MemoryState,
)

REPORT = "0123456789AB"
LANE = partition_of(REPORT.encode())
A, B = Partition(INSTITUTION.name, LANE), Partition(AGENCIES.name, LANE)


@dataclass
class Worker:
    """A process of the stage: its shell, its consumer, where it shall crash, its metrics."""

    shell: Processor[Echo, None]
    log: MemoryLog
    crash_at: list[str]
    meters: Meters


@dataclass
class SingleStage:
    """The stage in routing's place; `A` and `B` are its two inputs in one lane."""

    broker: Broker = field(default_factory=Broker)
    state: MemoryState = field(default_factory=MemoryState)
    recovery_store: MemoryRecoveryStore | None = None
    limits: ShellLimits = field(default_factory=ShellLimits)
    rule: Callable[..., object] = decide

    def worker(self) -> Worker:
        """Start a process that holds nothing yet."""
        crash_at: list[str] = []

        def failpoint(point: str) -> None:
            if point in crash_at:
                raise Crash(point)

        log, meters = MemoryLog(self.broker), Meters("routing")
        store = CaseStore(case=Echo, is_open=lambda case: case.seen > 0)
        shell: Processor[Echo, None] = Processor(
            Stage("routing", store, Path(), self.rule),  # type: ignore[arg-type]
            log=log,
            state=self.state,
            reader=Reader("routing", Clock(), CLEAR),
            writer=Writer("routing", is_gateway=False, seal=lambda value, *_place: value),
            meters=meters,
            logger=structlog.get_logger(),
            limits=self.limits,
            failpoint=failpoint,
            recovery_store=self.recovery_store,
        )
        return Worker(shell, log, crash_at, meters)

    async def started(self, *partitions: Partition) -> Worker:
        """Start a process and assign it partitions (both inputs' lane unless named)."""
        worker = self.worker()
        worker.log.assignment = set(partitions or (A, B))
        await worker.shell.assigned(worker.log.assignment)
        return worker

    def accepted(self, event_id: str, by: str = "officer", report: str = REPORT) -> MemoryRecord:
        """Append a record to A whose rule gives one `ReportDispatched`."""
        event = ReportAccepted(
            report_id=report, institution="6308", holding=1, by=by,
            report_class=ReportClass.UNSUPERVISED,
        )  # fmt: skip
        return self.append(INSTITUTION, event, event_id, report)

    def asked(self, event_id: str, report: str = REPORT) -> MemoryRecord:
        """Append a record to B."""
        event = Dispatch(report_id=report, holding=1, by="officer", unit="6308-001")
        return self.append(AGENCIES, event, event_id, report)

    def replay(self, action: Action, edited: bytes | None = None, attempt: int = 1) -> MemoryRecord:
        """Append an operator's word about the newest dead letter."""
        letter = self.broker.read(DEAD_LETTERS.name)[-1]
        return self.broker.append(
            replay_record(
                letter, action, seal=CLEAR.seal, edited=edited, attempt=attempt, operator="test",
                why="mended",
            )
        )  # fmt: skip

    def append(
        self, stream: Stream, event: BaseModel, event_id: str, report: str = REPORT
    ) -> MemoryRecord:
        """Append an event to a stream under an id."""
        headers = event_headers(
            event_id=event_id,
            event_type=stream.type_of(type(event)),
            source="/test",
            subject=report,
            time=Clock().of_record(self.broker.now_ms),
            causation_id="",
            correlation_id=report,
            sequence=1,
        )
        key = report.encode()
        return self.broker.append(
            Outbound(stream.topic(), partition_of(key), key, encode(event), headers)
        )

    def published(self) -> list[str]:
        """Return the causes of what the stage published, in order, repeats of an id dropped."""
        seen: dict[bytes, str] = {}
        for record in self.broker.read(ROUTING.name):
            headers = dict(record.headers)
            seen.setdefault(headers["ce_id"], headers["causationid"].decode())
        return list(seen.values())

    def dead_letters(self) -> list[dict[str, bytes]]:
        """Return the headers of the dead letters."""
        return [dict(r.headers) for r in self.broker.read(DEAD_LETTERS.name)]
