"""Composition root of intake."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from faststream.asgi import AsgiFastStream

from services.intake.classifier import Model
from services.intake.lookups import LookupLoader, Suggest
from services.intake.rules import decide, identify
from services.intake.screening import (
    MODEL_PATH,
    Claim,
    Gazetteer,
    InstitutionNames,
    Suggestions,
    suggest,
)
from services.intake.store import STORE
from services.intake.validation import RegisteredCodes
from shared.contract.events import SubmitReport
from shared.platform.settings import Settings
from shared.registry import NATIONAL, Institution, Registry, load
from shared.runtime.process import stage_app
from shared.runtime.stage import Stage
from shared.vault import key_store
from shared.vault.crypto import Vault

MIGRATIONS: Final = Path(__file__).with_name("migrations")
_VILLAGES: Final = frozenset({"kelurahan", "desa"})


def build() -> AsgiFastStream:
    """Compose intake.

    Raises:
        KeyUnusable, RegistryError, ModelBroken: what must be set or mended.
    """
    settings = Settings()
    vault = Vault.from_text(settings.master_key.get_secret_value())
    return stage_app(settings, stage_of(vault, load(), Model.load(MODEL_PATH)))


def stage_of(vault: Vault, registry: Registry, model: Model) -> Stage[Any, Any]:
    """Compose the stage from its keys, the registry and the screening model."""
    codes = RegisteredCodes(
        institutions=registry.institutions,
        categories=registry.categories,
        places=registry.places,
        backdating_days={name: c.backdating_days for name, c in registry.channels.items()},
    )
    return Stage(
        name="intake",
        store=STORE,
        migrations=MIGRATIONS,
        decide=decide,
        identify=partial(identify, report_id=vault.report_id),
        load_lookups=LookupLoader(vault, codes, suggester(registry, model)).load_lookups,
        more_schemas=key_store.SCHEMAS,
    )


def suggester(registry: Registry, model: Model) -> Suggest:
    """Return what suggests class, category and institution of a submission and its words."""
    gazetteer = Gazetteer(
        {
            code: names_of(institution, registry)
            for code, institution in registry.institutions.items()
            if code != NATIONAL  # it hands reports on and is nobody's addressee
        }
    )

    def suggest_for(event: SubmitReport, words: Sequence[str]) -> Suggestions:
        claim = Claim(
            report_class=event.report_class,
            category_id=event.category_id,
            institution=event.institution,
            place_code=event.place_code,
            place=event.place,
        )
        return suggest(words, claim, model, gazetteer)

    return suggest_for


def names_of(institution: Institution, registry: Registry) -> InstitutionNames:
    """Gather how people name an institution and the places of its region."""
    return InstitutionNames(
        names=(institution.name, institution.short_name, *institution.keywords),
        places=tuple(_places(institution, registry, villages=False)),
        villages=tuple(_places(institution, registry, villages=True)),
        region=institution.place,
    )


def _places(institution: Institution, registry: Registry, *, villages: bool) -> Iterator[str]:
    if institution.place is None:
        return
    for code, place in registry.places.items():
        if code.startswith(f"{institution.place}.") and (place.level in _VILLAGES) == villages:
            yield place.name
