"""Composition root of the two gateways: which one runs, the environment says (LAPOR_INSTANCE)."""

from pathlib import Path
from typing import Any, Final

from faststream.asgi import AsgiFastStream

from services.agencies import inbound, outbound, store
from services.agencies.lookups import InboundLookupLoader, OutboundLookupLoader
from shared.platform.settings import Settings
from shared.registry import Registry, load
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
    return stage_app(settings, stage_of(settings.instance, vault, load()))


def stage_of(name: str, vault: Vault, registry: Registry) -> Stage[Any, Any]:
    """Compose the gateway of that name."""
    return {"agencies.in": _inbound, "agencies.out": _outbound}[name](vault, registry)


def _inbound(vault: Vault, registry: Registry) -> Stage[Any, Any]:
    """Compose the inbound gateway."""
    return Stage(
        name="agencies.in",
        store=store.IN,
        migrations=MIGRATIONS,
        decide=inbound.decide,
        identify=inbound.identify,
        load_lookups=InboundLookupLoader(vault, registry).load_lookups,
        more_schemas=key_store.SCHEMAS,
    )


def _outbound(vault: Vault, registry: Registry) -> Stage[Any, Any]:
    """Compose the outbound gateway."""
    return Stage(
        name="agencies.out",
        store=store.OUT,
        migrations=MIGRATIONS,
        decide=outbound.decide,
        load_lookups=OutboundLookupLoader(vault, registry).load_lookups,
        more_schemas=key_store.SCHEMAS,
    )
