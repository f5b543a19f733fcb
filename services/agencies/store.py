"""How the gateways' cases lie in their `cases` tables, and the keys they fetch for a batch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from services.agencies import inbound, outbound
from services.agencies.entries import ENTRY_TYPES
from shared.contract import events as e
from shared.registry import Registry
from shared.runtime.case_store import CaseStore
from shared.vault.crypto import Vault
from shared.vault.key_store import open_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.platform.postgres import Connection
    from shared.runtime.reader import Inbound

IN: Final = CaseStore(
    case=inbound.Gateway,
    is_open=lambda _case: False,  # a command is answered or passed on at once
)
OUT: Final = CaseStore(
    case=outbound.Told,
    is_open=lambda case: not case.is_ended,
)

_ERASED: Final = """
    SELECT report_id FROM vault.report_key
    WHERE report_id = ANY($1::text[]) AND destroyed_at IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class InKnowledge:
    """What the gateway in knows beside its schema."""

    vault: Vault
    registry: Registry

    async def load_lookups(
        self, connection: "Connection", batch: "Sequence[Inbound]"
    ) -> inbound.Known:
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
        return inbound.Known(
            keys=keys,
            erased=frozenset(row["report_id"] for row in erased),
            institutions=self.registry.institutions,
            units=self.registry.units,
            categories=self.registry.categories,
            places=self.registry.places,
        )


@dataclass(frozen=True, slots=True)
class OutKnowledge:
    """What the gateway out knows beside its schema."""

    vault: Vault
    registry: Registry

    async def load_lookups(
        self, connection: "Connection", batch: "Sequence[Inbound]"
    ) -> outbound.Known:
        """Fetch, in one statement, the keys of reports whose words this batch may show."""
        wordy = {i.report_id for i in batch if _shows_words(i.event)}
        keys = await open_keys(
            connection, self.vault, wordy, stage="agencies.out", purpose="show it to who holds it"
        )
        return outbound.Known(keys=keys, institutions=self.registry.institutions)


def _shows_words(event: object) -> bool:
    """Tell whether deciding the event can open words: its own, or those that waited for it."""
    if isinstance(event, e.ReportReceived | e.ReportForwarded):
        return True
    told = ENTRY_TYPES.get(type(event))  # type: ignore[arg-type]
    return told is not None and told.words is not None and getattr(event, told.words) is not None
