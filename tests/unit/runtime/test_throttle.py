"""How much a gateway refuses of one sender, and how long whoever guesses has to wait."""

from hypothesis import given
from hypothesis import strategies as st

from shared.runtime.gateway.throttle import (
    FREE_TRIES,
    GUESSES_MAX,
    MINUTE_MS,
    PAUSE_MAX_MS,
    ThrottleState,
    dump,
    load,
)

MOST, EVERY = 3, 4


def refused(times: int, minute: int = 7) -> ThrottleState:
    """Refuse messages, one offset after the other, within a minute."""
    state = ThrottleState()
    for offset in range(times):
        state = state.reject(minute * MINUTE_MS + offset, 100 + offset, MOST)
    return state


def test_up_to_the_rate_each_refusal_has_its_own_answer() -> None:
    """And the next minute begins again."""
    assert not refused(MOST).is_unanswered(MOST)
    assert refused(MOST + 1).is_unanswered(MOST)
    assert not refused(MOST + 9).reject(8 * MINUTE_MS, 200, MOST).is_unanswered(MOST)


def test_past_the_rate_one_answer_stands_for_many() -> None:
    """The first at once; each names the first message that got no answer."""
    told = [n for n in range(1, 20) if refused(n).is_slow_down(MOST, EVERY)]
    assert told == [MOST + 1, MOST + 1 + EVERY, MOST + 1 + 2 * EVERY, MOST + 1 + 3 * EVERY]
    assert refused(12).first == 100 + MOST
    assert refused(MOST).first == -1


def test_pauses_grow_and_end() -> None:
    """After some free tries a minute, then twice as long each, a day at most."""
    state, pauses = ThrottleState(), []
    for _ in range(FREE_TRIES + 20):
        state = state.wrong_proof("R", 1_000)
        pauses.append(max(0, state.wrong_proofs("R").until_ms - 1_000))
    assert pauses[: FREE_TRIES - 1] == [0] * (FREE_TRIES - 1)
    assert pauses[FREE_TRIES - 1 : FREE_TRIES + 2] == [MINUTE_MS, 2 * MINUTE_MS, 4 * MINUTE_MS]
    assert pauses[-1] == PAUSE_MAX_MS


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2**41), st.integers(0, 2**62))))
def test_a_row_stays_small_and_is_read_as_it_was_written(said: list[tuple[str, int, int]]) -> None:
    """However much is refused and wrong_proofs."""
    state = ThrottleState()
    for report, now_ms, offset in said:
        state = state.reject(now_ms, offset, MOST).wrong_proof(report, now_ms)
    assert load(dump(state)) == state
    assert load(b"") == ThrottleState()


def test_a_lane_remembers_the_newest_reports_that_it_guessed_about() -> None:
    """Whoever goes through many numbers gains no more tries at one of them than that."""
    state = ThrottleState()
    for number in range(GUESSES_MAX + 1):
        state = state.wrong_proof(f"{number:012}", 1)
    assert len(state.guesses) == GUESSES_MAX
    assert len(dump(state)) < 4_096
    assert (
        state.wrong_proofs(f"{0:012}").wrong,
        state.wrong_proofs(f"{GUESSES_MAX:012}").wrong,
    ) == (
        0,
        1,
    )
