"""What the gateways look up for a batch: the keys of reports, and the registry's codes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from services.agencies import inbound, outbound
from services.agencies.entries import ENTRY_TYPES
from shared.contract import events as e
from shared.registry import Registry
from shared.vault.crypto import Vault
from shared.vault.key_store import open_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.platform.postgres import Connection
    from shared.runtime.reader import Inbound

_ERASED: Final = """
    SELECT report_id FROM vault.report_key
    WHERE report_id = ANY($1::text[]) AND destroyed_at IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class InboundLookupLoader:
    """Loads what the inbound gateway may know beside its cases."""

    vault: Vault
    registry: Registry

    async def load_lookups(
        self, connection: "Connection", batch: "Sequence[Inbound]"
    ) -> inbound.Lookups:
        """Fetch the keys of the reports named; one statement, a second if some have none."""
        named = {i.report_id for i in batch if isinstance(i.event, e.Command)}
        keys = await open_keys(
            connection,
            self.vault,
            named,
            stage="agencies.in",
            purpose="seal an institution's words",
        )
        missing = sorted(named - keys.keys())
        erased = await connection.fetch(_ERASED, missing) if missing else []
        return inbound.Lookups(
            keys=keys,
            erased=frozenset(row["report_id"] for row in erased),
            institutions=self.registry.institutions,
            units=self.registry.units,
            categories=self.registry.categories,
            places=self.registry.places,
        )


@dataclass(frozen=True, slots=True)
class OutboundLookupLoader:
    """Loads what the outbound gateway may know beside its cases."""

    vault: Vault
    registry: Registry

    async def load_lookups(
        self, connection: "Connection", batch: "Sequence[Inbound]"
    ) -> outbound.Lookups:
        """Fetch, in one statement, the keys of reports whose words this batch may show."""
        with_words = {i.report_id for i in batch if _shows_words(i.event)}
        keys = await open_keys(
            connection,
            self.vault,
            with_words,
            stage="agencies.out",
            purpose="show it to who holds it",
        )
        return outbound.Lookups(keys=keys, institutions=self.registry.institutions)


def _shows_words(event: object) -> bool:
    """Tell whether deciding the event can open words: its own, or those that waited for it."""
    if isinstance(event, e.ReportReceived | e.ReportForwarded):
        return True
    entry_type = ENTRY_TYPES.get(type(event))  # type: ignore[arg-type]
    field = entry_type and entry_type.words
    return field is not None and getattr(event, field) is not None
