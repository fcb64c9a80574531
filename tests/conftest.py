"""What every test may ask for: real servers, databases, assemblies, clients.

Heavy things start only when the first test asks for them. A server that cannot be had skips its tests with a loud
word at the end; under CI=true it fails them instead, because a green run that tested nothing is a lie.
"""

from __future__ import annotations

import gc
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import settings

from tests.browser.obtaining import Tools, obtain_tools
from tests.gathered import hand_over, note, noted, take_over
from tests.servers import (
    Broker,
    PostgreSQL,
    ServerMissing,
    VirtualHost,
    obtain_broker,
    obtain_postgresql,
)

pytest_plugins = [
    "tests.faults.telling",
    "tests.fixtures.assemblies",
    "tests.fixtures.deployments",
]

# How long an example takes is chance where other tests run beside it: pytest's timeout ends what does not end.
settings.register_profile("beside others", settings(), deadline=None)
settings.load_profile("beside others")

T = TypeVar("T")
#: Why a program cannot be had, by its name: it is tried once.
_missing: dict[str, str] = {}


def _obtain(name: str, obtain: Callable[[], T]) -> T:
    if name not in _missing:
        try:
            return obtain()
        except ServerMissing as error:
            _missing[name] = str(error)
            note("missing", [name, _missing[name]])
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(_missing[name], pytrace=False)
    pytest.skip(_missing[name])


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A PostgreSQL server of this session, set for speed rather than durability."""
    server = _obtain("PostgreSQL", obtain_postgresql)
    note("had", ["PostgreSQL", server.how])
    yield server
    server.stop()


@pytest.fixture(scope="session")
def durable_postgresql() -> Iterator[PostgreSQL]:
    """A PostgreSQL server that keeps what it acknowledged, for tests of crashes."""
    server = _obtain("PostgreSQL", lambda: obtain_postgresql(durable=True))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """A RabbitMQ broker of this session."""
    found = _obtain("RabbitMQ", obtain_broker)
    note("had", ["RabbitMQ", found.how])
    yield found
    found.dispose()


@pytest.fixture(scope="session")
def browser_tools() -> Tools:
    """A browser, and what judges the pages in it."""
    tools = _obtain("Chromium", obtain_tools)
    note("had", ["Chromium", tools.how])
    return tools


@pytest.fixture
def virtual_host(broker: Broker) -> Iterator[VirtualHost]:
    """A room of this test's own in the broker."""
    with broker.virtual_host() as room:
        yield room


#: How long threads that are ending may take after a test, in seconds.
THREAD_SECONDS = 5.0


@pytest.fixture(autouse=True)
def _no_thread_left_behind() -> Iterator[None]:
    """A thread that outlives its test works on in the next one; what is started must be stopped."""
    before = set(threading.enumerate())
    yield
    started = [thread for thread in threading.enumerate() if thread not in before]
    for thread in started:
        thread.join(THREAD_SECONDS)
    left = [thread.name for thread in started if thread.is_alive()]
    assert not left, f"threads outlive the test: {left}"


#: The databases that everything with a database is tested on.
BACKENDS = [
    pytest.param("sqlite", id="sqlite"),
    pytest.param("postgresql", id="postgresql", marks=pytest.mark.postgresql),
]


@pytest.fixture(params=BACKENDS)
def database(request: pytest.FixtureRequest) -> str:
    """Which database the test runs on: every test that asks for one runs on both."""
    backend: str = request.param
    return backend


@pytest.fixture
def empty_database_url(
    request: pytest.FixtureRequest, database: str, tmp_path: Path, counter: Callable[[], int]
) -> Iterator[str]:
    """SQLAlchemy URL of a fresh database without tables."""
    if database == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.sqlite'}"
        return
    server: PostgreSQL = request.getfixturevalue("postgresql")
    name = f"empty_{counter()}"
    yield server.create_database(name)
    server.drop_database(name)


_count = 0


@pytest.fixture(scope="session")
def counter() -> Callable[[], int]:
    """Numbers for names that must differ within the session."""

    def following() -> int:
        global _count  # noqa: PLW0603 - one session, one count
        _count += 1
        return _count

    return following


def pytest_configure() -> None:
    """Quiet where the code under test is quiet: pika tells every refused connection with a stack of its own."""
    logging.getLogger("pika").setLevel(logging.CRITICAL)


def pytest_collection_finish() -> None:
    """Everything up to here stays: looking through it for garbage again and again takes a tenth of the run."""
    gc.freeze()


def pytest_report_header() -> str:
    """Which way the servers are to be had."""
    return f"servers: LIANMENG_TEST_SERVERS={os.environ.get('LIANMENG_TEST_SERVERS', 'auto')}"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """What `-n auto` means here."""
    from tests.distribution import workers_for

    return workers_for(config)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Whichever way of distributing is asked for: one is right here."""
    from tests.distribution import RoomByRoom

    config.option.loadscopereorder = False
    return RoomByRoom(config, log)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker hands over what was noted in it."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["noted"] = hand_over()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """The process that started the worker takes over. A worker that crashed has handed over nothing."""
    take_over(getattr(node, "workeroutput", {}).get("noted", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which servers the run had, and loudly which it lacked."""
    for name, how in sorted(dict(noted("had")).items()):
        terminalreporter.write_line(f"{name}: {how}")
    missing = dict(noted("missing"))
    if missing:
        terminalreporter.section("NOT TESTED: programs missing", sep="!", red=True, bold=True)
        for name, why in sorted(missing.items()):
            terminalreporter.write_line(f"{name}: {why}", red=True)
        terminalreporter.write_line(
            "Install Docker, or the server programs, or run as root on Debian/Ubuntu; see tests/README.md.", red=True
        )
