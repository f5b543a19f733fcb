"""What the supervisor is made of: homes, jars, ports, process ids, lag, the state file."""

import hashlib
import os
import re
import socket
import stat
from pathlib import Path

import pytest

from deploy.local.errors import LocalStackError
from deploy.local.jars import LOCK_FILE, Jar, fetch_jars, read_lock
from deploy.local.paths import Home, default_cache, default_home, write_atomically
from deploy.local.probes import read_lag
from deploy.local.processes import LOOPBACK, Ports, ProcessId, last_lines
from deploy.local.restart_policy import Condition
from deploy.local.services import SERVICES, ServiceSlot, command
from deploy.local.state import Child, Phase, StackState, read_state, write_state


def test_lapor_home_decides_where_a_stack_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two folders, two stacks; else the XDG folders; root's own is closed to the database."""
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert default_home({"LAPOR_HOME": str(tmp_path)}).root == tmp_path
    assert default_home({}).root == Path("/state/lapor")
    assert default_cache() == Path("/cache/lapor")

    monkeypatch.delenv("XDG_STATE_HOME")
    own = Path.home() / ".local/state/lapor"
    assert default_home({}).root == (Path("/var/lib/lapor") if os.geteuid() == 0 else own)


def test_secrets_are_drawn_once_and_closed_to_others(tmp_path: Path) -> None:
    """A second start opens what the first one sealed."""
    home = Home(tmp_path / "new").make()
    assert home.read_secrets() == home.read_secrets()
    assert stat.S_IMODE(home.secrets.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.root.stat().st_mode) == 0o700


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    """A reader never sees half a state."""
    path = tmp_path / "file"
    write_atomically(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "\ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_every_jar_is_locked_by_its_digest() -> None:
    """Kafka and its log binding: 47 files, each with a SHA-256, from no address in particular."""
    lock = read_lock()
    assert len(lock) == len(set(lock)) == 47
    assert all(re.fullmatch(r"[0-9a-f]{64}", jar.sha256) for jar in lock)
    assert {"kafka_2.13", "slf4j-reload4j"} <= {jar.name for jar in lock}
    assert "://" not in LOCK_FILE.read_text()


def test_a_jar_lies_where_maven_puts_it() -> None:
    """The cache is a Maven repository."""
    jar = Jar("org.apache.kafka", "kafka_2.13", "4.3.1", "")
    assert jar.path == Path("org/apache/kafka/kafka_2.13/4.3.1/kafka_2.13-4.3.1.jar")


def test_a_port_in_use_is_passed_over(tmp_path: Path) -> None:
    """Somebody else's server keeps its port."""
    with socket.socket() as other:
        other.bind((LOOPBACK, 0))
        other.listen()
        taken = other.getsockname()[1]
        ports = Ports(tmp_path)
        assert ports.take(taken) > taken
        ports.close()


def test_two_stacks_are_never_given_the_same_port(tmp_path: Path) -> None:
    """Also before either of them listens."""
    one, two = Ports(tmp_path), Ports(tmp_path)
    assert one.take(23000) != two.take(23000)
    one.close()
    two.close()


def test_another_process_under_the_same_pid_is_not_taken_for_ours() -> None:
    """Nothing is ended by mistake after a reboot."""
    own = ProcessId.of(os.getpid())
    assert own.process() is not None
    assert ProcessId(own.pid, own.started - 60).process() is None


def test_the_end_of_a_log_is_read_without_the_rest(tmp_path: Path) -> None:
    """A long log costs no more than a short one."""
    log = tmp_path / "a.log"
    log.write_text("".join(f"line {number}\n" for number in range(100_000)))
    assert last_lines(log, 2) == ["line 99998", "line 99999"]
    assert last_lines(tmp_path / "none.log") == []


@pytest.mark.parametrize(
    ("page", "lag"),
    [
        ('# TYPE lapor_lag_records gauge\nlapor_lag_records{p="}"} 3\nlapor_lag_records 4.0\n', 7),
        ("# TYPE lapor_other gauge\nlapor_other 3\n", None),
        ("<html>not metrics</html>", None),
        ("", None),
    ],
)
def test_lag_is_the_sum_over_partitions_or_unknown(page: str, lag: int | None) -> None:
    """An unknown lag is not said to be none."""
    assert read_lag(200, page) == lag


def test_twins_differ_by_their_environment_alone() -> None:
    """Both verifications run the same code with another policy: the name says which."""
    twins = [row for row in SERVICES if row.factory == "services.verification.app:build"]
    assert [ServiceSlot(service=row, port=1).env["LAPOR_INSTANCE"] for row in twins] == [
        "verification.national", "verification.institution",
    ]  # fmt: skip
    assert len({row.name for row in SERVICES}) == len(SERVICES) == 9


def test_a_service_runs_on_the_loop_that_survives_outages() -> None:
    """Stock asyncio: aiokafka may hang on uvloop after an outage of the broker."""
    words = command([ServiceSlot(service=SERVICES[0], port=8001)])
    assert words[words.index("--loop") + 1] == "asyncio"
    assert words[words.index("--port") + 1] == "8001"


def test_the_state_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    """What the supervisor says is what the commands know."""
    slot = ServiceSlot(service=SERVICES[0], port=8001)
    child = Child(
        name="together",
        condition=Condition.RUNNING,
        pid=1,
        started=2.5,
        restarts=0,
        failures=0,
        exit_code=None,
        log="a.log",
        slots=(slot,),
    )
    state = StackState(
        phase=Phase.RUNNING,
        profile="small",
        supervisor_pid=3,
        supervisor_started=4.5,
        kafka="127.0.0.1:9092",
        postgres="127.0.0.1:5432",
        children=(child,),
    )
    home = Home(tmp_path)
    assert read_state(home) is None
    write_state(home, state)
    assert read_state(home) == state


def test_a_jar_that_is_not_the_locked_one_is_never_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A changed file in the cache is fetched again; without a network nothing starts."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://{LOOPBACK}:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    jar = Jar("org.example", "tool", "1", hashlib.sha256(b"right").hexdigest())
    path = tmp_path / "jars" / jar.path
    path.parent.mkdir(parents=True)
    path.write_bytes(b"right")
    assert fetch_jars(tmp_path, (jar,)) == (path,)
    path.write_bytes(b"wrong")
    with pytest.raises(LocalStackError, match="Could not download tool 1"):
        fetch_jars(tmp_path, (jar,))
    assert not path.exists()
