"""What a running service says of itself: is it ready, how far is it behind."""

import http.client
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TypeVar

from prometheus_client.parser import text_string_to_metric_families

from deploy.local.processes import LOOPBACK

LAG_METRIC = "lapor_lag_records"
TIMEOUT_SECONDS = 3.0
PROBES_AT_ONCE = 16

T = TypeVar("T")


def are_ready(ports: Sequence[int]) -> list[bool]:
    """Say of each service whether its /readyz answers 200."""
    return _ask_all(ports, lambda port: get(port, "/readyz")[0] == HTTPStatus.OK)


def lags(ports: Sequence[int]) -> list[int | None]:
    """Return of each service the records it has still to read, None where it does not say."""
    return _ask_all(ports, lambda port: read_lag(*get(port, "/metrics")))


def read_lag(status: int, page: str) -> int | None:
    """Return the sum of a page's lag gauge, None where it has none."""
    if status != HTTPStatus.OK:
        return None
    try:
        samples = [
            sample.value
            for family in text_string_to_metric_families(page)
            if family.name == LAG_METRIC
            for sample in family.samples
        ]
    except ValueError:
        return None
    return round(sum(samples)) if samples else None


def get(port: int, path: str) -> tuple[int, str]:
    """Return status and body of a page on loopback; status 0 when nobody answers."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        connection.close()


def _ask_all(ports: Sequence[int], ask: Callable[[int], T]) -> list[T]:
    with ThreadPoolExecutor(PROBES_AT_ONCE) as pool:
        return list(pool.map(ask, ports))
