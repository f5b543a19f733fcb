"""From bytes to answers in memory: the guard, the reader, and the real rules of both gateways.

An input is held to what a sender may expect and everybody else has to: each offset once, one answer
to each record, small ones, the same bytes when decided again, nothing raised.
"""

import os
from collections.abc import Iterator
from typing import Any, Final
from unittest import mock

import structlog
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED
from faststream.asgi import AsgiFastStream

from services.intake import app as intake
from shared.contract.envelope import Outbound
from shared.contract.topics import AGENCIES, DEAD_LETTERS, REPLAYS
from shared.platform.clock import Clock
from shared.runtime.batch import UnitOfWork
from shared.runtime.decider import Decider
from shared.runtime.kafka.record_batches import (
    GuardedRecords,
    RawBatches,
    Span,
    UnreadBatch,
    first_offset,
)
from shared.runtime.metrics import Meters
from shared.runtime.parking import Parking
from shared.runtime.reader import Reader
from shared.runtime.stage import ShellLimits
from shared.runtime.writer import Writer
from shared.vault.crypto import DeadLetterKey
from tests.fuzz.grammar import Batch, Input, Page
from tests.pipeline.harness import Harness
from tests.pipeline.processes import KEY, finish

BASE: Final = 41  # the first offset of every batch
ANSWER_BYTES_MAX: Final = 4_096
"""Of an answer that takes nothing: what a sender has back is bounded, however much was wrong."""
OUT_BYTES_MAX: Final = 80_000
"""Of all that is published because of one record: a text of 10,000 characters, sealed."""
PAGE_BYTES_MAX: Final = 200_000
PAGES: Final = frozenset({"/livez", "/readyz", "/metrics", "/asyncapi.json"})
STATUSES: Final = frozenset({200, 301, 307, 400, 404, 405, 503})
_NOWHERE: Final = {
    "LAPOR_KAFKA": "127.0.0.1:1", "LAPOR_POSTGRES": "postgresql://nobody@127.0.0.1:1/none",
    "LAPOR_MASTER_KEY": KEY, "LAPOR_DEAD_LETTER_KEY": KEY, "LAPOR_INSTANCE": "intake",
}  # fmt: skip


class Wrong(AssertionError):  # noqa: N818 - names what the input did
    """An input was not dealt with as it must be."""


class Target:
    """Both gateways over a harness in which some reports are known, and the pages of a stage."""

    def __init__(self) -> None:
        self._harness = _harness()
        self._deciders = {name: _decider(self._harness, name) for name in ("intake", "agencies.in")}
        self._keys = dict(self._harness.lookups.keys)
        with mock.patch.dict(os.environ, _NOWHERE):
            self._app: AsgiFastStream = intake.build()

    @property
    def reports(self) -> tuple[str, ...]:
        """Return the reports that are there."""
        return tuple(sorted(self._keys))

    def take(self, given: Input) -> None:
        """Deal with an input.

        Raises:
            Wrong: not as it must be; and whatever the code itself raises.
        """
        if isinstance(given, Page):
            self._ask(given)
        else:
            self._decide(given)

    # ---- batches

    def _decide(self, given: Batch) -> None:
        raw = given.raw(BASE)
        records = list(fetched(given.topic, raw))
        count = int.from_bytes(raw[57:61], "big")
        covered = [n for r in records for n in range(first_offset(r), r.offset + 1)]
        _require(covered == list(range(BASE, BASE + count)), f"offsets {covered[:9]} of {count}")
        work, again = (self._worked(given.gateway, records) for _ in range(2))
        _require(work.outbounds == again.outbounds, "decided again, it says something else")
        _require(work.changed == again.changed, "decided again, it keeps something else")
        wanted = sum(not isinstance(r, Span) or isinstance(r, UnreadBatch) for r in records)
        if given.topic == REPLAYS.topic():
            _sized(work.outbounds, wanted, _value_bytes(records))
        else:
            _answered(given, work.outbounds, wanted)

    def _worked(self, gateway: str, records: list[ConsumerRecord]) -> UnitOfWork:
        state = self._harness.processes[gateway].state
        self._harness.lookups.keys = dict(self._keys)
        return finish(self._deciders[gateway].decide(records, state))

    # ---- pages

    def _ask(self, page: Page) -> None:
        status, size = finish(asked(self._app, page))
        _require(status in STATUSES, f"status {status}")
        _require(size < PAGE_BYTES_MAX, f"{size} bytes")
        path = page.path.split("?")[0]
        _require(path in PAGES or status != 200, f"a page that nobody wrote: {page.path}")
        _require(page.method in ("GET", "HEAD") or status >= 400, f"{page.method} is taken")


async def asked(app: AsgiFastStream, page: Page) -> tuple[int, int]:
    """Ask an app for a page as a server would; return the status and the size of the answer."""
    path, _, query = page.path.partition("?")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": page.method,
        "path": path, "raw_path": path.encode(), "query_string": query.encode(),
        "headers": list(page.headers), "scheme": "http", "root_path": "",
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
    }  # fmt: skip
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": page.body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)  # type: ignore[arg-type]
    return int(sent[0]["status"]), sum(len(message.get("body", b"")) for message in sent)


def fetched(topic: str, raw: bytes) -> Iterator[ConsumerRecord]:
    """Return what a consumer of a stage is given of a batch."""
    made = GuardedRecords(
        TopicPartition(topic, 0), RawBatches(raw), [], BASE, None, None, check_crcs=True,
        isolation_level=READ_COMMITTED,
    )  # fmt: skip
    return iter(made)


def _harness() -> Harness:
    harness = Harness(seed=1)
    for institution in ("6308", "3204"):
        harness.submit(institution=institution)
        harness.submit(channel="counter", institution=institution)
    harness.run()
    return harness


def _decider(harness: Harness, name: str) -> Decider[Any, Any]:
    stage = harness.processes[name].stage
    key = DeadLetterKey(b"d" * 32)
    silent = structlog.wrap_logger(structlog.PrintLogger(open(os.devnull, "w")))  # noqa: SIM115, PTH123
    return Decider(
        stage,
        reader=Reader(name, Clock(), Parking(key.seal_bytes, key.open_bytes), stage.identify),
        writer=Writer(name, is_gateway=True, seal=key.seal_bytes),
        meters=Meters(name),
        logger=silent,
        limits=ShellLimits(),
    )


def _answered(given: Batch, outbounds: list[Outbound], wanted: int) -> None:
    """Hold a gateway to one answer for each record, on the producer's own topic or for it."""
    dead = [o for o in outbounds if o.topic == DEAD_LETTERS.topic()]
    reasons = [dict(o.headers).get("reason") for o in dead]
    _require(not dead, f"dead letters at a gateway: {reasons}")
    own = given.topic.replace("submissions", "answers").replace("outbox", "inbox")
    answers = [o for o in outbounds if o.topic in (own, AGENCIES.topic())]
    _require(len(answers) == wanted, f"{len(answers)} answers to {wanted} records")
    for outbound in answers:
        if outbound.topic == own:
            _require(len(outbound.value) < ANSWER_BYTES_MAX, f"answer of {len(outbound.value)}")
    size = sum(len(o.value) for o in outbounds)
    _require(size < OUT_BYTES_MAX * wanted, f"{size} bytes because of {wanted} records")


def _value_bytes(records: list[ConsumerRecord]) -> int:
    return sum(len(r.value or b"") for r in records if not isinstance(r, Span))


def _sized(outbounds: list[Outbound], wanted: int, unpacked_bytes: int) -> None:
    """Hold replays that nobody asked for to at most a letter each, as large as they are sealed."""
    _require(len(outbounds) <= wanted, f"{len(outbounds)} events of {wanted} replays")
    size = sum(len(o.value) for o in outbounds)
    _require(size <= 1.4 * unpacked_bytes + 1_000 * wanted, f"{size} bytes of {unpacked_bytes}")


def _require(is_so: bool, what: str) -> None:  # noqa: FBT001 - a condition
    if not is_so:
        raise Wrong(what)
