"""The order in which a stack is taken down, by its supervisor or by whoever finds it orphaned."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from deploy.local import kafka, postgres
from deploy.local.home import Home
from deploy.local.processes import Mark, end, marked, wait_until
from deploy.local.state import Child

SERVICE_SECONDS_MAX = 20  # more than a service takes for the batch in hand
SERVERS = {"kafka": kafka, "postgres": postgres}


def end_children(children: Iterable[Child]) -> None:
    """End the services, all at once, then the servers they need for their last commits."""
    children = tuple(children)
    end(
        [child.mark for child in children if child.name not in SERVERS and child.mark],
        patience_seconds=SERVICE_SECONDS_MAX,
    )
    servers = [child for child in children if child.name in SERVERS]
    with ThreadPoolExecutor(len(SERVERS)) as pool:
        for ended in [pool.submit(_end_server, child) for child in servers]:
            ended.result()


def sweep(home: Home) -> bool:
    """End what carries this stack's name in its environment and was written down nowhere.

    Return whether there was anything; raise if it does not end.
    """

    def strays() -> list[Mark]:
        return marked("LAPOR_STACK", str(home.root))

    if wait_until(lambda: not strays(), seconds=1, poll=0.1):
        return False
    end(strays(), patience_seconds=SERVICE_SECONDS_MAX)
    return True


def _end_server(child: Child) -> None:
    module = SERVERS[child.name]
    if child.mark:
        end([child.mark], patience_seconds=module.STOP_SECONDS_MAX, by=module.STOP_SIGNAL)
