"""The checker's table of ids keeps what a dict would keep."""

from hypothesis import given
from hypothesis import strategies as st

from tests.faults.checker.ids import Ids

HASHES = st.integers(1, 2**64 - 1) | st.integers(1, 40)  # some that meet in one slot


@given(st.lists(st.tuples(HASHES, HASHES), max_size=200))
def test_the_first_word_under_an_id_is_kept_and_told_to_the_next(
    words: list[tuple[int, int]],
) -> None:
    """Also when the table grows in between."""
    table, wanted = Ids(room=4), dict[int, int]()
    for id_hash, said in words:
        assert table.add(id_hash, said) == wanted.get(id_hash, 0)
        wanted.setdefault(id_hash, said)
    assert len(table) == len(wanted)
    assert all(table.get(id_hash) == said for id_hash, said in wanted.items())
    assert all(not table.get(n) for n in range(1, 40) if n not in wanted)
