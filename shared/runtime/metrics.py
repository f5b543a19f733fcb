"""Every metric of ours, in one place; labels are bounded, never a report, person or agency."""

from collections import Counter as Count
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from faststream.kafka.prometheus import KafkaPrometheusMiddleware
from faststream.kafka.prometheus.provider import BatchKafkaMetricsSettingsProvider
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)
from pydantic import BaseModel

from shared.contract.events import BreachWithdrawn, DeadlineBreached
from shared.rules.decision import Decision

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord
    from faststream.message import StreamMessage
    from faststream.prometheus import ConsumeAttrs

disable_created_metrics()  # type: ignore[no-untyped-call]
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)


class Meters:
    """The metrics of one stage's process; counted per batch, not per record.

    `flush` passes on the counts of a batch once it is saved: a batch tried again counts once.
    """

    def __init__(self, stage: str, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._stage = stage
        self._pending: Count[tuple[Counter, tuple[str, ...]]] = Count()
        self._count()
        self._observe()
        self._gauge()

    def _count(self) -> None:
        counter = partial(Counter, registry=self.registry)
        self._decisions = counter(
            "lapor_decisions_total",
            "Records decided, by what was decided",
            ["stage", "cause", "outcome"],
        )
        self._events = counter(
            "lapor_events_total", "Events published, by type", ["stage", "event"]
        )
        self._dead_letters = counter(
            "lapor_dead_letters_total", "Records dead-lettered, by reason", ["stage", "reason"]
        )
        self._breaches = counter(
            "lapor_breaches_total",
            "Deadlines breached, by clock and level",
            ["stage", "clock", "level"],
        )
        self._withdrawals = counter(
            "lapor_breaches_withdrawn_total",
            "Breaches published and withdrawn as untrue, by clock and level",
            ["stage", "clock", "level"],
        )
        self.gaps = counter(
            "lapor_gaps_total", "Batches that began beyond the stored offset", ["stage"]
        ).labels(self._stage)
        self.conflicts = counter(
            "lapor_conflicts_total",
            "Batches done again because another process saved first",
            ["stage"],
        ).labels(self._stage)
        self._put_off = counter(
            "lapor_notifier_put_off_total", "Reports whose messages found no room", ["stage"]
        )

    def _observe(self) -> None:
        seconds = partial(Histogram, registry=self.registry, labelnames=["stage"], buckets=SECONDS)
        self.batch_records = Histogram(
            "lapor_batch_records",
            "Records in a batch",
            ["stage"],
            registry=self.registry,
            buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500),
        ).labels(self._stage)
        self.batch_seconds = seconds(
            "lapor_batch_seconds", "Time to decide, save, publish and commit a batch"
        ).labels(self._stage)
        self.event_age_seconds = seconds(
            "lapor_event_age_seconds", "Age of a batch's oldest record when it was fetched"
        ).labels(self._stage)

    def _gauge(self) -> None:
        gauge = partial(Gauge, registry=self.registry)
        self.lag_records = gauge(
            "lapor_lag_records", "Records not yet decided, of the partitions assigned", ["stage"]
        ).labels(self._stage)
        self.open_cases = gauge(
            "lapor_open_cases", "Cases that wait for somebody", ["stage"]
        ).labels(self._stage)
        self.parked_cases = gauge(
            "lapor_parked_cases", "Cases that wait for an operator's replay", ["stage"]
        ).labels(self._stage)
        self.held_records = gauge(
            "lapor_held_records",
            "Events held for a missing or unavailable destination",
            ["stage"],
        ).labels(self._stage)
        self.paused_partitions = gauge(
            "lapor_paused_partitions",
            "Partitions not read: their next batch cannot be, or their answers are held",
            ["stage"],
        ).labels(self._stage)
        self.timer_lag_seconds = gauge(
            "lapor_timer_lag_seconds", "How long the oldest due timer has been due", ["stage"]
        ).labels(self._stage)
        self.waiting = gauge(
            "lapor_waiting_for_infrastructure",
            "1 while the database or the broker is away",
            ["stage"],
        ).labels(self._stage)
        self.unassigned_partitions = gauge(
            "lapor_unassigned_partitions",
            "Partitions of the subscription that no process of the stage reads",
            ["stage"],
        ).labels(self._stage)
        self.missing_topics = gauge(
            "lapor_missing_topics",
            "Topics that the stage reads or writes, and that are not there",
            ["stage"],
        ).labels(self._stage)
        self.registry_unreadable = gauge(
            "lapor_registry_unreadable",
            "1 while the registry's files on the disk cannot be used",
            ["stage"],
        ).labels(self._stage)
        self._overdue = gauge(
            "lapor_overdue_cases",
            "Reports past their earliest deadline, by its clock",
            ["stage", "clock"],
        )
        self._circuits_open = gauge(
            "lapor_notifier_circuit_open",
            "Delivery circuits that are open after failures in a row, by channel",
            ["stage", "channel"],
        )

    def decided(self, event: BaseModel, decision: Decision[object]) -> None:
        """Count a decision."""
        outcome = type(decision.events[0].event).__name__ if decision.events else "nothing"
        self._pending[self._decisions, (type(event).__name__, outcome)] += 1
        for outgoing in decision.events:
            published = outgoing.event
            self._pending[self._events, (type(published).__name__,)] += 1
            if isinstance(published, DeadlineBreached):
                self._pending[self._breaches, (published.clock, str(published.level))] += 1
            elif isinstance(published, BreachWithdrawn):
                self._pending[self._withdrawals, (published.clock, str(published.level))] += 1

    def overdue(self, clock: str, count: int) -> None:
        """Set how many reports are past a deadline of this clock."""
        self._overdue.labels(self._stage, clock).set(count)

    def deliveries(self, circuits_open: Mapping[str, int], put_off: int) -> None:
        """Set how many circuits are open, by channel, and count what a claim put off."""
        for channel, count in circuits_open.items():
            self._circuits_open.labels(self._stage, channel).set(count)
        self._put_off.labels(self._stage).inc(put_off)

    def skipped(self, outcome: str) -> None:
        """Count a record that no rule saw."""
        self._pending[self._decisions, ("record", outcome)] += 1

    def dead_letter(self, reason: str) -> None:
        """Count a dead letter."""
        self._pending[self._dead_letters, (reason,)] += 1

    def forget(self) -> None:
        """Drop what was counted of a batch that was not saved."""
        self._pending.clear()

    def flush(self) -> None:
        """Pass a batch's counts on to Prometheus."""
        for (counter, labels), count in self._pending.items():
            counter.labels(self._stage, *labels).inc(count)
        self._pending.clear()


class Families(BatchKafkaMetricsSettingsProvider):
    """Names a whole family of topics with one label, so that 700 agencies are not 700 series."""

    def get_consume_attrs_from_message(
        self, msg: "StreamMessage[tuple[ConsumerRecord, ...]]"
    ) -> "ConsumeAttrs":
        """Count a batch under its stream's name."""
        records = msg.raw_message
        return {
            "destination_name": stream_label(records[0].topic),
            "message_size": sum(len(r.value or b"") for r in records),
            "messages_count": len(records),
        }


def stream_label(topic: str) -> str:
    """Return a topic's name, or its family's."""
    parts = topic.split(".")
    if parts[1] in ("channel", "agency"):
        return ".".join([*parts[:2], "*", *parts[3:]])
    return topic


def kafka_middleware(registry: CollectorRegistry) -> KafkaPrometheusMiddleware:
    """Return FastStream's metrics of Kafka, with families collapsed."""
    middleware = KafkaPrometheusMiddleware(registry=registry, metrics_prefix="lapor_kafka")
    middleware._settings_provider_factory = lambda _message: Families()  # type: ignore[assignment, return-value] # noqa: SLF001
    return middleware
