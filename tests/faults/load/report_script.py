"""One report's life as its seed has it: who will do what, once it is their turn."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Literal, TypeVar

from shared.contract.tracking import report_id

CHANNELS: Final = ("api", "website", "android")
COUNTER: Final = "counter"  # it may date a report back for a week
INSTITUTIONS: Final = {"3204": "Kabupaten Bandung", "6308": "Kabupaten Hulu Sungai Utara"}
UNITS: Final = {"3204": "3204-002", "6308": "6308-009"}  # where routing holds a report
CATEGORIES: Final = ("1397", "942", "928")

S = TypeVar("S", bound=str)
Clerk = Literal["auto", "officer", "block", "archive", "forgotten"]
Holder = Literal["accept", "ask", "return", "archive", "forgotten"]
Unit = Literal["follow_up", "respond", "return", "forgotten"]
Ending = Literal["reporter", "admin", "reply", "reopen", "silence"]

_unnamed: Final = partial(report_id, b"no installation")


@dataclass(frozen=True, slots=True)
class ReportScript:
    """What will become of a report; delays are real seconds."""

    seed: int
    number: int
    channel: str
    owner: str
    category: str
    clerk: Clerk
    holder: Holder
    unit: Unit
    ending: Ending
    is_reclassified: bool
    is_withdrawn: bool
    is_sent_twice: bool
    is_meddled_with: bool  # another institution gives a command about it
    days_late: int  # how long ago it was submitted: a backfilled report, past its deadline
    delay_seconds: float
    named_by: Callable[[str, str], str] = field(default=_unnamed, compare=False, repr=False)

    @property
    def message_id(self) -> str:
        """Return the channel's id of the submission."""
        return f"life-{self.seed}-{self.number}"

    @property
    def report_id(self) -> str:
        """Return the report's id."""
        return self.named_by(self.channel, self.message_id)

    @property
    def email(self) -> str:
        """Return who writes."""
        return f"warga-{self.number}@contoh.example"

    @property
    def body(self) -> str:
        """Write a text like no other, which names its owner where no officer has to find it."""
        draw = random.Random(f"{self.seed}:{self.number}:text")
        letters = "aeiou", "bcdghjklmnprstwy"
        words = (
            "".join(draw.choice(letters[n % 2]) for n in range(draw.randint(4, 9)))
            for _ in range(50)
        )
        place = f"{INSTITUTIONS[self.owner]}: " if self.clerk == "auto" else ""
        return place + " ".join(words)


def life(seed: int, number: int, named_by: Callable[[str, str], str] = _unnamed) -> ReportScript:
    """Draw the `number`-th life of a seed; most run through, each turn is taken now and then.

    `named_by` is how the installation that it goes to names a channel's message.
    """
    draw = random.Random(f"{seed}:{number}")

    def chosen(options: dict[S, int]) -> S:
        return draw.choices(list(options), list(options.values()))[0]

    days_late = draw.choice((4, 5, 6)) if draw.random() < 0.1 else 0
    return ReportScript(
        seed=seed,
        number=number,
        channel=COUNTER if days_late else draw.choice(CHANNELS),
        owner=draw.choice(list(INSTITUTIONS)),
        category=draw.choice(CATEGORIES),
        clerk=chosen({"auto": 80, "officer": 12, "block": 2, "archive": 2, "forgotten": 4}),
        holder=chosen({"accept": 78, "ask": 8, "return": 6, "archive": 4, "forgotten": 4}),
        unit=chosen({"follow_up": 60, "respond": 25, "return": 8, "forgotten": 7}),
        ending=chosen({"reporter": 35, "admin": 20, "reply": 20, "reopen": 10, "silence": 15}),
        is_reclassified=draw.random() < 0.05,
        is_withdrawn=draw.random() < 0.03,
        is_sent_twice=draw.random() < 0.05,
        is_meddled_with=draw.random() < 0.03,
        days_late=days_late,
        delay_seconds=draw.uniform(0.05, 2.0),
        named_by=named_by,
    )
