"""Composition root of the two gateways: which one runs, the environment says (LAPOR_INSTANCE)."""

from pathlib import Path
from typing import Any, Final

from faststream.asgi import AsgiFastStream

from services.agencies import inbound, outbound, store
from shared import registry
from shared.platform.settings import Settings
from shared.runtime.process import stage_app
from shared.runtime.stage import Stage
from shared.vault import key_store
from shared.vault.crypto import Vault

MIGRATIONS: Final = Path(__file__).with_name("migrations")


def build() -> AsgiFastStream:
    """Compose the gateway that LAPOR_INSTANCE names: `agencies.in` or `agencies.out`.

    Raises:
        KeyError: it names neither. KeyUnusable, RegistryError: what must be set or mended.
    """
    settings = Settings()
    vault = Vault.from_text(settings.master_key.get_secret_value())
    make = {"agencies.in": way_in, "agencies.out": way_out}[settings.instance]
    return stage_app(settings, make(vault, registry.load()))


def way_in(vault: Vault, known: registry.Registry) -> Stage[Any, Any]:
    """Compose the gateway in."""
    return Stage(
        name="agencies.in",
        store=store.IN,
        migrations=MIGRATIONS,
        decide=inbound.decide,
        identify=inbound.identify,
        load_lookups=store.InKnowledge(vault, known).load_lookups,
        more_schemas=key_store.SCHEMAS,
    )


def way_out(vault: Vault, known: registry.Registry) -> Stage[Any, Any]:
    """Compose the gateway out."""
    return Stage(
        name="agencies.out",
        store=store.OUT,
        migrations=MIGRATIONS,
        decide=outbound.decide,
        load_lookups=store.OutKnowledge(vault, known).load_lookups,
        more_schemas=key_store.SCHEMAS,
    )
