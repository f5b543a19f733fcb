"""What an outsider does to somebody else's report, through the real rules of all stages."""

import pytest

from shared.contract import events as e
from shared.contract.events import ReportClass
from shared.contract.topics import AGENCIES, INTAKE, OUTBOX, SUBMISSIONS
from shared.runtime.reader import memory_of
from shared.runtime.stage import ShellLimits
from tests.pipeline.harness import Harness
from tests.pipeline.stories import (
    ADMIN,
    BANDUNG,
    HSU,
    dispatched,
    followed_up,
    forwarded,
    held,
    outcome,
    send,
    write,
)

CLASS = ReportClass.UNSUPERVISED
FULL = ShellLimits().decided_bytes_max
MANY = FULL // 8 + 16


def accept(harness: Harness, report: str) -> list[str]:
    """Let the holder accept; return the answer."""
    message = send(harness, HSU, e.Accept, report, report_class=CLASS, category_id="1398")
    return harness.agency(HSU).answers_to(message)


def test_an_outsider_cannot_freeze_a_report_by_commands(harness: Harness) -> None:
    """16,400 of another institution's: it alone has had too many, the report goes on to its end."""
    report, stranger = forwarded(harness), harness.agency(BANDUNG)
    sent = [
        stranger.send(e.Accept, report, holding=1, report_class=CLASS, message_id=f"flood-{n}")
        for n in range(MANY)
    ]
    harness.run()

    assert accept(harness, report) == ["accepted"]
    message = send(harness, HSU, e.FollowUp, report, text="Lampu sudah kami ganti.")
    assert harness.agency(HSU).answers_to(message) == ["follow_up"]
    assert (
        outcome(harness, write(harness, e.ReplyToFollowUp, report, text="Terima kasih."))
        == "accepted"
    )
    message = send(harness, ADMIN, e.Block, report, reason="Tidak pantas.")
    assert harness.agency(ADMIN).answers_to(message) == ["blocked"]
    entries = [x for x in harness.inbox(BANDUNG) if x.report_id == report]
    assert {x.message_id for x in entries} == set(sent)
    for name, process in harness.processes.items():
        assert (
            len(process.state.kept[report].decided if report in process.state.kept else b"") < 400
        )
        assert name == "agencies.in" or memory_of(report, ADMIN) not in process.state.kept
    assert harness.dead() == []


def test_an_outsider_cannot_freeze_a_report_by_wrong_secrets(harness: Harness) -> None:
    """None of them is remembered in its case; the right secret counts meanwhile."""
    report = followed_up(harness)
    before = harness.processes["intake"].state.kept[report]
    facts = len(harness.facts(INTAKE))
    for _ in range(700):
        harness.write(e.WithdrawReport, report, channel="sms-1708", secret="0000000000")
    harness.run()

    assert harness.processes["intake"].state.kept[report] == before
    assert len(harness.facts(INTAKE)) == facts
    said = [a.reason for a in harness.answers("sms-1708")]
    assert said[:6] == ["not_proved"] * 5 + ["slow_down"]
    assert len(said) == 601
    assert outcome(harness, write(harness, e.WithdrawReport, report)) == "accepted"


def test_an_outsider_cannot_fill_the_waiting_room(harness: Harness) -> None:
    """Twenty early commands of each of two strangers; the holder's early one waits and counts."""
    report = dispatched(harness)
    for code in (BANDUNG, "3273"):
        for holding in [2] * 30 + [999]:
            harness.agency(code).send(e.FollowUp, report, holding=holding, text="Belum.")
    harness.run()

    send(harness, HSU, e.ReturnToInstitution, report, reason="Bukan kami.")
    early = harness.agency(HSU).send(e.FollowUp, report, holding=1, text="Sudah.")
    harness.run()
    assert harness.agency(HSU).answers_to(early) != ["command_refused:too_many_waiting"]
    reasons = {x.reason for x in harness.inbox(BANDUNG) if x.report_id == report}
    assert reasons == {"not_the_holder"}


@pytest.mark.parametrize("holding", [0, 1, 5])
def test_an_outsider_cannot_learn_how_a_report_stands(harness: Harness, holding: int) -> None:
    """Held, at a unit, withdrawn, or never there: one answer, in one wording."""
    ended = followed_up(harness)
    write(harness, e.WithdrawReport, ended)
    away = held(harness)
    send(harness, ADMIN, e.Forward, away, to=HSU)
    for report in (ended, away, "K7QF2M9XTD3A"):
        for command, fields in (
            (e.Archive, {"reason": "unclear"}),
            (e.FollowUp, {"unit": "3204-001", "text": "Sudah."}),
            (e.Dispatch, {"unit": "3204-001"}),
        ):
            send(harness, BANDUNG, command, report, holding=holding, **fields)
    harness.wait(hours=25)
    told = [(x.entry, x.reason, x.text, x.holding) for x in harness.inbox(BANDUNG)]
    assert len(told) == 9
    assert {found[:2] for found in told} == {("command_refused", "not_the_holder")}
    assert len(set(told)) == 1


def test_what_cannot_be_read_leaves_nothing_behind(harness: Harness) -> None:
    """No case, no event for ever; past the rate one answer stands for a thousand."""
    for n in range(2_700):
        harness.put_raw(SUBMISSIONS, "website", b"%d" % n, f"m-{n}", "x")
        harness.put_raw(OUTBOX, HSU, b"%d" % n, f"c-{n}", "x")
    harness.run()

    assert harness.facts(INTAKE) == harness.facts(AGENCIES) == []
    for gateway in ("intake", "agencies.in"):
        assert len(harness.processes[gateway].state.kept) == 1
    slow = [a for a in harness.answers() if a.reason == "slow_down"]
    assert len(harness.answers()) == 600 + len(slow)
    assert [a.offset for a in slow] == [600, 1_600, 2_600]
    assert "offset 600 to 1600" in (slow[1].detail or "")
    told = [x.reason for x in harness.inbox(HSU)]
    assert (len(told), told.count("slow_down")) == (603, 3)
    assert outcome(harness, city_submission(harness)) == "received"


def city_submission(harness: Harness) -> str:
    """Hand in a sound report on the channel that had so much refused; return its message id."""
    harness.submit(message_id="sound")
    harness.run()
    return "sound"
