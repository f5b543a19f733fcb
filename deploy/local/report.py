"""The state of a stack as people and programs want it: asked from every process now."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from deploy.local import kafka, postgres
from deploy.local.kafka import Kafka
from deploy.local.paths import Home
from deploy.local.postgres import DATABASE, USER, Postgres
from deploy.local.probes import are_ready, lags
from deploy.local.restart_policy import Condition
from deploy.local.stack import running
from deploy.local.state import Child, Phase, StackState, read_state

READY, STARTING = "ready", "starting"


@dataclass(frozen=True)
class StatusLine:
    """One server or service."""

    name: str
    state: str  # ready, starting, waiting (to be started again), stopped (an operator must act)
    address: str
    pid: int | None
    restarts: int
    lag: int | None  # records still to be read, None where that is not known


@dataclass(frozen=True)
class Report:
    """A whole stack."""

    home: Home
    state: StackState | None
    trouble: str
    servers: tuple[StatusLine, ...] = ()
    services: tuple[StatusLine, ...] = ()

    @property
    def lines(self) -> tuple[StatusLine, ...]:
        """Servers and services in the order in which they start."""
        return self.servers + self.services

    @property
    def is_ready(self) -> bool:
        """Say whether all of it can be used."""
        return not self.trouble and all(line.state == READY for line in self.lines)

    def as_dict(self) -> dict[str, object]:
        """Return what `lapor status --json` prints; it holds no password."""
        state = self.state
        return {
            "ready": self.is_ready,
            "trouble": self.trouble or None,
            "home": str(self.home.root),
            "profile": state.profile if state else None,
            "kafka": state.kafka if state else None,
            "postgres": f"postgresql://{USER}@{state.postgres}/{DATABASE}" if state else None,
            "postgres_passfile": str(self.home.passfile) if state else None,
            "servers": [asdict(line) for line in self.servers],
            "services": [asdict(line) for line in self.services],
        }


def look(home: Home) -> Report:
    """Ask every process of a stack how it is."""
    state = running(home)
    if state is None:
        return Report(home=home, state=None, trouble=_why_not_running(home))
    by_name = {child.name: child for child in state.children}
    return Report(
        home=home,
        state=state,
        trouble="" if state.phase is Phase.RUNNING else f"The stack is not up yet: {state.phase}.",
        servers=tuple(
            _server_line(home, by_name[name], address)
            for name, address in _addresses(state).items()
            if name in by_name
        ),
        services=_service_lines([child for child in state.children if child.slots]),
    )


def _why_not_running(home: Home) -> str:
    state = read_state(home)
    left = [child for child in (state.children if state else ()) if child.alive]
    if left:
        names = ", ".join(child.name for child in left)
        return (
            f"The supervisor was killed; without it still run: {names}.\n"
            "Put it right with: lapor up (or end them: lapor down)"
        )
    if state is not None and state.phase is Phase.FAILED:
        return f"The last start failed: {state.error}\n{state.hint}"
    return "The stack is not running. Start it: lapor up"


def _addresses(state: StackState) -> dict[str, str]:
    """Return where each server is found, by the name of its process."""
    brokers = enumerate(state.kafka.split(","), start=1)
    addresses = {kafka.node_name(node): address for node, address in brokers}
    return {**addresses, postgres.NAME: state.postgres}


def _server_line(home: Home, child: Child, address: str) -> StatusLine:
    port = int(address.rpartition(":")[2])
    is_broker = child.name != postgres.NAME
    server = Kafka(home, (), port, 0) if is_broker else Postgres(home, port, "")
    return StatusLine(
        name=child.name,
        state=_state(child, is_ready=child.pid is not None and server.answers()),
        address=address,
        pid=child.pid,
        restarts=child.restarts,
        lag=None,
    )


def _service_lines(children: Sequence[Child]) -> tuple[StatusLine, ...]:
    slots = [(child, slot) for child in children for slot in child.slots]
    ports = [slot.port for _, slot in slots]
    asked = zip(slots, are_ready(ports), lags(ports), strict=True)
    return tuple(
        StatusLine(
            name=slot.service.name,
            state=_state(child, is_ready=is_ready),
            address=slot.http,
            pid=child.pid,
            restarts=child.restarts,
            lag=lag,
        )
        for (child, slot), is_ready, lag in asked
    )


def _state(child: Child, *, is_ready: bool) -> str:
    if child.condition is not Condition.RUNNING:
        return child.condition.value
    return READY if is_ready else STARTING
