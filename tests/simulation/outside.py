"""What comes in from outside the chain: commands and forwards, poison, repeats, markers."""

from typing import Final

from shared.contract.envelope import Outbound, encode, event_headers
from shared.contract.events import Accept, Dispatch, DuplicateSuspected, Event, ReportForwarded
from shared.contract.topics import AGENCIES, INSTITUTION, NATIONAL, OUTBOX, REPLAYS, Stream
from shared.platform.clock import Clock
from shared.runtime.lanes import Partition
from tests.simulation.chain import CHAIN, CLASS, PARTITIONS, PRODUCERS, REPORTS
from tests.simulation.fleet import Fleet, named
from tests.simulation.step import Step

POISON_MAX: Final = 3  # with its repeats far below the limit of dead letters
REPEATS_MAX: Final = 9
_REPEATED: Final = (
    *(OUTBOX.topic(s) for s in PRODUCERS), NATIONAL.name, AGENCIES.name, INSTITUTION.name,
    REPLAYS.name,
)  # fmt: skip


def send(fleet: Fleet, step: Step) -> None:
    """Let somebody outside say something: a command, a forward, now and then poison."""
    if "broker" in fleet.away:
        return
    report = REPORTS[(0, 0, 1, 2)[step.who & 3]]
    is_poison = step.more % 8 == 7 and fleet.poison < POISON_MAX
    fleet.poison += is_poison
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
    _append(fleet, stream, producer if stream is OUTBOX else "", event, spoilt=spoilt)


def _append(fleet: Fleet, stream: Stream, producer: str, event: Event, *, spoilt: bool) -> None:
    fleet.sent += 1
    headers = event_headers(
        event_id=f"m{fleet.sent}",
        event_type=stream.type_of(type(event)),
        source="/outside",
        subject=event.report_id,
        time=Clock().of_record(fleet.broker.now_ms),
        causation_id="",
        correlation_id="",
        sequence=1,
    )
    key = event.report_id.encode()
    number = 0 if stream.is_family else PARTITIONS[REPORTS.index(event.report_id) // 2]
    value = b"{" if spoilt else encode(event)
    record = fleet.broker.append(Outbound(stream.topic(producer), number, key, value, headers))
    fleet.tell(
        f"m{fleet.sent} {type(event).__name__}{' (spoilt)' if spoilt else ''} of "
        f"{event.report_id} by {getattr(event, 'by', '')!r} to "
        f"{record.topic}/{record.partition}@{record.offset}"
    )


def mark(fleet: Fleet, step: Step) -> None:
    """Let a sender end a transaction: an offset of a partition gets no record."""
    said = _said(fleet)
    if said and "broker" not in fleet.away:
        place = said[step.who % len(said)]
        fleet.broker.mark(place)
        fleet.tell(f"a transaction ends in {place.topic}/{place.partition}")


def _said(fleet: Fleet) -> list[Partition]:
    """List the partitions in which somebody said something, of streams that may be repeated."""
    logs = fleet.broker.logs
    return sorted(p for p in logs if p.topic in _REPEATED and fleet.broker.records(p))


def repeat(fleet: Fleet, step: Step) -> None:
    """Let an upstream say again, under a new offset, what it said before."""
    said = _said(fleet)
    if not said or "broker" in fleet.away:
        return
    log = fleet.broker.records(said[step.who % len(said)])
    old = log[step.how % len(log)]
    if not step.who & 1:
        old = log[-1 - step.how % min(3, len(log))]
    fleet.repeated += 1
    if fleet.repeated > REPEATS_MAX:
        return
    again = Outbound(old.topic, old.partition, old.key or b"", old.value or b"", [*old.headers])
    fleet.broker.append(again)
    fleet.tell(f"REPEATED under a new offset: {named(again)}")
