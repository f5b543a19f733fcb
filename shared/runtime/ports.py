"""What the shell needs of Kafka and of PostgreSQL, and nothing more.

`kafka/client.py`, `case_store.py` and `recovery/store.py` in this room are the real ones;
`tests/simulation/memory.py` has fakes in memory, so that the same shell runs over both.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Protocol

from shared.contract.envelope import Outbound, Record
from shared.platform.postgres import Connection
from shared.runtime.case_store import LaneSave, Stored
from shared.runtime.lanes import Lane, Partition
from shared.runtime.recovery.comparison import Order, Published, PublishedBefore, Timing


class DestinationsUnavailable(Exception):  # noqa: N818 - says what they do
    """Topics of single channels or institutions are missing, or refuse what is for them.

    All else of the list was acknowledged.
    """

    def __init__(self, topics: Iterable[str]) -> None:
        super().__init__(*sorted(topics))
        self.topics = frozenset(topics)


class Log(Protocol):
    """What the shell needs of Kafka."""

    async def publish(self, outbounds: Sequence[Outbound]) -> None:
        """Send in order per partition, each request after the one before was acknowledged.

        Raises:
            DestinationsUnavailable: all is acknowledged but what is for some destinations.
        """

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Commit for the partitions still assigned; losing them is no error."""

    def seek(self, partition: Partition, offset: int) -> None:
        """Go on at an offset, if the partition is still assigned."""

    def hold(self, partition: Partition) -> None:
        """Read nothing more of a partition until `release`."""

    def release(self, partition: Partition) -> None:
        """Read on."""

    async def committed(self, partitions: Iterable[Partition]) -> dict[Partition, int | None]:
        """Return the group's committed offsets."""

    async def starts(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Return the offsets at which the logs start."""

    async def ends(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Return the offsets at which the logs end."""

    def read_again(
        self, spans: Mapping[Partition, tuple[int, int]], timing: Timing
    ) -> AsyncGenerator[list[Record], None]:
        """Yield the records of spans (first offset, end), beside the group, in `timing`'s order.

        Raises:
            Gone: some of them were removed by retention.
        """


class State(Protocol):
    """What the shell needs of PostgreSQL."""

    async def lanes(self, ids: Sequence[str], tokens: Sequence[int]) -> dict[str, Lane]:
        """Return lanes' rows, made with the given fencing tokens where there were none."""

    async def cases(self, report_ids: Sequence[str]) -> dict[str, Stored]:
        """Load cases."""

    async def save(self, lanes: Sequence[LaneSave], cases: Mapping[str, Stored]) -> None:
        """Save all or nothing; raises Conflict."""

    async def hold(self, lane: Lane, token: int, refused: Sequence[Outbound]) -> None:
        """Keep the refused events of a lane whose other events are published.

        The lane gets the new fencing token. Raises Conflict.
        """

    async def held(self, lane_id: str, topic: str, most: int) -> list[tuple[int, Outbound]]:
        """Return the oldest events of a lane that wait for a topic, with their numbers."""

    async def release(self, numbers: Sequence[int]) -> None:
        """Delete held events that their topic has taken."""

    async def clear(self, lane_id: str, token: int) -> None:
        """Empty a lane's outbox, if its fencing token is still this one."""

    async def load_lookups(self, collect: Callable[[Connection], Awaitable[object]]) -> object:
        """Run look-ups."""


class RecoveryStore(Protocol):
    """What the shell needs of the events published before its database was restored."""

    async def order(self) -> Order | None:
        """Return what is to be decided again or compared; None where there is nothing."""

    async def published(self, subjects: Sequence[str]) -> PublishedBefore:
        """Return what was published about some subjects."""

    async def subjects(self, after: str) -> list[str]:
        """Return the next subjects about which something was published, a bounded number."""

    async def forget(self, published: Sequence[Published]) -> None:
        """Forget what is settled."""

    async def fulfilled(self) -> None:
        """Note that all was decided again."""
