"""Every version of every event has an example in `tests/golden/events`, and it still reads.

An example is never edited to make this pass: what others have stored or sent looks like it. A
change that breaks one needs a new version beside the old.
"""

import json
from pathlib import Path

import pytest

from shared.contract.envelope import Poison, encode, parse
from shared.contract.events import SubmitReport
from shared.contract.topics import STREAMS, kebab

GOLDEN = Path(__file__).parents[1] / "golden" / "events"
EVENTS = {kebab(event.__name__): event for stream in STREAMS for event in stream.events}


def test_every_event_has_its_examples_and_nothing_else_lies_there() -> None:
    """A new event comes with one; a field added later comes with another, numbered from 2."""
    assert {example.name.partition(".")[0] for example in GOLDEN.iterdir()} == set(EVENTS)


@pytest.mark.parametrize("name", EVENTS)
def test_examples_show_every_field(name: str) -> None:
    """All fields of the class occur in its examples together."""
    shown = {field for example in examples(name) for field in json.loads(example.read_bytes())}

    assert shown == set(EVENTS[name].model_fields)


@pytest.mark.parametrize("name", EVENTS)
def test_an_example_reads_and_says_the_same_again(name: str) -> None:
    """Parsed and written again nothing of it is lost; what is new since has its default."""
    for example in examples(name):
        stored = json.loads(example.read_bytes())

        said = json.loads(encode(parse(EVENTS[name], example.read_bytes())))

        assert said | stored == said, example.name


@pytest.mark.parametrize("name", EVENTS)
def test_a_field_from_the_future_is_ignored(name: str) -> None:
    """An additive field keeps the version, so readers are deaf to what they do not know."""
    stored = json.loads(examples(name)[-1].read_bytes())

    read = parse(EVENTS[name], json.dumps(stored | {"of_the_future": {"a": 1}}).encode())

    assert json.loads(encode(read)) == stored


def examples(name: str) -> list[Path]:
    """List an event's examples, oldest first; the newest has every field."""
    return sorted(GOLDEN.glob(f"{name}.v1*.json"), key=lambda example: (len(example.name), example))


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_utc_cannot_hold_is_a_wrong_field_and_no_crash(at: str) -> None:
    """The ends of the calendar, in zones that pass beyond them."""
    with pytest.raises(Poison) as poison:
        parse(SubmitReport, json.dumps({"title": "a", "body": "b", "submitted_at": at}).encode())
    assert poison.value.reason == "invalid_fields"
