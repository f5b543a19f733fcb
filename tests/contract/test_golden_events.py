"""Every version of every event has an example in `tests/golden/events`, and it still reads.

An example is never edited to make this pass: what others have stored or sent looks like it. A
change that breaks one needs a new version beside the old.
"""

import json
from pathlib import Path

import pytest
from pydantic import BaseModel

from shared.envelope import Poison, encode, parse
from shared.events import SubmitReport
from shared.topics import STREAMS, kebab

GOLDEN = Path(__file__).parents[1] / "golden" / "events"
EVENTS = {kebab(event.__name__): event for stream in STREAMS for event in stream.events}


def test_every_event_has_its_example_and_nothing_else_lies_there() -> None:
    """A new event comes with one."""
    assert {f.name for f in GOLDEN.iterdir()} == {f"{name}.v1.json" for name in EVENTS}


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_an_example_reads_and_says_the_same_again(event: type[BaseModel]) -> None:
    """Parsed and written again it is the same JSON, every field of the class in it."""
    stored = (GOLDEN / f"{kebab(event.__name__)}.v1.json").read_bytes()

    read = parse(event, stored)

    assert json.loads(encode(read)) == json.loads(stored)


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_a_field_from_the_future_is_ignored(event: type[BaseModel]) -> None:
    """An additive field keeps the version, so readers are deaf to what they do not know."""
    stored = json.loads((GOLDEN / f"{kebab(event.__name__)}.v1.json").read_bytes())

    read = parse(event, json.dumps(stored | {"of_the_future": {"a": 1}}).encode())

    assert json.loads(encode(read)) == stored


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_utc_cannot_hold_is_a_wrong_field_and_no_crash(at: str) -> None:
    """The ends of the calendar, in zones that pass beyond them."""
    with pytest.raises(Poison) as poison:
        parse(SubmitReport, json.dumps({"title": "a", "body": "b", "submitted_at": at}).encode())
    assert poison.value.reason == "invalid_fields"
