"""What a demo's account is made of, and how its tables look."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from deploy.demo.check import standings, without_repeats
from deploy.demo.run import Cast, DemoOptions, Played
from deploy.demo.watch import Seen


class Account:
    """Everything that the tables are made of."""

    def __init__(self, cast: Cast, played: Played, options: DemoOptions) -> None:
        self.cast: Final = cast
        self.played: Final = played
        self.options: Final = options
        self.records: Final = list(without_repeats(played.watch.records))
        self.standings: Final = standings(self.records)
        self.by_type: Final = _by_type(self.records)

    def of(self, kind: str) -> Sequence[Seen]:
        """Return the events of a type, in the order they were read."""
        return self.by_type.get(kind, ())


def _by_type(records: Sequence[Seen]) -> dict[str, list[Seen]]:
    found: defaultdict[str, list[Seen]] = defaultdict(list)
    for seen in records:
        found[seen.type].append(seen)
    return dict(found)


def titled(title: str, what: RenderableType) -> RenderableType:
    """Put a heading above a part of the account."""
    return Group(Text(f"\n{title}", style="bold cyan"), what)


def grid(*columns: str, right: Sequence[str] = ()) -> Table:
    """Return an empty table; the columns named in `right` hold numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left")
    return table
