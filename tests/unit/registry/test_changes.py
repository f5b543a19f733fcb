"""What operators publish, laid over the files: pure, shared, total, the same in any lane."""

from datetime import UTC, date, datetime, timedelta
from functools import reduce
from time import process_time
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract.events import (
    CalendarAmended,
    DayKind,
    LimitTerm,
    LimitUnit,
    PolicyChanged,
    ReportClass,
)
from shared.registry import Change, Registry, problems_of
from tests.packaged_registry import REGISTRY

SEEN = datetime(2026, 3, 10, 3, 0, tzinfo=UTC)  # 10:00 WIB
WIB_MIDNIGHT = datetime(2026, 3, 9, 17, 0, tzinfo=UTC)


def a_decree(**fields: object) -> CalendarAmended:
    """Return a decree that takes 2026-08-18 out."""
    given: dict[str, object] = {
        "version": "id-2026-03-10",
        "chain": "indonesia",
        "known_from": date(2026, 3, 10),
        "decree": "Keputusan uji",
        "source": "test",
        "add": ((date(2026, 8, 18), "joint_leave", "Cuti Bersama uji"),),
    }
    return CalendarAmended.model_validate(given | fields)


def a_policy(**fields: object) -> PolicyChanged:
    """Return a limit of Hulu Sungai Utara that is tighter than its own."""
    given: dict[str, object] = {
        "version": "6308-2026-03-10",
        "institution": "6308",
        "valid_from": date(2026, 3, 10),
        "limits": {"follow_up_information": LimitTerm(amount=3, source="test")},
    }
    return PolicyChanged.model_validate(given | fields)


def seen(event: CalendarAmended | PolicyChanged, at: datetime = SEEN) -> Change:
    """Return a change as a lane saw it."""
    return Change(event=event, seen_at=at)


@pytest.mark.parametrize("event", [a_decree(), a_policy()])
def test_a_change_is_json_and_back(event: CalendarAmended | PolicyChanged) -> None:
    """It lies in a case; defaults may be left out."""
    change = seen(event)

    assert Change.model_validate_json(change.model_dump_json(exclude_defaults=True)) == change
    assert hash(change) == hash(seen(event))


def test_without_changes_it_is_the_registry_itself() -> None:
    """Nothing is made for nothing."""
    assert REGISTRY.amended(()) is REGISTRY


@pytest.mark.parametrize(
    ("seen_at", "known_from", "counts_from"),
    [
        (SEEN, date(2026, 3, 10), SEEN),
        (WIB_MIDNIGHT - timedelta(hours=5), date(2026, 3, 10), WIB_MIDNIGHT),
    ],
)
def test_a_decree_counts_from_when_it_was_seen_but_not_before_its_day(
    seen_at: datetime, known_from: date, counts_from: datetime
) -> None:
    """The local day of the chain's zone."""
    amended = REGISTRY.amended((seen(a_decree(known_from=known_from), seen_at),))

    before = amended.calendar("6308", counts_from - timedelta(microseconds=1))
    since = amended.calendar("6308", counts_from)

    assert (before.version, since.version) == ("id-2025-09-19", "id-2026-03-10")
    assert before is REGISTRY.calendar("6308", SEEN)
    assert since.reason(date(2026, 8, 18)) == "Cuti Bersama uji (Keputusan uji)"
    assert not since.is_working_day(date(2026, 8, 18))


def test_lanes_that_saw_it_at_other_times_share_the_calendar() -> None:
    """Twelve lanes have one calendar of a version, and the same registry for the same changes."""
    lanes = [(seen(a_decree(), SEEN + timedelta(milliseconds=n)),) for n in range(12)]
    later = SEEN + timedelta(days=1)

    calendars = {id(REGISTRY.amended(lane).calendar("00", later)) for lane in lanes}

    assert len(calendars) == 1
    assert REGISTRY.amended(lanes[3]) is REGISTRY.amended((seen(a_decree(), lanes[3][0].seen_at),))
    assert REGISTRY.amended(lanes[3]).units is REGISTRY.units


def test_many_lanes_are_cheap() -> None:
    """A thousand lookups in twelve lanes cost less than one calendar would."""
    lanes = [(seen(a_decree(), SEEN + timedelta(milliseconds=n)),) for n in range(12)]
    for lane in lanes:
        REGISTRY.amended(lane).calendar("00", SEEN + timedelta(days=1))

    began = process_time()
    for _ in range(1_000):
        for lane in lanes:
            REGISTRY.amended(lane)

    assert (process_time() - began) / 12_000 < 100e-6


def test_what_the_files_say_already_changes_nothing_when_published() -> None:
    """The same decree in the files and on the stream is one; since when is kept for open cases."""
    written = REGISTRY.chains["indonesia"].versions[-1]
    event = CalendarAmended(
        version="id-2025-09-19", chain="indonesia", **written.model_dump(exclude={"source"}),
        source="another source",
    )  # fmt: skip

    amended = REGISTRY.amended((seen(event), seen(event, SEEN + timedelta(days=1))))

    assert problems_of(seen(event), REGISTRY) == []
    assert amended.published == (seen(event),)
    assert amended.chains is REGISTRY.chains
    assert amended.calendar("00", SEEN) is REGISTRY.calendar("00", SEEN)


def test_limits_that_the_files_have_too_are_one() -> None:
    """The next release carries them; what was published before stays published."""
    limits = {"follow_up_information": LimitTerm(amount=5, source="another source")}
    event = a_policy(version="6308-2023-01-01", valid_from=date(2023, 1, 1), limits=limits)
    amended = REGISTRY.amended((seen(event),))

    assert amended.published == (seen(event),)
    assert amended.policy("6308", SEEN) == REGISTRY.policy("6308", SEEN)


def test_the_same_change_twice_is_one() -> None:
    """A repetition is no second version."""
    once = REGISTRY.amended((seen(a_decree()),))
    twice = REGISTRY.amended((seen(a_decree()), seen(a_decree(), SEEN + timedelta(days=2))))

    assert twice.chains["indonesia"].versions == once.chains["indonesia"].versions
    assert twice.calendar("00", SEEN) is once.calendar("00", SEEN)


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        (a_decree(chain="mars"), "calendar mars is not in calendars/ (there are: indonesia)"),
        (a_decree(version="id-2026-03-11"), "a version of 2026-03-10 is named id-2026-03-10"),
        (
            a_decree(version="id-2025-09-19", known_from=date(2025, 9, 19)),
            "there is a version of that name with other days",
        ),
        (
            a_decree(version="id-2025-09-18", known_from=date(2025, 9, 18)),
            "is older than the newest known version, of 2025-09-19",
        ),
        (
            a_decree(add=((date(2026, 1, 1), "national", "again"),)),
            "adds 2026-01-01, which an earlier version has",
        ),
        (
            a_decree(add=((date(2027, 1, 1), "national", "early"),)),
            "adds 2027-01-01 to a year no decree decides",
        ),
        (a_decree(add=(), remove=(date(2026, 8, 18),)), "removes 2026-08-18, which no earlier"),
        (a_decree(add=((date(2026, 9, 1), "national", "x"),) * 2), "day 2026-09-01 occurs 2 times"),
        (
            a_decree(add=((date(2199, 1, 1), "provisional", "far"),)),
            "adds 2199-01-01, which is outside 2000 to 2099",
        ),
        (a_decree(decides=(1999,)), "decides 1999, which is outside"),
        (a_decree(known_from=date.min), "0001-01-01 is outside 2000 to 2099"),
        (a_decree(known_from=date.max), "9999-12-31 is outside 2000 to 2099"),
        (a_decree(version="id-2026-03-10-0"), "a version of 2026-03-10 is named id-2026-03-10"),
        (a_decree(version="id-2026-03-10-02"), "is named id-2026-03-10-2"),
        (
            a_decree(version="id-2025-09-19-0", known_from=date(2025, 9, 19)),
            "is named id-2025-09-19",
        ),
        (a_policy(valid_from=date.max), "9999-12-31 is outside 2000 to 2099"),
        (
            a_decree(add=((date(2026, 9, 1), "provisional", "x"),)),
            "adds 2026-09-01 as provisional to a year that is decided",
        ),
        (a_policy(institution="9999"), "institution 9999 is not in institutions/"),
        (a_policy(version="6308-2026-03-11"), "is named 6308-2026-03-10"),
        (a_policy(limits={}), "states no limit"),
        (a_policy(limits={"tea": LimitTerm(amount=1, source="x")}), "tea is no limit"),
        (
            a_policy(limits={"reply": LimitTerm(amount=400, unit="calendar_days", source="x")}),
            "less than or equal to 365",
        ),
        (
            a_policy(limits={"dispatch": LimitTerm(amount=4, source="x")}),
            "limit dispatch of 4 is looser than the national 3",
        ),
        (
            a_policy(version="6308-2023-01-01", valid_from=date(2023, 1, 1)),
            "there is a version of that name with other limits",
        ),
        (
            a_policy(version="6308-2022-01-01", valid_from=date(2022, 1, 1)),
            "is older than the version in force, of 2023-01-01",
        ),
    ],
)
def test_a_bad_change_is_named_and_left_out(
    event: CalendarAmended | PolicyChanged, problem: str
) -> None:
    """The command line refuses it; a lane that saw it nevertheless goes on without."""
    problems = problems_of(seen(event), REGISTRY)

    assert any(problem in said for said in problems), problems
    assert REGISTRY.amended((seen(event),)) is REGISTRY


def limit_of(registry: Registry, at: datetime) -> int:
    """Return the limit for a request for information at Hulu Sungai Utara."""
    return registry.policy("6308", at).limit("follow_up", ReportClass.INFORMATION).amount


def test_a_policy_counts_from_when_it_was_seen_and_leaves_the_rest() -> None:
    """Only what it states changes; the version names it."""
    amended = REGISTRY.amended((seen(a_policy()),))
    before, since = SEEN - timedelta(microseconds=1), SEEN

    assert (limit_of(amended, before), limit_of(amended, since)) == (5, 3)
    assert amended.policy("6308", since).version == "national-2019-01-01+6308-2026-03-10"
    assert amended.policy("6308", since).limit("follow_up", ReportClass.SUPERVISED).amount == 5
    assert amended.policy("3204", since) is REGISTRY.policy("3204", since)
    assert amended.calendar("6308", since) is REGISTRY.calendar("6308", since)


def test_a_national_policy_reaches_all_and_none_becomes_looser() -> None:
    """`00` means the nation: an institution's own limit that is looser than it gives way."""
    limits = {"follow_up_information": LimitTerm(amount=4, source="test")}
    event = a_policy(institution="00", version="national-2026-03-10", limits=limits)
    amended = REGISTRY.amended((seen(event),))
    policy = amended.policy("3204", SEEN)

    assert problems_of(seen(event), REGISTRY) == []
    assert policy.version == "national-2026-03-10"
    assert policy.limit("follow_up", ReportClass.INFORMATION).amount == 4
    assert policy.limit("follow_up", ReportClass.SUPERVISED).amount == 60
    assert limit_of(amended, SEEN) == 4
    assert amended.policy("6308", SEEN).limit("follow_up", ReportClass.SUPERVISED).amount == 5


def test_changes_add_up_in_any_number() -> None:
    """A decree, its successor that takes a day back, and a policy."""
    back = a_decree(
        version="id-2026-04-01", known_from=date(2026, 4, 1), add=(), remove=(date(2026, 8, 18),)
    )
    later = datetime(2026, 4, 2, tzinfo=UTC)
    changes = (seen(a_decree()), seen(a_policy()), seen(back, later))
    amended = REGISTRY.amended(changes)

    assert amended.published == changes
    assert not amended.calendar("00", SEEN).is_working_day(date(2026, 8, 18))
    assert amended.calendar("00", later).is_working_day(date(2026, 8, 18))
    assert limit_of(amended, later) == 3


def test_a_mistake_is_corrected_on_the_same_day() -> None:
    """A day's second version is named so, and counts from when it was seen."""
    back = a_decree(version="id-2026-03-10-2", add=(), remove=(date(2026, 8, 18),))
    later = SEEN + timedelta(minutes=5)
    tighter = {"follow_up_information": LimitTerm(amount=2, source="test")}
    limits = a_policy(version="6308-2026-03-10-2", limits=tighter)
    amended = REGISTRY.amended(
        (seen(a_decree()), seen(a_policy()), seen(back, later), seen(limits, later))
    )

    assert amended.calendar("00", SEEN).version == "id-2026-03-10"
    assert amended.calendar("00", later).version == "id-2026-03-10-2"
    assert amended.calendar("00", later).is_working_day(date(2026, 8, 18))
    assert (limit_of(amended, SEEN), limit_of(amended, later)) == (3, 2)
    assert amended.policy("6308", later).version == "national-2019-01-01+6308-2026-03-10-2"
    assert problems_of(seen(a_decree(), later + timedelta(days=1)), amended) == []


def test_a_decree_published_before_a_later_one_in_the_files_stays() -> None:
    """The files may have grown since: what counted then still does, and is named so."""
    event = a_decree(version="id-2025-08-20", known_from=date(2025, 8, 20),
                     add=((date(2025, 10, 1), "national", "x"),))  # fmt: skip
    then = datetime(2025, 8, 20, 4, tzinfo=UTC)
    amended = REGISTRY.amended((seen(event, then),))

    assert amended.calendar("00", then).version == "id-2025-08-20"
    assert amended.calendar("00", SEEN).version == "id-2025-09-19"
    assert not amended.calendar("00", SEEN).is_working_day(date(2025, 10, 1))


DAYS = st.dates(date(2026, 3, 8), date(2026, 3, 13)) | st.sampled_from([date.min, date.max])
DECREES = st.builds(
    lambda day, suffix, add, remove, decides: a_decree(
        version=f"id-{day}{suffix}", known_from=day, remove=remove, decides=decides,
        add=tuple((on, kind, "x") for on, kind in add),
    ),
    DAYS,
    st.sampled_from(["", "", "-2", "-0", "x"]),
    st.lists(st.tuples(DAYS, st.sampled_from(get_args(DayKind))), max_size=3),
    st.lists(DAYS, max_size=2),
    st.sampled_from([(), (2026,), (2027,), (1, 9999)]),
)  # fmt: skip
POLICIES = st.builds(
    lambda code, day, name, unit, amount: a_policy(
        version=f"{'national' if code == '00' else code}-{day}", institution=code, valid_from=day,
        limits={name: LimitTerm(amount=amount, unit=unit, source="x")},
    ),
    st.sampled_from(["00", "6308", "9999"]),
    DAYS,
    st.sampled_from(["dispatch", "reply", "follow_up_again", "tea"]),
    st.sampled_from(get_args(LimitUnit)),
    st.integers(1, 400),
)  # fmt: skip


@given(
    st.lists(
        st.builds(
            seen, DECREES | POLICIES, st.integers(0, 100).map(lambda h: SEEN + timedelta(hours=h))
        ),
        max_size=6,
    ).map(tuple)
)
def test_any_changes_in_any_order_give_a_registry_that_answers(changes: tuple[Change, ...]) -> None:
    """Total, the same step by step as at once, and never looser than the nation."""
    amended = REGISTRY.amended(changes)
    one_by_one = reduce(lambda known, change: known.amended((change,)), changes, REGISTRY)

    assert amended.published == one_by_one.published
    for hours in (0, 30, 60, 200):
        at = SEEN + timedelta(hours=hours)
        for code in REGISTRY.institutions:
            policy, nation = amended.policy(code, at), amended.policy("00", at)
            assert amended.calendar(code, at) is one_by_one.calendar(code, at)
            assert policy == one_by_one.policy(code, at)
            assert all(
                limit.is_no_looser_than(nation.limits.by_name()[name])
                for name, limit in policy.limits.by_name().items()
            )
