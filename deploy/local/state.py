"""What the supervisor is told (the plan) and what it says (the state), as files in LAPOR_HOME."""

import signal
from collections.abc import Mapping
from enum import StrEnum

from pydantic import BaseModel, ValidationError

from deploy.local.paths import Home, write_atomically
from deploy.local.processes import ProcessId
from deploy.local.restart_policy import Condition
from deploy.local.services import Profile, ServiceSlot, ServiceSpec

RETRY_SIGNAL = signal.SIGUSR1  # tells a supervisor to start what does not run


class Plan(BaseModel, frozen=True):
    """What to run: the services, and a function `module:name` that makes their topics.

    Tests ask for more than one broker, and for lines of a broker's configuration.
    """

    profile: Profile
    services: tuple[ServiceSpec, ...]
    provision: str
    brokers: int = 1
    broker_properties: Mapping[str, str] = {}

    @property
    def names(self) -> set[str]:
        """The names of the services."""
        return {service.name for service in self.services}


class Phase(StrEnum):
    """How far the supervisor has come."""

    SERVERS = "servers"  # Kafka and PostgreSQL are starting
    TOPICS = "topics"
    RUNNING = "running"
    ENDING = "ending"
    ENDED = "ended"
    FAILED = "failed"


class Child(BaseModel, frozen=True):
    """One process of the stack: Kafka, PostgreSQL, or the host of one or more services."""

    name: str
    condition: Condition
    pid: int | None
    started: float | None  # seconds since the epoch
    restarts: int
    failures: int  # in a row
    exit_code: int | None
    log: str
    slots: tuple[ServiceSlot, ...] = ()

    @property
    def process_id(self) -> ProcessId | None:
        """Name the process for good, if there is one."""
        if self.pid is None or self.started is None:
            return None
        return ProcessId(self.pid, self.started)

    @property
    def alive(self) -> bool:
        """Say whether the process runs now."""
        return self.process_id is not None and self.process_id.process() is not None


class StackState(BaseModel, frozen=True):
    """What one stack is, as its supervisor last saw it."""

    phase: Phase
    profile: Profile
    supervisor_pid: int
    supervisor_started: float
    kafka: str  # host:port, or several, by comma
    postgres: str  # host:port
    error: str = ""
    hint: str = ""
    retries: int = 0  # how often somebody asked to start what does not run
    children: tuple[Child, ...] = ()

    @property
    def supervisor(self) -> ProcessId:
        """Name the supervisor for good."""
        return ProcessId(self.supervisor_pid, self.supervisor_started)


def read_plan(home: Home) -> Plan | None:
    """Return what the last supervisor was told, if there was one."""
    try:
        return Plan.model_validate_json(home.plan.read_text())
    except (FileNotFoundError, ValidationError):
        return None


def read_state(home: Home) -> StackState | None:
    """Return what the last supervisor said, if there was one that spoke our language."""
    try:
        return StackState.model_validate_json(home.state.read_text())
    except (FileNotFoundError, ValidationError):
        return None


def write_state(home: Home, state: StackState) -> None:
    """Replace the state as a whole."""
    write_atomically(home.state, state.model_dump_json(indent=2) + "\n")
