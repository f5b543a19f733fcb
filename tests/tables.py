"""Tables of cases: one test for all rows, which tells every row that fails.

pytest's own `parametrize` makes a test of each row, at some 3 ms of bookkeeping: more than most
rules take. So tables of more than a few rows are tried here.
"""

import inspect
from collections.abc import Callable, Iterable
from textwrap import shorten

import pytest


def each(rows: Iterable[object]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Try a check with every row, given in the order of its parameters, and tell all that fail.

    A row that is no plain tuple is the only argument. Raises an exception group with an exception
    of each row that fails, whose note says which; a table without rows fails too.
    """
    table = [row if type(row) is tuple else (row,) for row in rows]

    def one_test(check: Callable[..., None]) -> Callable[..., None]:
        names = list(inspect.signature(check).parameters)

        def every_row(*of: object) -> None:  # of: the instance, where the check is a method
            assert table, "the table has no rows"
            failed: list[BaseException] = []
            for number, row in enumerate(table):
                try:
                    check(*of, **dict(zip(names[len(of) :], row, strict=True)))
                except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - all rows first
                    error.add_note(f"row {number}: {', '.join(map(_short, row))}")
                    failed.append(error)
            if failed:
                raise BaseExceptionGroup(f"{len(failed)} of {len(table)} rows fail", failed)

        every_row.__name__, every_row.__doc__ = check.__name__, check.__doc__
        every_row.__module__, every_row.__qualname__ = check.__module__, check.__qualname__
        return every_row

    return one_test


def _short(value: object) -> str:
    return shorten(repr(value), 120)
