"""Single channels and institutions whose topic is missing or refuses: only theirs waits."""

import secrets
from collections.abc import Iterable
from typing import Final

import structlog

from shared.runtime.lanes import Lane, unpack
from shared.runtime.ports import DestinationsUnavailable, Log, State

HELD_AT_ONCE: Final = 500  # events of one lane for one topic


class Destinations:
    """Holds a lane's events for topics that refuse them, and publishes them once those take them.

    At a gateway the producer waits with them: nothing more of the lane is read meanwhile, so what
    is held has a bound.
    """

    def __init__(
        self, state: State, log: Log, logger: structlog.stdlib.BoundLogger, *, is_gateway: bool
    ) -> None:
        self._state = state
        self._log = log
        self._logger = logger
        self._is_gateway = is_gateway
        self.lanes: set[str] = set()  # with something held

    async def hold(self, lane: Lane, refused: frozenset[str]) -> None:
        """Keep what a lane has for topics that refuse; all else of it is published.

        Raises:
            Conflict: another process saved the lane.
        """
        topics = refused | lane.held
        mine = [outbound for outbound in unpack(lane.outbox) if outbound.topic in topics]
        if not mine:
            return
        token = secrets.randbits(62)
        await self._state.hold(lane, token, mine)
        lane.fencing_token, lane.outbox = token, b""
        new = {outbound.topic for outbound in mine} - lane.held
        lane.held |= new
        for topic in sorted(new):
            self._logger.error("destination_refuses", topic=topic, lane=lane.id)
        self.resume(lane)

    def resume(self, lane: Lane) -> None:
        """Note what is held of a lane, and let its producer wait."""
        if not lane.held:
            return
        self.lanes.add(lane.id)
        if self._is_gateway:
            for partition in lane.offsets:
                self._log.hold(partition)

    async def redeliver(self, lanes: Iterable[Lane]) -> None:
        """Publish what was held for topics that take it again, in the order decided."""
        for lane in lanes:
            for topic in sorted(lane.held):
                if await self._redeliver(lane, topic):
                    lane.held -= {topic}
                    self._logger.warning("destination_takes_again", topic=topic, lane=lane.id)
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
