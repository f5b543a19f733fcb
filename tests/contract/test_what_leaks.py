"""That no command and no model can forget what the others were taught about outsiders' words."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
_WRITES = {"print", "Console", "echo", "secho"}
# The bytes of a dead letter, to a file: never to a terminal.
_RAW = {"deploy/cli/dead_letters.py: sys.stdout.buffer.write"}


def test_commands_write_through_the_one_terminal_that_obeys_nothing() -> None:
    """Whoever prints past `deploy/cli/terminal.py` prints what an outsider wrote as it came."""
    found = set()
    for file in (*(ROOT / "deploy/cli").rglob("*.py"), *(ROOT / "deploy/demo").rglob("*.py")):
        name = str(file.relative_to(ROOT))
        if name == "deploy/cli/terminal.py":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            if called in _WRITES or re.search(r"\bstd(out|err)\b.*\bwrite", called):
                found.add(f"{name}: {called}")
    assert found == _RAW
