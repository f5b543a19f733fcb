"""What will happen to each report of the demo: a row of the real export, a seed, and chance.

Pure: the same rows and seed give the same lives. Times are aware and UTC, lengths in working days
of the institution unless their name says otherwise.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Final

from shared.contract import tracking
from shared.contract.events import ReportClass
from shared.worktime.working_days import Calendar

BANDUNG: Final = "3204"
HSU: Final = "6308"
BANDUNG_PLACE: Final = "32.04"  # Kemendagri code of Kabupaten Bandung
LIMIT_DAYS: Final[Mapping[ReportClass, int]] = {  # domain.md section 1, clock 3
    ReportClass.INFORMATION: 5,
    ReportClass.UNSUPERVISED: 14,
    ReportClass.SUPERVISED: 60,
    ReportClass.ASPIRATION: 14,
}
HSU_LIMIT_DAYS: Final = 5  # HSU's own target for every class (domain.md section 1)
ROOM_DAYS: Final = 25  # calendar days that a report still lives after its follow-up: reply, close


class Ending(StrEnum):
    """The final statuses of the export, word for word, and two that its year 2023 has not."""

    SYSTEM = "Ditutup oleh Sistem"
    REPORTER = "Ditutup oleh Pelapor"
    ADMIN = "Ditutup oleh Admin"
    ARCHIVED_ADMIN = "Diarsipkan oleh Admin"
    ARCHIVED_SYSTEM = "Diarsipkan oleh Sistem"
    ARCHIVED_REPORTER = "Diarsipkan oleh Pelapor"
    INCOMPLETE = "Menunggu Kelengkapan Informasi"
    BLOCKED = "Konten Terblokir"
    DUPLICATE = "Diarsipkan oleh Admin (ganda)"


class Completion(StrEnum):
    """Whether the institution asks the reporter first, and what the reporter does then."""

    NO = "no"
    ANSWERS = "answers"
    SILENT = "silent"


CLOSED: Final = frozenset({Ending.SYSTEM, Ending.REPORTER, Ending.ADMIN})


@dataclass(frozen=True, slots=True)
class ActorDelays:
    """How long each party takes; the reporter's are calendar days, the others working days."""

    national: int
    institution: int
    initial: int | None  # none: the unit follows up without a first word
    follow_up: int
    again: int  # a further follow-up, after a reply or a reopening
    close: int
    reporter: float
    hour: float  # local time of day at which officers act


_unnamed: Final = partial(tracking.report_id, b"no installation")


@dataclass(frozen=True, slots=True)
class ReportScript:
    """One report from its submission to its end, as its parties will act it out."""

    message_id: str
    channel: str
    submitted_at: datetime
    category_id: str
    report_class: ReportClass
    claims_class: bool
    anonymous: bool
    confidential: bool
    addressed: str | None  # the institution the reporter names, right or wrong
    place_code: str | None  # the region, where the reporter's form asked for it
    owner: str  # the institution that has to deal with it
    unit: str | None  # the unit of the export, where it names one
    ending: Ending
    pace: ActorDelays
    asked: Completion = Completion.NO
    returns_unit: bool = False
    replies: bool = False
    reopens: bool = False
    archive_reason: str = "unclear"
    rating: int = 4
    text_seed: str = ""
    duplicate_of: str | None = None  # message id of the report that this one repeats
    is_extra: bool = False  # ours, beside the export
    named_by: Callable[[str, str], str] = field(default=_unnamed, compare=False, repr=False)
    report_id: str = field(init=False)

    def __post_init__(self) -> None:
        """Derive the report's id as the installation does that the demo plays on."""
        object.__setattr__(self, "report_id", self.named_by(self.channel, self.message_id))

    @property
    def author(self) -> str:
        """Name the fictitious reporter; a duplicate has the author of what it repeats."""
        return self.duplicate_of or self.message_id


@dataclass(frozen=True, slots=True)
class ExportRow:
    """What the demo uses of a row of the export."""

    number: str
    received_at: datetime
    report_class: ReportClass | None
    category_id: str | None
    anonymous: bool
    confidential: bool
    source: str
    unit: str | None
    status: Ending


@dataclass(frozen=True, slots=True)
class World:
    """What chance draws from: the calendar, the year's end, categories with texts, HSU's units."""

    calendar: Calendar
    ends_at: datetime  # when the demo's clock stops
    categories: Mapping[str, int] = field(default_factory=dict)  # id -> how often it is seen


def channel_of(source: str) -> str:
    """Map the export's source to a channel of the registry; what officers typed is the counter."""
    if source.startswith("Website - "):
        return "institution-page"
    named = {"Website": "website", "Android": "android", "iOS": "ios", "SMS": "sms-1708"}
    return named.get(source, "counter")


def lives(rows: Sequence[ExportRow], world: World, seed: int) -> tuple[ReportScript, ...]:
    """Return the life of every row of the export, in the order they came."""
    return tuple(_life(row, world, _dice(seed, row.number)) for row in rows)


def _dice(seed: int, name: str) -> random.Random:
    return random.Random(f"{seed}/{name}")  # noqa: S311 - a play, not a secret


def _life(row: ExportRow, world: World, dice: random.Random) -> ReportScript:
    report_class = (
        row.report_class
        or dice.choices(tuple(LIMIT_DAYS), (24.2, 54.5, 5.4, 4.3)[: len(LIMIT_DAYS)])[0]
    )
    category_id = row.category_id or _category(world, dice)
    asked, addressed = _asked(row.status, dice), _addressed(dice)
    pace = _pace(row.received_at, LIMIT_DAYS[report_class], world, dice)
    return ReportScript(
        message_id=f"lapor-{row.received_at.year}-{row.number}",
        channel=channel_of(row.source),
        submitted_at=row.received_at,
        category_id=category_id,
        report_class=report_class,
        claims_class=dice.random() < 0.7,  # noqa: PLR2004 - officers decide the rest (a guess)
        anonymous=row.anonymous,
        confidential=row.confidential,
        addressed=addressed,
        place_code=_place(addressed, dice),
        owner=BANDUNG,
        unit=row.unit,
        ending=row.status,
        pace=pace,
        asked=asked,
        returns_unit=row.unit is not None and dice.random() < 0.4,  # noqa: PLR2004 - a guess
        replies=row.status in CLOSED and dice.random() < 0.08,  # noqa: PLR2004 - a guess
        archive_reason=dice.choice(("no_evidence", "unclear", "not_relevant", "hate_speech")),
        rating=dice.choices((1, 2, 3, 4, 5), (2, 1, 2, 3, 3))[0],
        text_seed=row.number,
    )


def _category(world: World, dice: random.Random) -> str:
    return dice.choices(tuple(world.categories), tuple(world.categories.values()))[0]


def _addressed(dice: random.Random) -> str | None:
    """Draw whom the reporter names: 84 % right, the rest nobody, or another region's government."""
    return dice.choices((BANDUNG, None, HSU), (84, 11, 5))[0]


def _place(addressed: str | None, dice: random.Random) -> str | None:
    """Draw whether the reporter says where it is; who names the right government mostly does."""
    share = 0.85 if addressed == BANDUNG else 0.3
    return BANDUNG_PLACE if dice.random() < share else None


def _asked(status: Ending, dice: random.Random) -> Completion:
    if status in (Ending.INCOMPLETE, Ending.ARCHIVED_SYSTEM):
        return Completion.SILENT
    return Completion.ANSWERS if status in CLOSED and dice.random() < 0.06 else Completion.NO  # noqa: PLR2004


def _pace(at: datetime, limit: int, world: World, dice: random.Random) -> ActorDelays:
    """Draw how fast everybody is: 1 to 3 working days mostly, some far too late."""
    return ActorDelays(
        national=dice.choices((1, 2, dice.randint(5, 13)), (80, 15, 5))[0],
        institution=dice.choices((1, 2, dice.randint(5, 14)), (80, 14, 6))[0],
        initial=1 if dice.random() < 0.6 else None,  # noqa: PLR2004 - a guess
        follow_up=_follow_up_days(at, limit, world, dice),
        again=dice.randint(1, 3),
        close=dice.randint(1, 3),
        reporter=round(dice.uniform(3.0, 7.0), 2),
        hour=round(dice.uniform(8, 16), 2),
    )


def _follow_up_days(at: datetime, limit: int, world: World, dice: random.Random) -> int:
    """Draw the days to the follow-up; one that would outlast the demo is drawn as a quick one."""
    quick, slow, late = dice.randint(1, 3), dice.randint(4, 12), limit + dice.randint(1, 14)
    drawn = dice.choices((quick, slow, late), (78, 12, 10))[0]
    verified = world.calendar.reckon(at, 8).at
    answered = world.calendar.reckon(verified, drawn).at
    return drawn if answered + timedelta(days=ROOM_DAYS) < world.ends_at else quick


# ---- beside the export


_EXTRAS: Final[Sequence[tuple[Ending, dict[str, object]]]] = (
    (Ending.SYSTEM, {}),
    (Ending.SYSTEM, {"asked": Completion.ANSWERS}),
    (Ending.REPORTER, {"reopens": True, "rating": 2}),
    (Ending.ADMIN, {}),
    (Ending.BLOCKED, {"addressed": None}),
    (Ending.SYSTEM, {"replies": True}),
    (Ending.SYSTEM, {"addressed": BANDUNG}),
    (Ending.REPORTER, {}),
    (Ending.SYSTEM, {"asked": Completion.SILENT, "ending": Ending.ARCHIVED_SYSTEM}),
    (Ending.REPORTER, {"reopens": True, "rating": 1}),
    (Ending.ARCHIVED_ADMIN, {}),
    (Ending.SYSTEM, {}),
)  # fmt: skip


def extras(of: Sequence[ReportScript], world: World, seed: int) -> tuple[ReportScript, ...]:
    """Return reports of our own beside the export's: some of HSU (WITA), and duplicates."""
    if not of:
        return ()
    first, last = of[0].submitted_at, of[-1].submitted_at
    share = (last - first) / (len(_EXTRAS) + 1)
    channels = ("website", "sms-1708", "android", "counter")
    made = tuple(
        _extra(number, first + share * (number + 1), channels[number % 4], world, seed)
        for number in range(len(_EXTRAS))
    )
    return (*made, *_duplicates(of, seed))


def _extra(number: int, at: datetime, channel: str, world: World, seed: int) -> ReportScript:
    dice = _dice(seed, f"extra-{number}")
    ending, special = _EXTRAS[number]
    report_class = dice.choice(tuple(LIMIT_DAYS))
    life = ReportScript(
        message_id=f"tambahan-{number + 1:02d}",
        channel=channel,
        submitted_at=at.replace(microsecond=0),
        category_id=_category(world, dice),
        report_class=report_class,
        claims_class=True,
        anonymous=dice.random() < 0.5,  # noqa: PLR2004 - an even coin
        confidential=False,
        addressed=HSU,
        place_code=None,  # the texts name HSU's villages, which the registry knows
        owner=HSU,
        unit=None,
        ending=ending,
        pace=_pace(at, HSU_LIMIT_DAYS, world, dice),
        text_seed=f"extra-{number}",
        is_extra=True,
    )
    return replace(life, **special)  # type: ignore[arg-type]


def _duplicates(of: Sequence[ReportScript], seed: int) -> Iterable[ReportScript]:
    """Send a few reports a second time some hours later, as impatient people do."""
    dice = _dice(seed, "duplicates")
    for life in dice.sample(of, min(4, len(of))):
        yield replace(
            life,
            message_id=f"{life.message_id}-lagi",
            submitted_at=life.submitted_at + timedelta(hours=dice.randint(10, 30)),
            ending=Ending.DUPLICATE,
            asked=Completion.NO,
            duplicate_of=life.message_id,
            is_extra=True,
        )


def repeated(of: Sequence[ReportScript], seed: int) -> frozenset[str]:
    """Name the message ids that their channel sends twice, as after a lost answer."""
    dice = _dice(seed, "repeated")
    return frozenset(life.message_id for life in dice.sample(of, min(5, len(of))))


def thinned(rows: Sequence[ExportRow], count: int | None) -> tuple[ExportRow, ...]:
    """Return `count` rows spread evenly over the year, or all of them."""
    if count is None or count >= len(rows):
        return tuple(rows)
    return tuple(rows[number * len(rows) // count] for number in range(count))


def act_at(calendar: Calendar, fact_at: datetime, days: int, hour: float) -> datetime:
    """Return when an officer acts who takes so many working days, at a local hour (UTC).

    Day 0 is the day of the fact; nobody acts before what they act on.
    """
    ends = calendar.reckon(fact_at, days).at  # 24:00 of that working day
    return max(ends - timedelta(hours=24 - hour), fact_at)
