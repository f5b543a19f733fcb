"""What cannot be read or decided, on the real shell: kept with a reason, and it stops nothing."""

from shared.envelope import Outbound
from shared.stage import Limits
from shared.topics import INSTITUTION
from tests.simulation.world import LANE, REPORT, A, World


async def test_a_few_dead_letters_stop_nothing() -> None:
    """One poison record among many is isolated."""
    world = World(limits=Limits(dead_letter_count_max=5, dead_letter_share_max=0.1))
    worker = await world.started()
    records = [world.accepted(f"a{i}", by="bug" if i == 7 else "officer") for i in range(100)]

    await worker.shell.batch(records)

    assert len(world.said()) == 99
    assert len(world.dead()) == 1


async def test_unreadable_records_are_dead_letters_with_a_reason_and_stop_nothing() -> None:
    """Bytes, JSON, headers, key: each has its code, and the next record is decided."""
    world = World()
    worker = await world.started()
    good = world.accepted("a0")
    other = (good.value or b"").replace(REPORT.encode(), b"0123456789AC")
    bad: dict[bytes, tuple[bytes, tuple[tuple[str, bytes], ...]]] = {
        b"not_json": (b"\xff\xfe", good.headers),
        b"invalid_fields": (b'{"report_id":"0123456789AB","holding":-1}', good.headers),
        b"missing_header": (good.value or b"", ()),
        b"wrong_key": (other, good.headers),
    }
    records = [good]
    for value, headers in bad.values():
        records.append(
            world.broker.append(
                Outbound(INSTITUTION.name, LANE, REPORT.encode(), value, list(headers))
            )
        )
    records.append(world.accepted("a9"))

    await worker.shell.batch(records)

    assert world.said() == ["a0", "a9"]
    assert [d["reason"] for d in world.dead()] == list(bad)


async def test_a_type_that_the_stage_does_not_read_moves_only_the_position() -> None:
    """The header is enough: not even its JSON is looked at."""
    world = World()
    worker = await world.started()
    record = world.broker.append(
        Outbound(
            INSTITUTION.name, LANE, b"k", b"not json",
            [("ce_type", b"id.go.lapor.verification.something-new.v9"), ("ce_id", b"x")],
        )
    )  # fmt: skip

    await worker.shell.batch([record])

    assert world.dead() == []
    assert world.state.rows[str(LANE)].positions[A] == 1
