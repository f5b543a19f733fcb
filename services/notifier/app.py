"""Compose the notifier: the rule, what it may look up, and the delivery loop beside it."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from faststream.asgi import AsgiFastStream

from services.notifier.announced_dates import NAMED_ELSEWHERE
from services.notifier.attempt import senders_for
from services.notifier.content import AWAITED_BY_REPORTER, REFUSED, Windows
from services.notifier.delivery_loop import DeliveryLoop
from services.notifier.quiet_hours import QuietHours
from services.notifier.renderer import Templates
from services.notifier.rules import NOTIFIED_EVENTS, Key, Lookups, Policy, decide
from services.notifier.settings import NotifierSettings
from services.notifier.store import STORE
from shared.contract.events import CommandRefused, DeadlineSet
from shared.platform.postgres import Connection
from shared.platform.settings import Settings
from shared.registry.load import load
from shared.registry.models import NATIONAL
from shared.registry.registry import Registry
from shared.rules.decision import Cause
from shared.runtime.process import stage_app
from shared.runtime.reader import Inbound
from shared.runtime.stage import Stage
from shared.vault import key_store
from shared.vault.crypto import Vault

_MIGRATIONS: Final = Path(__file__).with_name("migrations")
_ANNOUNCED_CLOCKS: Final = AWAITED_BY_REPORTER | NAMED_ELSEWHERE


def build() -> AsgiFastStream:
    """Compose the stage's process.

    Raises:
        KeyUnusable: LAPOR_MASTER_KEY is missing or malformed. RegistryError: wrong data files.
    """
    settings = Settings()
    return stage_app(settings, stage_of(settings, NotifierSettings(), load()))


def stage_of(settings: Settings, own: NotifierSettings, registry: Registry) -> Stage[Any, Any]:
    """Return the stage."""
    vault = Vault.from_text(settings.master_key.get_secret_value())
    render = Templates()
    policy = policy_from(registry, own)

    async def load_lookups(
        connection: Connection, inbounds: Sequence[Inbound]
    ) -> Mapping[str, Key]:
        return await key_store.open_keys(
            connection, vault, reports_to_open(inbounds), stage="notifier", purpose="notification"
        )

    def context(_cause: Cause, keys: Mapping[str, Key], _lane: object) -> Lookups:
        return Lookups(keys=keys, render=render, policy=policy)

    return Stage(
        name="notifier",
        store=STORE,
        migrations=_MIGRATIONS,
        decide=decide,
        load_lookups=load_lookups,
        context=context,
        more_schemas=key_store.SCHEMAS,
        background=(DeliveryLoop(senders_for(own), vault, own).run,),
        is_latency_tolerant=True,
    )


def reports_to_open(inbounds: Sequence[Inbound]) -> set[str]:
    """Return the reports whose keys a batch may need; every use of a key is logged."""
    return {
        i.report_id
        for i in inbounds
        if isinstance(i.event, NOTIFIED_EVENTS)
        and not (isinstance(i.event, CommandRefused) and i.event.command not in REFUSED)
        and not (isinstance(i.event, DeadlineSet) and i.event.clock not in _ANNOUNCED_CLOCKS)
    }


def policy_from(registry: Registry, own: NotifierSettings) -> Policy:
    """Read names, zones and windows from the registry, the channels from the settings."""
    institutions = registry.institutions.values()
    units = registry.units.values()

    @cache
    def windows_on(code: str, day: date) -> Windows:
        policy = registry.policy(code, day)
        return Windows(
            completion_working_days=policy.limits.completion.amount,
            reply_days=policy.limits.reply.amount,
            reopen_days=policy.reopen_days,
        )

    def windows(institution: str, at: datetime) -> Windows:
        code = institution if institution in registry.institutions else NATIONAL
        zone = ZoneInfo(registry.institution(code).time_zone)
        return windows_on(code, at.astimezone(zone).date())

    return Policy(
        channels=own.channels,
        webhook_local=own.webhook_local,
        quiet=QuietHours(own.quiet_start_local, own.quiet_end_local),
        windows=windows,
        zone=registry.institution(NATIONAL).time_zone,
        zones={i.code: i.time_zone for i in institutions},
        names={i.code: i.name for i in institutions} | {u.code: u.name for u in units},
    )
