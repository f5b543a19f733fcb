"""The calendars and instants that the tests of working days count with."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from shared.worktime.working_days import Calendar
from tests.packaged_registry import REGISTRY

TODAY = date(2026, 11, 24)
WIB = REGISTRY.calendar("3204", TODAY)
WITA = REGISTRY.calendar("6308", TODAY)
WIT = Calendar(
    version=WIB.version,
    zone=ZoneInfo("Asia/Jayapura"),
    working_week=WIB.working_week,
    days_off=WIB.days_off,
    years=WIB.years,
)
FIRST = datetime(2023, 1, 2, tzinfo=UTC)
INSTANTS = st.timedeltas(timedelta(0), timedelta(days=1_275)).map(lambda later: FIRST + later)


def at(text: str) -> datetime:
    """Read an instant."""
    return datetime.fromisoformat(text)
