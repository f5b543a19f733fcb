"""A table's one test hides no row that fails."""

import pytest

from tests.tables import each


def test_every_row_that_fails_is_told_and_no_other() -> None:
    """With its number and its values, whatever the rows before it did."""

    def is_double(number: int, *, twice: int) -> None:
        assert number * 2 == twice

    with pytest.raises(ExceptionGroup, match="2 of 4 rows fail") as told:
        each([(1, 2), (2, 5), (3, 6), (4, "eight")])(is_double)()

    assert [error.__notes__ for error in told.value.exceptions] == [
        ["row 1: 2, 5"],
        ["row 3: 4, 'eight'"],
    ]


def test_an_error_that_did_not_come_is_told_too() -> None:
    """Failures of pytest's own are no ordinary exceptions."""

    def raises(divisor: int) -> None:
        with pytest.raises(ZeroDivisionError):
            assert 1 / divisor

    with pytest.raises(BaseExceptionGroup, match="1 of 2 rows fail"):
        each([0, 1])(raises)()


def test_a_row_of_another_length_and_an_empty_table_fail() -> None:
    """A table that lost its rows would prove nothing."""

    def takes_two(one: int, other: int) -> None:
        assert one < other

    with pytest.raises(ExceptionGroup, match="2 of 2 rows fail"):
        each([(1,), (1, 2, 3)])(takes_two)()
    with pytest.raises(AssertionError, match="no rows"):
        each([])(takes_two)()


def test_a_method_keeps_its_name_and_its_instance() -> None:
    """A table may stand in a class of tests."""

    class Tests:
        """Two numbers."""

        known = (1, 2)

        @each([1, 2])
        def test_is_known(self, number: int) -> None:
            """Each of them."""
            assert number in self.known

    Tests().test_is_known()
    assert Tests.test_is_known.__name__ == "test_is_known"
