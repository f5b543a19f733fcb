"""What the composition reads from the registry and the settings, and which keys it opens."""

from datetime import UTC, datetime, time

from pydantic import BaseModel

from services.notifier.app import policy_from, reports_to_open, stage_of
from services.notifier.content import Windows
from services.notifier.quiet_hours import QuietHours
from services.notifier.settings import NotifierSettings
from shared.contract.envelope import id_hash
from shared.contract.events import CommandRefused, DeliveryReported
from shared.platform.migrations import read_migrations
from shared.platform.settings import Settings
from shared.registry.load import load
from shared.runtime.reader import Inbound
from shared.vault.key_text import new_key_text
from tests.simulation.memory import MemoryRecord
from tests.unit.notifier.builders import REPORT, a_cause, a_deadline_set, a_report, every_fact

RECORD = MemoryRecord("x", 0, 0, 0, None, None, ())


def inbound(event: BaseModel) -> Inbound:
    """Wrap an event as the shell does."""
    return Inbound(RECORD, event, a_cause(), REPORT, id_hash("cause-1"))


def test_names_zones_and_windows_are_the_registrys() -> None:
    """An institution's own zone and name; an unknown one has the national windows."""
    own = NotifierSettings.model_validate({"quiet_start_local": "22:00"})
    policy = policy_from(load(), own)
    assert policy.names["6308"] == "Pemerintah Kabupaten Hulu Sungai Utara"
    assert policy.zones["6308"] == "Asia/Makassar"
    assert policy.zone == "Asia/Jakarta"
    assert policy.channels == {"file"}
    assert policy.quiet == QuietHours(time(22, 0), time(6, 0))
    at = datetime(2023, 6, 14, tzinfo=UTC)
    for institution in ("", "6308", "9999"):
        assert policy.windows(institution, at) == Windows(10, 10, 30)


def test_only_keys_that_a_message_needs_are_opened() -> None:
    """Every use of a key is logged, so none is used for nothing."""
    delivery = DeliveryReported(report_id=REPORT, notification_id="n-1", outcome="sent")
    refused = every_fact()["reopen_refused"]
    assert isinstance(refused, CommandRefused)
    of_an_officer = refused.model_copy(update={"command": "FollowUp"})
    assert reports_to_open([inbound(delivery), inbound(of_an_officer)]) == set()
    assert reports_to_open([inbound(refused)]) == {REPORT}
    assert reports_to_open([inbound(a_report())]) == {REPORT}
    for clock, is_told in (("follow_up", True), ("dispatch", False), ("completion", False)):
        assert bool(reports_to_open([inbound(a_deadline_set(clock=clock))])) is is_told


def test_the_stage_has_its_loop_and_the_vaults_schema() -> None:
    """The notifier may be the first process there is."""
    settings = Settings.model_validate({"master_key": new_key_text()})
    stage = stage_of(settings, NotifierSettings.model_validate({}), load())
    assert stage.name == "notifier"
    assert stage.load_lookups is not None
    assert len(stage.background) == 1
    assert list(stage.more_schemas) == ["vault"]
    assert read_migrations(stage.migrations, *stage.more_schemas.values())
