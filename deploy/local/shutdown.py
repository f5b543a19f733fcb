"""The order in which a stack is taken down, by its supervisor or by whoever finds it orphaned."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

from deploy.local import kafka, postgres
from deploy.local.paths import Home
from deploy.local.processes import ProcessId, end, processes_with, wait_until
from deploy.local.state import Child

SERVICE_SECONDS_MAX = 20  # more than a service takes for the batch in hand
SERVERS = {kafka.NAME: kafka, postgres.NAME: postgres}


def end_children(children: Iterable[Child]) -> None:
    """End the services, all at once, then the servers they need for their last commits."""
    children = tuple(children)
    end(
        [child.process_id for child in children if not _kind(child) and child.process_id],
        patience_seconds=SERVICE_SECONDS_MAX,
    )
    servers = [child for child in children if _kind(child)]
    with ThreadPoolExecutor(max(1, len(servers))) as pool:
        for ended in [pool.submit(_end_server, child) for child in servers]:
            ended.result()


def sweep(home: Home) -> bool:
    """End what carries this stack's name in its environment and was written down nowhere.

    Return whether there was anything; raise if it does not end.
    """

    def strays() -> list[ProcessId]:
        return processes_with("LAPOR_STACK", str(home.root))

    if wait_until(lambda: not strays(), seconds=1, poll=0.1):
        return False
    end(strays(), patience_seconds=SERVICE_SECONDS_MAX)
    return True


def _end_server(child: Child) -> None:
    module = _kind(child)
    if child.process_id and module:
        end([child.process_id], patience_seconds=module.STOP_SECONDS_MAX, by=module.STOP_SIGNAL)


def _kind(child: Child) -> ModuleType | None:
    """Return what a server is of, `kafka-2` of Kafka; None for a service."""
    name, _, node = child.name.partition("-")
    return SERVERS.get(name) if not node or node.isdigit() else None
