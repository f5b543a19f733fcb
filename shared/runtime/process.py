"""A stage as a process: the shell over Kafka and PostgreSQL, its loops, health and metrics."""

import asyncio
import contextlib
import gc
import os
import socket
from collections.abc import Awaitable, Callable
from functools import cached_property, partial
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar, Union

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from faststream.asgi import AsgiFastStream
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaMessage
from faststream.message import AckStatus
from faststream.specification import AsyncAPI

from shared.contract.topics import READS
from shared.platform import logging as log_lines
from shared.platform import migrations, postgres
from shared.platform.clock import Clock
from shared.platform.settings import Settings
from shared.registry.principals import principals
from shared.runtime import timers
from shared.runtime.case_store import SHELL_MIGRATIONS, PostgresState
from shared.runtime.failpoints import failpoint
from shared.runtime.health import pages
from shared.runtime.health.assignment_check import AssignmentCheck
from shared.runtime.health.registry_watch import EX_TEMPFAIL, RegistryWatch, ServerShutdown
from shared.runtime.health.watchdog import Watchdog
from shared.runtime.kafka import record_batches
from shared.runtime.kafka.client import METADATA_AGE_MS_MAX, KafkaLog, subscribe
from shared.runtime.kafka.fair_queue import FairQueue
from shared.runtime.lanes import EX_CONFIG, Partition, StageRefused
from shared.runtime.metrics import Meters, kafka_middleware
from shared.runtime.parking import Parking
from shared.runtime.processor import Processor, ShellState, Stopping
from shared.runtime.reader import Reader
from shared.runtime.recovery.store import PostgresRecoveryStore
from shared.runtime.stage import Resources, ShellLimits, Stage
from shared.runtime.writer import Writer
from shared.vault.crypto import DeadLetterKey

if TYPE_CHECKING:
    from collections.abc import Collection

T = TypeVar("T")
START_BACKOFF_SECONDS_MAX = 2.0
COLLECTED_FROM = 200_000
"""Containers: more than a full batch has alive. It is freed without the collector, which would only
go through it again and again, a tenth of the time of deciding."""
LATENCY_TOLERANT_INTERVALS = 4
THROTTLE_SHARE = 2.0  # of the time of a small batch: a third of a core at most (docs/benchmarks.md)
THROTTLE_SECONDS_MAX = 0.08  # aiokafka leaves what waits longer than 0.1 s out of its next request
LAST_COMMIT_SECONDS_MAX = 2.0  # of a stop
REDELIVER_SECONDS = 5.0  # between two tries at a destination that was missing or refused
COUNT_SECONDS = 10.0  # counting takes as long as there are open cases
CASES_COUNTED = """
    SELECT (SELECT count(*) FROM cases WHERE is_open) AS open,
           (SELECT count(*) FROM cases WHERE parked <> '') AS parked,
           (SELECT count(*) FROM held) AS held
"""  # each by its own partial index


class StageBroker(KafkaBroker):
    """Ends the process when it cannot start: FastStream would serve its pages on, without it.

    That is if the broker goes away just then, or refuses the group. Whoever supervises tries again.
    """

    async def start(self) -> None:
        """Connect, and start the consumer."""
        try:
            await super().start()
        except Exception as refused:
            logger = structlog.get_logger()
            logger.critical("consumer_cannot_start", error=type(refused).__name__, exc_info=True)
            os._exit(EX_TEMPFAIL)


class Service:
    """Everything of one process of a stage, started and stopped with its web application."""

    def __init__(self, settings: Settings, stage: Stage[Any, Any]) -> None:
        self.settings = settings
        self.stage = stage
        self.schema = postgres.schema_of(stage.name)
        self.logger = log_lines.setup(stage.name)
        self.meters = Meters(stage.name)
        self.clock = Clock.of(settings)
        client_id = f"{stage.name}-{socket.gethostname()}-{settings.replica}"
        share = settings.partition_records_max if stage.is_gateway else None
        self.fair_queue = FairQueue(settings.batch_records_max, share)
        self.log = KafkaLog(settings, client_id, self.fair_queue)
        self.broker = StageBroker(
            settings.kafka.split(","),  # FastStream takes one text for one broker
            client_id=client_id,
            allow_auto_create_topics=False,
            metadata_max_age_ms=METADATA_AGE_MS_MAX,
            apply_types=False,
            graceful_timeout=15.0,
            logger=None,
            middlewares=[kafka_middleware(self.meters.registry)],
        )
        record_batches.install(spans=True)
        self.principals = principals()
        self.registry = RegistryWatch(self.principals, self.meters, self.logger)
        self.subscriber = subscribe(
            self.broker,
            stage.name,
            settings,
            Listener(self),
            principals=self.principals,
            fair_queue=self.fair_queue,
        )
        self.subscriber(described(self.handle, stage.name))
        self.pool: postgres.Pool | None = None
        self.shell: Processor[Any, Any] | None = None
        self.watchdog: Watchdog | None = None
        self.assignment_check: AssignmentCheck | None = None
        self._tasks: list[asyncio.Task[None]] = []

    # ---- life cycle

    @cached_property
    def migrations(self) -> dict[str, tuple[migrations.Migration, ...]]:
        """Return what the stage's own schema and those that it shares need."""
        shared = self.stage.more_schemas.items()
        return {
            **{schema: migrations.read_migrations(folder) for schema, folder in shared},
            self.schema: migrations.read_migrations(SHELL_MIGRATIONS, self.stage.migrations),
        }

    async def start(self) -> None:
        """Refuse a loop that hangs, wait for the database, make the schema, build the shell."""
        if "uvloop" in type(asyncio.get_running_loop()).__module__:
            self.refuse("aiokafka hangs for ever on uvloop after a broker outage; use asyncio")
        pool = await self._reach("waiting_for_database", postgres.PASSING, self._database)
        self.shell = self._shell(pool)
        self.fair_queue.reposition = self.shell.reposition
        self.watchdog = Watchdog(self.settings, self.stage.name, self.shell, self.log, self.meters)
        self.assignment_check = AssignmentCheck(
            self.settings,
            self.stage.name,
            self.principals,
            shell=self.shell,
            log=self.log,
            meters=self.meters,
        )
        await self._reach("waiting_for_broker", (KafkaError,), self.log.start)
        # It looks before the consumer starts: a core stage's does not while a stream is missing.
        self._tasks = [asyncio.create_task(self._guard(self.assignment_check.run))]
        await self._restore(self.shell)
        # What is alive now stays alive: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(COLLECTED_FROM, 20, 50)

    async def _reach(
        self, event: str, passing: tuple[type[Exception], ...], action: Callable[[], Awaitable[T]]
    ) -> T:
        """Wait for database or broker: a stage that starts in an outage goes on when that is over.

        Left to the supervisor, its growing pauses would be added to the outage.
        """
        delay = 0.2
        while True:
            try:
                return await action()
            except passing as away:
                self.logger.warning(event, error=type(away).__name__)
                await asyncio.sleep(delay)
                delay = min(2 * delay, START_BACKOFF_SECONDS_MAX)

    async def _database(self) -> postgres.Pool:
        """Connect, and migrate the schemas; what was opened before an outage serves after it."""
        if self.pool is None:
            dsn = self.settings.postgres.get_secret_value()
            self.pool = await postgres.connect(dsn, self.schema)
        if self.settings.migrate == "auto":
            await self._migrate(self.pool)
        if pending := await self._pending(self.pool):
            self.refuse(f"migrations are pending: {', '.join(pending)}. Run: lapor schema apply")
        return self.pool

    async def _migrate(self, pool: postgres.Pool) -> None:
        for schema, own in self.migrations.items():
            try:
                applied = await migrations.apply_migrations(pool, schema, own)
            except migrations.OtherSchema as other:
                self.refuse(str(other))
            else:
                if applied:
                    names = [str(migration) for migration in applied]
                    self.logger.info("schema_migrated", schema=schema, migrations=names)

    async def _pending(self, pool: postgres.Pool) -> list[str]:
        """Name the pending migrations; a schema of a newer release ends the process."""
        pending: list[str] = []
        for schema, own in self.migrations.items():
            try:
                found = await migrations.pending_migrations(pool, schema, own)
            except migrations.OtherSchema as other:
                self.refuse(str(other))
            else:
                pending += [f"{schema} {migration}" for migration in found]
        return pending

    async def _refuse_newer_schema(self) -> None:
        """End the process if a newer release has migrated so that this one may not go on."""
        if self.pool is not None:
            await self._pending(self.pool)

    def _shell(self, pool: postgres.Pool) -> Processor[Any, Any]:
        key = DeadLetterKey.from_text(self.settings.dead_letter_key.get_secret_value())
        return Processor(
            self.stage,
            log=self.log,
            state=PostgresState(pool, self.stage.store, self._refuse_newer_schema),
            reader=Reader(
                self.stage.name,
                self.clock,
                Parking(key.seal_bytes, key.open_bytes),
                self.stage.identify,
            ),
            writer=Writer(
                self.stage.name,
                is_gateway=self.stage.is_gateway,
                seal=key.seal_bytes,
                unseal=key.open_bytes,
            ),
            meters=self.meters,
            logger=self.logger,
            limits=ShellLimits(
                backoff_seconds_max=self.settings.backoff_seconds_max,
                dead_letter_count_max=self.settings.dead_letter_count_max,
                dead_letter_share_max=self.settings.dead_letter_share_max,
                decided_bytes_max=8 * self.settings.case_messages_max,
                refused_per_minute_max=self.settings.refused_per_minute_max,
            ),
            failpoint=failpoint(self.stage.name),
            recovery_store=PostgresRecoveryStore(pool),
        )

    async def _restore(self, shell: Processor[Any, Any]) -> None:
        """Do what `lapor restored` ordered, before any loop fires or sends and any record comes."""
        try:
            await shell.restore()
        except StageRefused as refused:
            self.refuse(str(refused))

    async def started(self) -> None:
        """Start what runs beside the consumer."""
        if not (self.pool and self.shell and self.watchdog and self.assignment_check):
            raise RuntimeError("started before start")
        ServerShutdown.stages.add(self.stage.name)
        resources = Resources(
            self.pool, self.log, self.clock, self.shell.stopping, self.logger, self.meters
        )
        loops: list[Callable[[], Awaitable[None]]] = [
            self._idle, self.watchdog.run, self.registry.run,
        ]  # fmt: skip
        if timers.has_timers(self.stage.name):
            timer_loop = timers.TimerLoop(self.stage.name, self.settings, resources, self.meters)
            loops.append(timer_loop.run)
        loops += [partial(work, resources) for work in self.stage.background]
        self._tasks += [asyncio.create_task(self._guard(loop)) for loop in loops]
        self.logger.info("stage_started", http_port=self.settings.http_port)

    async def stop(self) -> None:
        """Let the batch in hand finish; waits for infrastructure end at once."""
        if self.shell is not None:
            self.shell.stop()
        self.log.is_ending = True
        with contextlib.suppress(KafkaError, TimeoutError):
            await asyncio.wait_for(self.log.commit_pending(), LAST_COMMIT_SECONDS_MAX)

    async def stopped(self) -> None:
        """Empty confirmed outboxes, so that the next start need not publish them again; close."""
        if self.shell is not None:
            with contextlib.suppress(*postgres.PASSING):
                await self.shell.idle(seconds=0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.log.stop()
        if self.pool is not None:
            await self.pool.close()
        ServerShutdown.of(self.stage.name)

    @property
    def is_alive(self) -> bool:
        """Return whether the stage has not stood still for the watchdog's time."""
        return self.watchdog is None or not self.watchdog.is_stuck

    @property
    def is_ready(self) -> bool:
        """Return whether the stage makes progress, with all that it is to read."""
        if self.watchdog is None or self.assignment_check is None:
            return False
        return self.watchdog.is_ready and self.assignment_check.is_complete

    def refuse(self, why: str) -> None:
        """End the process with a code that the supervisor does not restart."""
        self.logger.critical("stage_refused", why=why)
        os._exit(EX_CONFIG)

    # ---- records

    async def handle(self, message: KafkaMessage) -> None:
        """Pass a batch of FastStream's to the shell."""
        records = message.raw_message
        message.clear_cache()  # it holds the message itself: the collector alone would free that
        shell = self.shell
        if shell is None or not isinstance(records, tuple):
            raise RuntimeError("a batch before start")
        begun = monotonic()
        self.meters.batch_records.observe(len(records))
        oldest = self.clock.of_record(min(r.timestamp for r in records))
        age = (self.clock.now() - oldest).total_seconds() / self.clock.scale
        self.meters.event_age_seconds.observe(max(0.0, age))
        self.log.consumer = self.subscriber.consumer
        try:
            await shell.batch(records)
        except StageRefused as refused:
            self.refuse(str(refused))
        except Stopping:
            raise
        except Exception:
            # A bug of the shell's own: start afresh rather than spin on the same batch.
            self.logger.critical("shell_failed", exc_info=True)
            os._exit(1)
        message.committed = AckStatus.ACKED
        self.meters.batch_seconds.observe(monotonic() - begun)
        await self._throttle(len(records), begun)

    async def _throttle(self, records: int, begun: float) -> None:
        """Pause after a small batch, so that the next is worth its fixed cost.

        On busy cores a batch takes longer, and so does the pause: all of them then have fewer and
        larger batches, instead of filling the cores with small ones.
        """
        if self.fair_queue.is_more or records * 4 >= self.settings.batch_records_max:
            return
        interval = self.settings.batch_interval_seconds_min
        if self.stage.is_latency_tolerant:
            interval *= LATENCY_TOLERANT_INTERVALS
        took = monotonic() - begun
        pause = min(took * THROTTLE_SHARE, THROTTLE_SECONDS_MAX)
        await asyncio.sleep(max(interval - took, pause))

    # ---- loops

    async def _idle(self) -> None:
        shell, pool = self.shell, self.pool
        count_at = redeliver_at = monotonic()
        while shell is not None and pool is not None and not shell.stopping.is_set():
            await asyncio.sleep(1.0)
            await shell.idle()
            await self.log.commit_pending()
            if monotonic() >= redeliver_at:
                await shell.redeliver()
                redeliver_at = monotonic() + REDELIVER_SECONDS
            self.meters.waiting.set(float(shell.state is ShellState.WAITING))
            self.meters.paused_partitions.set(len(self.fair_queue.paused))
            if monotonic() >= count_at:
                (row,) = await pool.fetch(CASES_COUNTED)
                self.meters.open_cases.set(row["open"])
                self.meters.parked_cases.set(row["parked"])
                self.meters.held_records.set(row["held"])
                await self._refuse_newer_schema()
                count_at = monotonic() + COUNT_SECONDS

    async def _guard(self, loop: Callable[[], Awaitable[None]]) -> None:
        """Run a loop for ever: infrastructure may fail, a bug ends the process."""
        while True:
            try:
                await loop()
            except (KafkaError, *postgres.PASSING) as away:
                self.logger.warning("loop_waits", error=type(away).__name__)
                await asyncio.sleep(1.0)
            except Exception:
                self.logger.critical("loop_failed", exc_info=True)
                os._exit(1)
            else:
                return


class Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Passes every assignment to the shell, under the same lock as the batches."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def on_partitions_revoked(self, revoked: "Collection[TopicPartition]") -> None:
        """Do nothing: the next owner's save decides who was first."""

    async def on_partitions_assigned(self, assigned: "Collection[TopicPartition]") -> None:
        """Take up the lanes where they are."""
        service = self._service
        service.log.consumer = service.fair_queue.consumer = service.subscriber.consumer
        service.fair_queue.assigned()
        if service.shell is None:
            raise RuntimeError("assigned before start")
        try:
            await service.shell.assigned(Partition(p.topic, p.partition) for p in assigned)
        except StageRefused as refused:
            service.refuse(str(refused))
        except Stopping:
            return
        except Exception:
            # aiokafka would log it and go on consuming.
            service.logger.critical("assignment_failed", exc_info=True)
            os._exit(1)


def described(
    handle: Callable[[KafkaMessage], Awaitable[None]], stage: str
) -> Callable[[KafkaMessage], Awaitable[None]]:
    """Return the handler annotated for AsyncAPI: its message is one of the events read."""

    async def handle_batch(message: KafkaMessage) -> None:
        await handle(message)

    events = {event for events in READS[stage].values() for event in events}
    handle_batch.__annotations__["message"] = Union[tuple(sorted(events, key=lambda e: e.__name__))]  # noqa: UP007
    return handle_batch


def stage_app(settings: Settings, stage: Stage[Any, Any]) -> AsgiFastStream:
    """Compose a stage's process: its pages (`shared/runtime/health/pages.py`) and its consumer."""
    service = Service(settings, stage)
    app = AsgiFastStream(
        service.broker,
        asgi_routes=[
            *pages.health_pages(lambda: service.is_alive, lambda: service.is_ready),
            pages.metrics_page(service.meters.registry),
        ],
        specification=AsyncAPI(title=f"LAPOR pipeline: {stage.name}"),
        logger=None,
        on_startup=[service.start],
        after_startup=[service.started],
        on_shutdown=[service.stop],
        after_shutdown=[service.stopped],
    )
    pages.add_document(app)
    return app
