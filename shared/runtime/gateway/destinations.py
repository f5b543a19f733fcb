"""Destinations (topics of one channel or institution) that are missing or refuse records."""

import secrets
from collections.abc import Iterable
from typing import Final

import structlog

from shared.runtime.lanes import Lane, unpack
from shared.runtime.ports import DestinationsUnavailable, Log, State

HELD_AT_ONCE: Final = 500  # events of one lane for one topic


class Destinations:
    """Holds a lane's events for unavailable destinations and publishes them later.

    At a gateway nothing more of the lane is read meanwhile, so what is held has a bound.
    """

    def __init__(
        self, state: State, log: Log, logger: structlog.stdlib.BoundLogger, *, is_gateway: bool
    ) -> None:
        self._state = state
        self._log = log
        self._logger = logger
        self._is_gateway = is_gateway
        self.lanes: set[str] = set()  # with held events

    async def hold(self, lane: Lane, refused: frozenset[str]) -> None:
        """Keep a lane's events for unavailable destinations; all others are published.

        Raises:
            Conflict: another process saved the lane.
        """
        topics = refused | lane.held
        held = [outbound for outbound in unpack(lane.outbox) if outbound.topic in topics]
        if not held:
            return
        token = secrets.randbits(62)
        await self._state.hold(lane, token, held)
        lane.fencing_token, lane.outbox = token, b""
        new = {outbound.topic for outbound in held} - lane.held
        lane.held |= new
        for topic in sorted(new):
            self._logger.error("destination_unavailable", topic=topic, lane=lane.id)
        self.resume(lane)

    def resume(self, lane: Lane) -> None:
        """Note what is held of a lane; at a gateway pause reading it."""
        if not lane.held:
            return
        self.lanes.add(lane.id)
        if self._is_gateway:
            for partition in lane.offsets:
                self._log.hold(partition)

    async def redeliver(self, lanes: Iterable[Lane]) -> None:
        """Publish what was held for destinations that are available again, in the order decided."""
        for lane in lanes:
            for topic in sorted(lane.held):
                if await self._redeliver(lane, topic):
                    lane.held -= {topic}
                    self._logger.warning("destination_available", topic=topic, lane=lane.id)
            if not lane.held:
                self.lanes.discard(lane.id)
                for partition in lane.offsets:
                    self._log.release(partition)

    async def _redeliver(self, lane: Lane, topic: str) -> bool:
        while rows := await self._state.held(lane.id, topic, HELD_AT_ONCE):
            try:
                await self._log.publish([outbound for _, outbound in rows])
            except DestinationsUnavailable:
                return False
            await self._state.release([number for number, _ in rows])
        return True
