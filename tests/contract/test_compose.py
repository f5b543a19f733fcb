"""What the files of the stack with Docker must agree on with the rest; no Docker engine is needed.

No reader of YAML is among the project's dependencies, so the files are read by their indentation.
"""

import contextlib
import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.docker import settings
from deploy.local.kafka import Kafka
from deploy.local.paths import Home
from deploy.local.services import SERVICES, ServiceSpec
from shared.contract.topics import READS
from shared.runtime.metrics import Meters
from shared.vault.crypto import DeadLetterKey, Vault

ROOT = Path(__file__).parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
STAGE_SH = ROOT / "deploy" / "docker" / "stage.sh"
IMAGES = {
    "kafka": "apache/kafka:4.3.1",
    "postgres": "postgres:18",
    "prometheus": "prom/prometheus:${LAPOR_PROMETHEUS_TAG:-latest}",
    "grafana": "grafana/grafana:${LAPOR_GRAFANA_TAG:-latest}",
}


def blocks(text: str, indent: int) -> dict[str, str]:
    """Return the text below each key that stands at an indentation."""
    parts = re.split(rf"^ {{{indent}}}([\w.-]+):", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


TOP = blocks(COMPOSE, 0)
CONTAINERS = blocks(TOP["services"], 2)
STAGES = {name: text for name, text in CONTAINERS.items() if "<<: *stage" in text}


def setting(block: str, name: str) -> str:
    """Return the only value of a key in a block."""
    (value,) = re.findall(rf"^ +{name}: (.+)$", block, flags=re.MULTILINE)
    return str(value)


def test_every_stage_stands_in_compose_once() -> None:
    """And the other containers are known by name, so that none is overlooked."""
    assert sorted(STAGES) == sorted(READS)
    names = re.findall(r"^  ([\w.-]+):", TOP["services"], flags=re.MULTILINE)
    assert sorted(names) == sorted([*READS, *IMAGES, "topics"])


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_a_stage_runs_as_in_the_local_stack(service: ServiceSpec) -> None:
    """The same application under the same instance's name."""
    block = STAGES[service.name]
    assert setting(block, "UVICORN_APP") == service.factory
    assert setting(block, "LAPOR_INSTANCE") == service.name


def test_only_who_opens_what_is_sealed_has_the_master_key() -> None:
    """A stage that does not ask for the key must not be able to lose it."""
    for row in SERVICES:
        app = row.factory.split(":", maxsplit=1)[0].replace(".", "/") + ".py"
        asks = "master_key" in (ROOT / app).read_text(encoding="utf-8")
        assert ("*opens" in STAGES[row.name]) == asks, row.name


@pytest.mark.parametrize("name", sorted(IMAGES))
def test_images_are_the_official_ones(name: str) -> None:
    """By full name and tag."""
    assert setting(CONTAINERS[name], "image") == IMAGES[name]


@pytest.mark.parametrize("name", [*IMAGES, "topics", "x-stage"])
def test_every_container_has_a_health_check_and_a_limit_of_memory(name: str) -> None:
    """What a stage has, all stages have from one anchor."""
    block = {**CONTAINERS, **TOP}[name]
    assert "healthcheck:" in block
    assert re.search(r"^ +mem_limit: \d+[mg]$", block, flags=re.MULTILINE)


def test_no_port_is_open_to_the_network() -> None:
    """Kafka and the pages of the stages ask nobody who they are."""
    ports = re.findall(r"^ +ports: \[(.+?)\]", COMPOSE, flags=re.MULTILINE)
    assert len(ports) == COMPOSE.count("ports:")
    assert all(port.startswith('"127.0.0.1:') and "," not in port for port in ports)


def test_the_broker_is_set_up_as_in_the_local_stack() -> None:
    """In what the records depend on; addresses, folders and sizes of its parts may differ."""
    kafka = CONTAINERS["kafka"]
    written = Kafka(Home(Path("home")), (), 9092, 9093).properties(Path("data"))
    for name in (
        "auto.create.topics.enable", "log.message.timestamp.type",
        "offsets.topic.replication.factor", "group.initial.rebalance.delay.ms",
    ):  # fmt: skip
        (local,) = re.findall(rf"^{re.escape(name)}=(.+)$", written, flags=re.MULTILINE)
        assert setting(kafka, f"KAFKA_{name.upper().replace('.', '_')}").strip('"') == local


def test_prometheus_looks_at_every_stage() -> None:
    """By the names of their containers."""
    text = (ROOT / "deploy/prometheus/prometheus.yml").read_text(encoding="utf-8")
    assert sorted(re.findall(r"- (.+):8000$", text, flags=re.MULTILINE)) == sorted(READS)


@pytest.mark.parametrize(
    "file",
    ["prometheus/rules.yml", "prometheus/rules.test.yml", "grafana/dashboards/pipeline.json"],
)
def test_rules_and_panels_name_metrics_that_exist(file: str) -> None:
    """An alert on a metric that was renamed would never fire."""
    text = (ROOT / "deploy" / file).read_text(encoding="utf-8")
    known = {family.name for family in Meters("any").registry.collect()}
    named = set(re.findall(r"\blapor_[a-z_]+", text))
    assert named
    assert {re.sub("_(total|bucket|count|sum)$", "", name) for name in named} <= known


def test_every_panel_has_a_place_and_a_question() -> None:
    """The dashboard is JSON that Grafana takes as it is."""
    board = json.loads((ROOT / "deploy/grafana/dashboards/pipeline.json").read_text())
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in board["panels"]]
    assert len(set(places)) == len(places)
    assert all(target["expr"] for p in board["panels"] for target in p["targets"])


def test_the_settings_hold_all_that_compose_demands(tmp_path: Path) -> None:
    """Written once, for their owner's eyes; a second time would throw keys away."""
    file = tmp_path / ".env"
    settings.write(file)
    written = dict(line.split("=", 1) for line in file.read_text().splitlines() if line[0] != "#")
    assert set(re.findall(r"\$\{(\w+):\?", COMPOSE)) <= set(written)
    Vault.from_text(written["LAPOR_MASTER_KEY"])
    DeadLetterKey.from_text(written["LAPOR_DEAD_LETTER_KEY"])
    assert re.fullmatch(r"[\w-]+", written["LAPOR_POSTGRES_PASSWORD"])  # it stands in a URL
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        settings.write(file)


def test_secrets_enter_neither_the_history_nor_the_image() -> None:
    """The image takes only what .dockerignore names."""
    assert ".env" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    taken = [line for line in lines if line and line[0] != "#"]
    assert taken[0] == "*"
    assert {line[1:] for line in taken if line[0] == "!"} == {
        "pyproject.toml", "uv.lock", "shared", "services", "deploy",
    }  # fmt: skip


@contextlib.contextmanager
def running(script: str) -> Iterator["subprocess.Popen[str]"]:
    """Run a shell script as a stage's container does; it has ended afterwards."""
    command = ["sh", str(STAGE_SH), "sh", "-c", script]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("code", [0, 1, 70])
def test_a_stage_that_ends_passes_on_its_exit_code(code: int) -> None:
    """Docker starts it again."""
    with running(f"exit {code}") as process:
        assert process.wait(10) == code


def test_the_signal_to_end_reaches_the_stage_which_ends_in_its_own_time() -> None:
    """A batch in hand is finished."""
    with running(
        "trap 'sleep 0.3; echo finished; exit 5' TERM; echo up; sleep 5 & wait"
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "finished\n"
        assert process.wait(10) == 5


def test_a_stage_that_refuses_to_run_is_not_started_again() -> None:
    """The container stays, says so, and ends when it is told to."""
    with running("exit 78") as process:
        assert process.stderr is not None
        assert "refuses to run" in process.stderr.readline()
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 78
