"""How much a gateway refuses of one sender, and how long whoever guesses has to wait."""

from hypothesis import given
from hypothesis import strategies as st

from shared.runtime.gateway.throttle import (
    FREE_TRIES,
    GUESSED_MAX,
    MINUTE_MS,
    PAUSE_MAX_MS,
    ThrottleState,
    dump,
    load,
)

MOST, EVERY = 3, 4


def refused(times: int, minute: int = 7) -> ThrottleState:
    """Refuse messages, one offset after the other, within a minute."""
    pace = ThrottleState()
    for offset in range(times):
        pace = pace.refuse(minute * MINUTE_MS + offset, 100 + offset, MOST)
    return pace


def test_up_to_the_rate_each_refusal_has_its_own_answer() -> None:
    """And the next minute begins again."""
    assert not refused(MOST).is_silent(MOST)
    assert refused(MOST + 1).is_silent(MOST)
    assert not refused(MOST + 9).refuse(8 * MINUTE_MS, 200, MOST).is_silent(MOST)


def test_past_the_rate_one_answer_stands_for_many() -> None:
    """The first at once; each names the first message that got no answer."""
    told = [n for n in range(1, 20) if refused(n).is_told(MOST, EVERY)]
    assert told == [MOST + 1, MOST + 1 + EVERY, MOST + 1 + 2 * EVERY, MOST + 1 + 3 * EVERY]
    assert refused(12).first == 100 + MOST
    assert refused(MOST).first == -1


def test_pauses_grow_and_end() -> None:
    """After some free tries a minute, then twice as long each, a day at most."""
    pace, pauses = ThrottleState(), []
    for _ in range(FREE_TRIES + 20):
        pace = pace.guess("R", 1_000)
        pauses.append(max(0, pace.guessed("R").until_ms - 1_000))
    assert pauses[: FREE_TRIES - 1] == [0] * (FREE_TRIES - 1)
    assert pauses[FREE_TRIES - 1 : FREE_TRIES + 2] == [MINUTE_MS, 2 * MINUTE_MS, 4 * MINUTE_MS]
    assert pauses[-1] == PAUSE_MAX_MS


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2**41), st.integers(0, 2**62))))
def test_a_row_stays_small_and_is_read_as_it_was_written(said: list[tuple[str, int, int]]) -> None:
    """However much is refused and guessed."""
    pace = ThrottleState()
    for report, now_ms, offset in said:
        pace = pace.refuse(now_ms, offset, MOST).guess(report, now_ms)
    assert load(dump(pace)) == pace
    assert load(b"") == ThrottleState()


def test_a_lane_remembers_the_newest_reports_that_it_guessed_about() -> None:
    """Whoever goes through many numbers gains no more tries at one of them than that."""
    pace = ThrottleState()
    for number in range(GUESSED_MAX + 1):
        pace = pace.guess(f"{number:012}", 1)
    assert len(pace.guesses) == GUESSED_MAX
    assert len(dump(pace)) < 4_096
    assert (pace.guessed(f"{0:012}").wrong, pace.guessed(f"{GUESSED_MAX:012}").wrong) == (0, 1)
