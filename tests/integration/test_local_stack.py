"""The whole local stack, as `lapor` starts it: with fake services, all else is real."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import asyncpg
import psutil
import pytest

from deploy.local.paths import Home
from deploy.local.probes import get
from deploy.local.processes import processes_with, wait_until
from deploy.local.report import look
from deploy.local.stack import connection, down, running
from deploy.local.state import StackState, read_state
from tests.integration.stack import temporary_home

pytestmark = pytest.mark.integration

SECOND_UP_SECONDS_MAX = 30  # it takes 4 on two idle cores; these may be shared


class Lapor:
    """Run `lapor` commands on one stack."""

    def __init__(self, home: Home, *services: str) -> None:
        self.home = home
        self.orders = home.root / "orders"
        shutil.rmtree(self.orders, ignore_errors=True)
        self.orders.mkdir()
        self._env = {
            **os.environ,
            "LAPOR_HOME": str(home.root),
            "LAPOR_CLOCK_SPEED": "from the caller",
            "FAKE_SERVICES": ",".join(services),
            "FAKE_ORDERS": str(self.orders),
        }

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command and return what it said."""
        return subprocess.run(
            [sys.executable, "-m", "tests.integration.fake_lapor", *words],
            check=False,
            capture_output=True,
            text=True,
            env=self._env,
            timeout=150,
        )

    def up(self, *words: str) -> float:
        """Start the stack and return the seconds it took; fail with its own words."""
        began = time.monotonic()
        done = self("up", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return time.monotonic() - began

    def status(self) -> dict[str, Any]:
        """Return what programs are told."""
        return look(self.home).as_dict()

    def line(self, name: str) -> dict[str, Any]:
        """Return what programs are told of one server or service."""
        told = self.status()
        found: dict[str, Any] = next(
            line for line in told["servers"] + told["services"] if line["name"] == name
        )
        return found

    def state(self) -> StackState:
        """Return what the supervisor last said."""
        state = read_state(self.home)
        assert state is not None
        return state

    def page(self, name: str, path: str) -> str:
        """Return a page of a service."""
        return get(int(self.line(name)["address"].rpartition(":")[2]), path)[1]

    def is_back(self, name: str, other_than: int) -> bool:
        """Say whether a process runs again, ready, under a new pid."""
        line = self.line(name)
        return line["state"] == "ready" and line["pid"] not in {None, other_than}


def processes(home: Home) -> list[int]:
    """Return the pids of everything that belongs to a stack."""
    return [mark.pid for mark in processes_with("LAPOR_STACK", str(home.root))]


@pytest.fixture(scope="module")
def used_home() -> Iterator[Home]:
    """Yield a LAPOR_HOME for all tests here: creating a database each time takes too long."""
    with temporary_home() as made:
        yield made


@pytest.fixture
def home(used_home: Home) -> Iterator[Home]:
    """Yield a LAPOR_HOME without a running stack."""
    yield used_home
    down(used_home)
    assert processes(used_home) == []


async def ask(home: Home, question: str) -> Any:
    """Return the answer of a stack's database to one SQL question."""
    connected = await asyncpg.connect(connection(home).postgres)
    try:
        return await connected.fetchval(question)
    finally:
        await connected.close()


def test_a_service_finds_what_it_needs_in_its_environment(home: Home) -> None:
    """Addresses, its name and port, keys that stay the same, and the caller's own settings."""
    lapor = Lapor(home, "only")
    lapor.up()
    found = dict(line.split("=", 1) for line in lapor.page("only", "/env").splitlines())
    secrets = home.read_secrets()
    assert found["LAPOR_KAFKA"] == connection(home).kafka
    assert found["LAPOR_POSTGRES"] == connection(home).postgres
    assert found["LAPOR_INSTANCE"] == "only"
    assert lapor.line("only")["address"].endswith(f":{found['LAPOR_HTTP_PORT']}")
    assert found["LAPOR_MASTER_KEY"] == secrets.master_key
    assert found["LAPOR_DEAD_LETTER_KEY"] == secrets.dead_letter_key
    assert found["LAPOR_CLOCK_SPEED"] == "from the caller"
    assert secrets.postgres_password not in lapor("status", "--json").stdout


def test_two_stacks_run_side_by_side_and_end_apart(home: Home) -> None:
    """Another LAPOR_HOME is another stack, on other ports."""
    with temporary_home() as second:
        one, two = Lapor(home, "same"), Lapor(second, "same")
        one.up()
        two.up()
        addresses = [
            {told["kafka"], told["postgres"], told["services"][0]["address"]}
            for told in (one.status(), two.status())
        ]
        assert addresses[0].isdisjoint(addresses[1])
        two("down")
        assert processes(second) == []
        assert one.status()["ready"]


def test_a_killed_supervisor_is_put_right_by_the_next_up(home: Home) -> None:
    """What it left is ended, a new stack is there, and nothing runs twice."""
    lapor = Lapor(home, "one", "two")
    lapor.up()
    before = processes(home)
    os.kill(lapor.state().supervisor_pid, signal.SIGKILL)
    assert wait_until(lambda: lapor.state().supervisor.process() is None, seconds=5)
    assert "The supervisor was killed" in lapor("status").stderr

    lapor.up()
    assert set(before).isdisjoint(processes(home))
    assert lapor.status()["ready"]
    os.kill(lapor.state().supervisor_pid, signal.SIGKILL)
    assert "no process is left" in lapor("down").stdout
    assert processes(home) == []


def test_a_killed_up_leaves_a_stack_that_the_next_up_takes_over(home: Home) -> None:
    """The supervisor goes on by itself; the second `up` only waits for it."""
    lapor = Lapor(home, "one")
    first = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.fake_lapor", "up"], env=lapor._env
    )
    assert wait_until(lambda: running(home) is not None, seconds=60)
    first.kill()
    first.wait()
    supervisor = lapor.state().supervisor
    lapor.up()
    assert lapor.state().supervisor == supervisor


async def test_whatever_ends_is_started_again(home: Home) -> None:
    """A crashed service, a killed broker, a killed database: at the same address as before."""
    lapor = Lapor(home, "fragile")
    lapor.up()
    told = lapor.status()
    addresses = [line["address"] for line in told["servers"] + told["services"]]
    await ask(home, "create table if not exists kept as select 42 as answer")
    for line in told["servers"] + told["services"]:
        psutil.Process(line["pid"]).kill()
    for line in told["servers"] + told["services"]:
        back = wait_until(
            lambda line=line: lapor.is_back(line["name"], line["pid"]),  # type: ignore[misc]
            seconds=60,
            poll=0.2,
        )
        assert back, lapor("logs", line["name"]).stdout
    told = lapor.status()
    assert [line["address"] for line in told["servers"] + told["services"]] == addresses
    assert {line["restarts"] for line in told["services"]} == {1}
    assert await ask(home, "select answer from kept") == 42


def test_a_refusal_stops_a_service_until_an_operator_acts(home: Home) -> None:
    """Exit code 78: not started again, shown as stopped; the others go on."""
    lapor = Lapor(home, "strict", "other")
    lapor.up()
    assert lapor.page("strict", "/exit/78") == ""
    assert wait_until(lambda: lapor.line("strict")["state"] == "stopped", seconds=10, poll=0.2)
    assert lapor.line("other")["state"] == "ready"
    assert "because it was told to" in lapor("logs", "strict").stdout
    assert lapor("status").returncode == 1

    (lapor.orders / "strict.exit").write_text("78")
    refused = lapor("up")
    assert refused.returncode == 1
    assert "strict refuses to run" in refused.stderr
    assert "lapor down" in refused.stderr

    (lapor.orders / "strict.exit").unlink()
    lapor.up()


def test_a_service_that_cannot_start_is_named_with_its_last_words(home: Home) -> None:
    """`up` does not wait for ever; the rest stays up to be looked at."""
    lapor = Lapor(home, "broken", "sound")
    (lapor.orders / "broken.exit").write_text("3")
    failed = lapor("up")
    assert failed.returncode == 1
    assert "broken ends again and again (3)" in failed.stderr
    assert "broken ends with 3 because it was told to" in failed.stderr
    assert "lapor logs broken" in failed.stderr
    assert lapor.line("sound")["state"] == "ready"

    (lapor.orders / "broken.exit").unlink()
    lapor.up()
    assert lapor("down").returncode == 0
    assert processes(home) == []


def test_all_services_fit_into_one_process(home: Home) -> None:
    """The small profile: one pid, and a port, a name and a health page for each service."""
    lapor = Lapor(home, "one", "two")
    lapor.up("--profile", "small")
    lines = lapor.status()["services"]
    assert len({line["pid"] for line in lines}) == 1
    assert len({line["address"] for line in lines}) == 2
    assert "LAPOR_INSTANCE=one" in lapor.page("one", "/env")
    assert "LAPOR_INSTANCE=two" in lapor.page("two", "/env")
    lapor("down")
    said = lapor("logs", "two").stdout
    assert "one ends in good order" in said
    assert "two ends in good order" in said


async def test_the_first_start_the_second_and_a_fresh_one() -> None:
    """Ready means ready; down leaves no process; the second start is quick and has the data.

    A fresh start has neither data nor keys; whatever else lies in the folder is left alone.
    """
    with temporary_home() as home:
        names = [f"fake-{number}" for number in range(9)]
        lapor = Lapor(home, *names)
        foreign = home.root / "somebody-elses.txt"
        foreign.write_text("kept")
        assert "Nothing was running" in lapor("down").stdout
        lapor.up()
        told = json.loads(lapor("status", "--json").stdout)
        assert told["ready"]
        assert [line["name"] for line in told["services"]] == names
        assert {line["lag"] for line in told["services"]} == {7}
        assert len({line["pid"] for line in told["services"]}) == 9
        assert f"topics made on {told['kafka']}" in lapor("logs", "provision").stdout
        await ask(home, "create table if not exists kept as select 42 as answer")
        assert lapor("down").returncode == 0
        assert processes(home) == []
        assert "fake-0 ends in good order" in lapor("logs", "fake-0").stdout
        assert lapor("status").returncode == 1

        assert lapor.up() < SECOND_UP_SECONDS_MAX
        assert await ask(home, "select answer from kept") == 42
        key = home.read_secrets().master_key
        assert "End it first: lapor down" in lapor("up", "--fresh").stderr
        lapor("down")
        lapor.up("--fresh")
        assert await ask(home, "select to_regclass('kept')") is None
        assert home.read_secrets().master_key != key
        assert lapor("down", "--wipe").returncode == 0
        assert sorted(path.name for path in home.root.iterdir()) == [
            "orders",
            "somebody-elses.txt",
            "stack.lock",
        ]
