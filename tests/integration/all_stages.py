"""The whole pipeline in one process, and the command line beside it."""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from deploy.cli.main import app
from deploy.local.services import SERVICES, ServiceSlot, command
from tests.integration.stack import Stack
from tests.integration.workers import KEYS, Worker, fresh

LAPOR = Path(sys.executable).with_name("lapor")
SILENT = ("notifier",)  # it speaks to people, of whom there are none here


@dataclass
class Pipeline:
    """A running pipeline on a broker and database as new."""

    stack: Stack
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def env(self) -> dict[str, str]:
        """What a program beside it finds in its environment."""
        return {**os.environ, "LAPOR_KAFKA": self.stack.kafka, "COLUMNS": "80"}

    def lapor(self, *arguments: str, stdin: bytes = b"") -> "Ran":
        """Run a command of the command line to its end, as a process of its own."""
        return ran(*arguments, stdin=stdin, env=self.env)

    def look(self, *arguments: str) -> "Ran":
        """Run a command that reads no input in this process: for what is asked again and again."""
        return looked(*arguments, env=self.env)


@dataclass
class Ran:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The JSON lines of standard output."""
        return [json.loads(line) for line in self.out.splitlines()]


def ran(*arguments: str, env: Mapping[str, str], stdin: bytes = b"") -> Ran:
    """Run `lapor` as a stranger does."""
    done = subprocess.run(
        [LAPOR, *arguments], env=env, input=stdin, capture_output=True, timeout=120, check=False
    )
    said = Ran(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "Traceback" not in said.err, said.err
    return said


def looked(*arguments: str, env: Mapping[str, str]) -> Ran:
    """Run a command in this process."""
    done = CliRunner().invoke(app, arguments, env=env)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Ran(done.exit_code, done.stdout, done.stderr)


@contextlib.contextmanager
def whole_pipeline(stack: Stack, settings: Mapping[str, str] | None = None) -> Iterator[Pipeline]:
    """Start every stage but the notifier; they have ended afterwards."""
    asyncio.run(fresh(stack))
    services = [service for service in SERVICES if service.name not in SILENT]
    with contextlib.ExitStack() as held:
        ports = [held.enter_context(_free_port()) for _ in services]
        slots = [ServiceSlot(service=s, port=p) for s, p in zip(services, ports, strict=True)]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        env = {
            **os.environ, **KEYS, "LAPOR_KAFKA": stack.kafka, "LAPOR_POSTGRES": stack.postgres,
            **(settings or {}),
        }  # fmt: skip
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", *command(slots)], env=env, stdout=output, stderr=output
            )
        try:
            for slot in slots:
                Worker(process, slot.port, log).wait_ready()
            yield Pipeline(stack, process, log)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(30)


@contextlib.contextmanager
def _free_port() -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        yield free.getsockname()[1]
