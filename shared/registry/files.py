"""Read the registry's files into models; every error names the file, the entry and what to do."""

import csv
import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

_HEADER = "# "

Model = TypeVar("Model", bound=BaseModel)


class RegistryError(ValueError):
    """The registry's files cannot be used; one line per problem says where and what to do."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("the registry cannot be loaded:\n" + "\n".join(f"  {p}" for p in problems))
        self.problems = tuple(problems)


class Stamped(NamedTuple):
    """The rows of a list, with the day from which the file counts and its source."""

    valid_from: date
    source: str
    rows: list[tuple[int, dict[str, str]]]


def read_toml(path: Path) -> dict[str, Any]:
    """Read a hand-edited file; it states `valid_from` and `source` unless its versions do."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RegistryError([f"{path.name}: missing in {path.parent}; restore it"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RegistryError([f"{path.name}: {error}; correct the TOML"]) from error
    return table


def read_csv(path: Path) -> Stamped:
    """Read a list: lines `# valid_from = …` and `# source = …`, a header row, then the rows."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, UnicodeDecodeError) as error:
        raise RegistryError([f"{path.name}: {error}; restore the file as UTF-8"]) from error
    stamps = dict(
        line.removeprefix(_HEADER).split(" = ", maxsplit=1)
        for line in lines
        if line.startswith(_HEADER) and " = " in line
    )
    skipped = sum(1 for line in lines if line.startswith(_HEADER))
    try:
        valid_from, source = date.fromisoformat(stamps["valid_from"]), stamps["source"]
    except (KeyError, ValueError):
        raise RegistryError(
            [f"{path.name}: begin the file with '# valid_from = YYYY-MM-DD' and '# source = …'"]
        ) from None
    reader = csv.DictReader(lines[skipped:])
    rows = [(skipped + reader.line_num, row) for row in reader]
    return Stamped(valid_from, source, rows)


def parse(model: type[Model], entry: Mapping[str, Any], where: str) -> Model:
    """Make a model of an entry; an error names its place in the file."""
    try:
        return model.model_validate({key: value for key, value in entry.items() if value != ""})
    except ValidationError as error:
        raise RegistryError(
            [
                f"{where}: {'.'.join(map(str, problem['loc'])) or 'entry'}: {problem['msg']}"
                f" (found {problem['input']!r}); correct it"
                for problem in error.errors(include_url=False)
            ]
        ) from error
