"""Throttles the answers to a producer whose messages are rejected often: see `throttle.py`."""

from typing import Generic, TypeVar

import structlog
from pydantic import BaseModel

from shared.contract.envelope import Record
from shared.rules.decision import Decision, Unreadable
from shared.runtime.batch import UnitOfWork
from shared.runtime.gateway import throttle
from shared.runtime.lanes import Partition, gateway_lane
from shared.runtime.metrics import Meters
from shared.runtime.reader import Inbound
from shared.runtime.stage import ShellLimits, Stage

C = TypeVar("C", bound=BaseModel)
P = TypeVar("P")
SLOW_DOWN = "slow_down"


class RejectionThrottle(Generic[C, P]):
    """Counts the rejections of one gateway, in the row of each lane."""

    def __init__(
        self,
        stage: Stage[C, P],
        *,
        meters: Meters,
        logger: structlog.stdlib.BoundLogger,
        limits: ShellLimits,
    ) -> None:
        self._stage = stage
        self._meters = meters
        self._logger = logger
        self._limits = limits

    def pause(self, work: UnitOfWork, inbound: Inbound) -> Inbound:
        """Set until when the rule ignores this producer's wrong proofs about the report."""
        state = throttle.load(work.case(throttle.throttle_row(lane_of(inbound.record))).decided)
        until = state.wrong_proofs(inbound.report_id).until_ms
        if inbound.record.timestamp >= until:
            return inbound
        return inbound._replace(cause=inbound.cause._replace(paused_until=throttle.time_of(until)))

    def count(
        self, work: UnitOfWork, inbound: Inbound, decision: Decision[C], context: P
    ) -> Decision[C]:
        """Count a rejection in its lane's row; past the rate one answer stands for many."""
        record, limits = inbound.record, self._limits
        row = throttle.throttle_row(lane_of(record))
        stored, limit = work.case(row), limits.refused_per_minute_max
        now = throttle.load(stored.decided).reject(record.timestamp, record.offset, limit)
        if decision.is_wrong_proof:
            now = now.wrong_proof(inbound.report_id, record.timestamp)
        work.change(row, stored._replace(decided=throttle.dump(now)))
        if not now.is_unanswered(limit):
            return decision
        self._meters.skipped("refused_unanswered")
        if not now.is_slow_down(limit, limits.refused_per_answer):
            return Decision(decision.case, refused=True)
        where = f"{record.topic}/{record.partition}, offset {now.first} to {record.offset}"
        slow = Unreadable(reason=SLOW_DOWN, detail=where)
        self._logger.warning("slow_down", lane=lane_of(record), refused=now.refused)
        return self._stage.decide(None, slow, inbound.cause, context)


def lane_of(record: Record) -> str:
    """Return the lane of a record at a gateway."""
    return gateway_lane(Partition(record.topic, record.partition))
