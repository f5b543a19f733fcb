"""Each clause of law 2, taken back alone in the real shell, is noticed by the simulation."""

from typing import Final

import pytest

from tests.simulation.history import run, steps_of
from tests.simulation.mutations import CAUGHT, Mutation
from tests.simulation.run import caught

SEARCH: Final = range(1, 3_001)
SEEDS: Final = {
    "a lane's token is not checked": 2,
    "every save writes the same token": 2,
    "cases are a transaction of their own": 10,
    "each lane is a transaction of its own": 147,
    "events are not saved with the batch": 2,
    "dead letters are not saved with the batch": 3,
    "a conflict counts as done": 2,
    "lanes of one topic in the core": 2,
    "offsets are committed before the save": 2,
    "ids decided are not looked at": 1,
    "an id whose rule raised is decided": 2,
    "nothing waits behind what raised": 2,
    "a replay decides one record": 2,
    "a replay leaves no trace": 2,
    "a dead letter counts at each try": 69,
    "a gap is passed over": 2,
    "a transaction's mark is a gap": 2,
    "what lies below is not dropped": 3,
    "nobody seeks back at a gap": 6,
    "a gap is judged by old lanes": 145,
    "offsets are the group's": 2,
    "lanes are read before what they are compared with": 73,
    "lanes are not read again at assignment": 20,
    "lanes are not read again at a conflict": 2,
    "assignment publishes nothing": 11,
    "a batch publishes nothing first": 3,
    "one acknowledgement for all tokens": 3,
    "saved is confirmed": 3,
    "any token is emptied": 1987,
    "requests do not wait for one another": 9,
    "events are sent in another order": 1,
    "a failed send is acknowledged": 3,
    "now is the worker's clock": 1,
}
"""The first seed that notices; a shell that asks its parts otherwise has other histories, then the
search finds the seed anew and `python -m tests.simulation.run --mutations` prints the table."""


@pytest.mark.parametrize("mutation", CAUGHT, ids=lambda mutation: mutation.name)
def test_a_clause_taken_back_is_noticed_and_the_whole_shell_passes(mutation: Mutation) -> None:
    """The history that shows the clause missing has nothing wrong with the clause in place."""
    known = SEEDS[mutation.name]
    found = caught(mutation, [known]) or caught(mutation, SEARCH)

    assert found is not None, "not noticed in 3,000 histories"
    assert run(steps_of(found[0])) == []
