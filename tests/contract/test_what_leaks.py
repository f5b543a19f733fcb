"""That no command and no model can forget what the others were taught about outsiders' words."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

ROOT = Path(__file__).parents[2]
_WRITES = {"print", "Console", "echo", "secho"}
# The bytes of a dead letter, to a file: never to a terminal.
_RAW = {"deploy/cli/commands/dead_letters.py: sys.stdout.buffer.write"}


def test_commands_write_through_the_one_terminal_that_obeys_nothing() -> None:
    """Whoever prints past `cli/terminal/output.py` prints what an outsider wrote as it came."""
    found = set()
    for file in (*(ROOT / "deploy/cli").rglob("*.py"), *(ROOT / "deploy/demo").rglob("*.py")):
        name = str(file.relative_to(ROOT))
        if name == "deploy/cli/terminal/output.py":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            if called in _WRITES or re.search(r"\bstd(out|err)\b.*\bwrite", called):
                found.add(f"{name}: {called}")
    assert found == _RAW


def test_no_model_tells_its_input_in_an_error() -> None:
    """What cannot be read is what somebody wrote. Operators' own files may be quoted to them."""
    for package in ("services", "shared"):
        for file in (ROOT / package).rglob("*.py"):
            importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
    telling = {
        f"{model.__module__}.{model.__name__}"
        for model in _below(BaseModel)
        if model.__module__.startswith(("services.", "shared."))
        and not model.__module__.startswith("shared.registry.")
        and not model.model_config.get("hide_input_in_errors")
    }
    assert telling == set()


def _below(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for each in model.__subclasses__():
        yield each
        yield from _below(each)
