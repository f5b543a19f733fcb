"""Look-ups that never end: whom they hold up, and how many there are."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest

from services.notifier.name_resolver import Resolver, ResolverBusyError, own_name


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Let look-ups of `macet…` hang until the test has ended; yield what was looked up."""
    real, over, asked = socket.getaddrinfo, threading.Event(), []

    def look_up(host: str, port: int, **more: int) -> object:
        asked.append(host)
        if host.startswith("macet"):
            over.wait()
        return real("127.0.0.1", port, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield asked
    over.set()


async def given_up(resolve: Resolver, host: str) -> None:
    """Ask, and stop waiting at once."""
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(resolve(host, 443), 0.01)


async def test_stuck_names_hold_up_no_other(stuck: list[str]) -> None:
    """Nor the threads that everything else shares."""
    resolve = Resolver(4)
    for n in range(3):
        await given_up(resolve, f"macet{n}.example")
    assert await resolve("baik.example", 443) == ["127.0.0.1"]
    assert await asyncio.to_thread(len, stuck) == 4
    assert resolve.busy == 3


async def test_a_name_that_hangs_has_one_thread(stuck: list[str]) -> None:
    """However often it is asked for."""
    resolve = Resolver(4)
    for _ in range(10):
        await given_up(resolve, "macet.example")
    assert resolve.busy == 1
    assert stuck == ["macet.example"]


async def test_past_the_bound_only_what_was_known_is_answered(stuck: list[str]) -> None:
    """Nothing waits for a thread: it is said at once."""
    resolve = Resolver(2)
    await resolve("baik.example", 443)
    for n in range(2):
        await given_up(resolve, f"macet{n}.example")
    assert await resolve("baik.example", 443) == ["127.0.0.1"]
    with pytest.raises(ResolverBusyError):
        await resolve("baru.example", 443)
    assert "baru.example" not in stuck


async def test_a_name_that_is_none_is_an_error_of_the_network() -> None:
    """Never a raise of another kind."""
    for host in ("a..b", "x" * 70 + ".example", "tidak-ada.invalid"):
        with pytest.raises(OSError, match=r".+"):
            await Resolver()(host, 443)


async def test_this_machine_has_a_name_for_the_mail_server() -> None:
    """Whoever may have to say it."""
    assert await own_name()
