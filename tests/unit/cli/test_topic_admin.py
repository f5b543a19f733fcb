"""How topics are to be made."""

import pytest

from deploy.cli.clients.topic_admin import DAY_MS, STRAY, Drift, configs_of, planned_topics
from shared.contract.topics import FOREVER, STREAMS, Stream
from shared.registry.principals import principals


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
def test_a_record_is_gone_a_day_after_its_time_at_the_latest(stream: Stream) -> None:
    """A segment is deleted when its newest record is old enough, so its span is added to that.

    Kafka's own seven days made a clear submission, promised for 7 days, live for up to 14.
    """
    configs = dict(configs_of(stream))
    if stream.retention_days == FOREVER:
        assert configs["retention.ms"] == "-1"
        assert "segment.ms" not in configs
    else:
        kept = int(configs["retention.ms"]) + int(configs["segment.ms"])
        assert kept <= (stream.retention_days + 1) * DAY_MS


def test_every_producer_of_the_registry_has_its_topics() -> None:
    """Both of a channel, both of an institution; each stream once."""
    names = [topic.name for topic in planned_topics()]
    assert len(names) == len(set(names))
    known = principals()
    assert set(names) == set(known.topics(STREAMS))
    assert {f"lapor.channel.{name}.answers.v1" for name in known.channels} <= set(names)
    assert {f"lapor.agency.{code}.outbox.v1" for code in known.institutions} <= set(names)


@pytest.mark.parametrize(
    ("what", "now", "wanted_", "mended"),
    [
        ("topic", "", "created", True),
        ("segment.ms", "604800000", "86400000", True),
        ("partitions", "1", "12", True),
        ("partitions", "13", "12", False),
        (STRAY, "there", "read by nobody", False),
    ],
)
def test_what_apply_mends(what: str, now: str, wanted_: str, *, mended: bool) -> None:
    """It takes nothing away."""
    assert Drift("lapor.x.v1", what, now, wanted_).can_be_mended is mended
