"""What comes in from outside the chain: commands and forwards, poison, repeats, markers."""

from typing import Final

from shared.contract.envelope import Outbound, encode, event_headers
from shared.contract.events import Accept, Dispatch, DuplicateSuspected, Event, ReportForwarded
from shared.contract.topics import AGENCIES, INSTITUTION, NATIONAL, OUTBOX, REPLAYS, Stream
from shared.platform.clock import Clock
from shared.runtime.lanes import Partition
from tests.simulation.chain import CHAIN, CLASS, PARTITIONS, PRODUCERS, REPORTS
from tests.simulation.cluster import Cluster, named
from tests.simulation.step import Step

POISON_MAX: Final = 3  # with its repeats far below the limit of dead letters
REPEATS_MAX: Final = 9
_REPEATED: Final = (
    *(OUTBOX.topic(s) for s in PRODUCERS), NATIONAL.name, AGENCIES.name, INSTITUTION.name,
    REPLAYS.name,
)  # fmt: skip


def send(cluster: Cluster, step: Step) -> None:
    """Let somebody outside write a command or a forward, now and then poison."""
    if "broker" in cluster.away:
        return
    report = REPORTS[(0, 0, 1, 2)[step.who & 3]]
    is_poison = step.more % 8 == 7 and cluster.poison < POISON_MAX
    cluster.poison += is_poison
    mark = CHAIN[(step.how >> 4) % len(CHAIN)].name if is_poison else "-"
    producer = PRODUCERS[step.how >> 2 & 1]
    match step.how & 3:
        case 0:
            event: Event = ReportForwarded(
                report_id=report, institution="6308", holding=1, by=mark, why="clear"
            )
            stream = NATIONAL
        case 1:
            event = Dispatch(report_id=report, holding=1, by=mark, unit="6308-001")
            stream = OUTBOX
        case _:
            event = Accept(report_id=report, holding=1, by=mark, report_class=CLASS)
            stream = OUTBOX
    if step.more == 1:  # of a type that nobody here reads
        event = DuplicateSuspected(report_id=report, similar=())
        stream = NATIONAL
    spoilt = is_poison and bool(step.how & 256)
    _append(cluster, stream, producer if stream is OUTBOX else "", event, spoilt=spoilt)


def _append(cluster: Cluster, stream: Stream, producer: str, event: Event, *, spoilt: bool) -> None:
    cluster.sent += 1
    headers = event_headers(
        event_id=f"m{cluster.sent}",
        event_type=stream.type_of(type(event)),
        source="/outside",
        subject=event.report_id,
        time=Clock().of_record(cluster.broker.now_ms),
        causation_id="",
        correlation_id="",
        sequence=1,
    )
    key = event.report_id.encode()
    number = 0 if stream.is_family else PARTITIONS[REPORTS.index(event.report_id) // 2]
    value = b"{" if spoilt else encode(event)
    record = cluster.broker.append(Outbound(stream.topic(producer), number, key, value, headers))
    cluster.note(
        f"m{cluster.sent} {type(event).__name__}{' (spoilt)' if spoilt else ''} of "
        f"{event.report_id} by {getattr(event, 'by', '')!r} to "
        f"{record.topic}/{record.partition}@{record.offset}"
    )


def mark(cluster: Cluster, step: Step) -> None:
    """Let a sender end a transaction: an offset of a partition gets no record."""
    partitions = _used(cluster)
    if partitions and "broker" not in cluster.away:
        place = partitions[step.who % len(partitions)]
        cluster.broker.mark(place)
        cluster.note(f"a transaction ends in {place.topic}/{place.partition}")


def _used(cluster: Cluster) -> list[Partition]:
    """List the partitions with records, of streams that may be repeated."""
    logs = cluster.broker.logs
    return sorted(p for p in logs if p.topic in _REPEATED and cluster.broker.records(p))


def repeat(cluster: Cluster, step: Step) -> None:
    """Let an upstream publish a record again, under a new offset."""
    partitions = _used(cluster)
    if not partitions or "broker" in cluster.away:
        return
    log = cluster.broker.records(partitions[step.who % len(partitions)])
    old = log[step.how % len(log)]
    if not step.who & 1:
        old = log[-1 - step.how % min(3, len(log))]
    cluster.repeated += 1
    if cluster.repeated > REPEATS_MAX:
        return
    again = Outbound(old.topic, old.partition, old.key or b"", old.value or b"", [*old.headers])
    cluster.broker.append(again)
    cluster.note(f"REPEATED under a new offset: {named(again)}")
