"""Private PostgreSQL and RabbitMQ instances of the server programs installed on this machine.

Own data directories, own free ports, own node name and own Erlang port mapper: a system instance beside them is
neither used nor disturbed, and everything is stopped and removed at the end of the session. PostgreSQL refuses to
run as root, so root hands the directory to an unprivileged user.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tests.servers.broker import START_SECONDS, Broker
from tests.servers.ports import HOST, free_ports, is_listening
from tests.servers.postgresql import PostgreSQL
from tests.waiting import wait_until

USER = "lianmeng"
PASSWORD = "for-tests-only"
#: A file system in memory, and how much of it must be free before we use it, in bytes.
MEMORY = Path("/dev/shm")
MEMORY_BYTES_MIN = 4 * 1024**3
#: Users whom root may lend a directory to, best first; every Debian has the last.
UNPRIVILEGED = ("postgres", "rabbitmq", "nobody")


class NoProgram(Exception):
    """The server program is not installed here."""


def find_program(name: str, *patterns: str) -> Path:
    """A program under one of the patterns below `/`, newest version first, or on PATH; raises NoProgram."""
    found = [path for pattern in patterns for path in sorted(Path("/").glob(pattern), reverse=True)]
    on_path = shutil.which(name)
    if not found and not on_path:
        raise NoProgram(f"{name} is not installed")
    return found[0] if found else Path(str(on_path))


# ---------------------------------------------------------------- PostgreSQL
def postgresql(settings: dict[str, str]) -> PostgreSQL:
    """Make and start a private server with these settings on a free port."""
    initdb = find_program("initdb", "usr/lib/postgresql/*/bin/initdb", "usr/pgsql-*/bin/initdb")
    binaries = initdb.resolve().parent
    [port] = free_ports(1)
    directory = Path(tempfile.mkdtemp(prefix="lianmeng-postgresql-", dir=_folder_for(settings)))
    (directory / "password").write_text(PASSWORD)
    as_user = _lend(directory)
    data = directory / "data"
    login = [f"--username={USER}", f"--pwfile={directory / 'password'}", "--auth=scram-sha-256"]
    _run([str(initdb), f"--pgdata={data}", *login, "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"], as_user)
    listening = {**settings, "listen_addresses": HOST, "port": str(port), "unix_socket_directories": str(directory)}
    flags = [part for name, value in listening.items() for part in ("-c", f"{name}={value}")]
    lives: list[subprocess.Popen[bytes]] = []

    def begin() -> None:
        with (directory / "log").open("ab") as log:
            lives.append(
                subprocess.Popen(
                    [str(binaries / "postgres"), "-D", str(data), *flags],
                    stdout=log,
                    stderr=log,
                    **as_user.spawn,
                )
            )

    def kill() -> None:
        lives[-1].kill()
        lives[-1].wait()

    def has_come_back() -> bool:
        if lives[-1].poll() is not None:
            begin()  # also once more: the dead one's sessions may have held its memory a moment longer
        return server.answers()

    def revive() -> None:
        wait_until(has_come_back, f"{version} answering", seconds=START_SECONDS, every=0.1)

    begin()
    version = _run([str(binaries / "postgres"), "--version"], as_user).strip()
    server = PostgreSQL(
        host=HOST,
        port=port,
        user=USER,
        password=PASSWORD,
        how=f"private instance of {version}",
        stop=lambda: _end(lives[-1], directory, signal.SIGINT),  # SIGINT is PostgreSQL's fast shutdown
        kill=kill,
        revive=revive,
    )
    try:
        wait_until(server.answers, f"{version} answering", seconds=START_SECONDS, every=0.1)
    except BaseException as error:
        error.add_note((directory / "log").read_text(errors="replace")[-4000:])
        server.stop()
        raise
    return server


def _folder_for(settings: dict[str, str]) -> str | None:
    """Memory where nothing has to last and there is room: a database copied for every test is a thousand files."""
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_BYTES_MIN
    return str(MEMORY) if roomy and settings.get("fsync") != "on" else None


# ---------------------------------------------------------------- RabbitMQ
class LocalBroker(Broker):
    """A broker node of our own, in a directory of its own."""

    def __init__(self, programs: Path) -> None:
        port, management_port, distribution_port, mapper_port = free_ports(4)
        super().__init__(
            host=HOST,
            port=port,
            management_port=management_port,
            user=USER,
            password=PASSWORD,
            how="private instance of the installed RabbitMQ",
        )
        self._programs = programs
        self._directory = Path(tempfile.mkdtemp(prefix="lianmeng-rabbitmq-"))
        self._environment = self._write_configuration(distribution_port, mapper_port)
        self._as_user = _lend(self._directory)
        self._process: subprocess.Popen[bytes] | None = None
        self._mapper: subprocess.Popen[bytes] | None = None

    def _write_configuration(self, distribution_port: int, mapper_port: int) -> dict[str, str]:
        directory = self._directory
        (directory / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = {HOST}:{self.port}\n"
            f"management.tcp.ip = {HOST}\n"
            f"management.tcp.port = {self.management_port}\n"
            f"default_user = {self.user}\n"
            f"default_pass = {self.password}\n"
            "loopback_users = none\n"
            "collect_statistics_interval = 1000\n"
        )
        (directory / "enabled_plugins").write_text("[rabbitmq_management].\n")
        (directory / "environment.conf").write_text("")
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LANG": "C.UTF-8",
            "HOME": str(directory),  # the Erlang cookie lives here
            "ERL_EPMD_PORT": str(mapper_port),
            "ERL_EPMD_ADDRESS": HOST,
            "RABBITMQ_NODENAME": f"lianmeng-{secrets.token_hex(4)}@localhost",
            "RABBITMQ_DIST_PORT": str(distribution_port),
            "RABBITMQ_CONF_ENV_FILE": str(directory / "environment.conf"),
            "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(directory / "data"),
            "RABBITMQ_LOG_BASE": str(directory / "log"),
            "RABBITMQ_PID_FILE": str(directory / "pid"),
        }

    def _start_port_mapper(self) -> None:
        """Erlang's port mapper as our child; the node would start one as a daemon that outlives everybody."""
        program = shutil.which("epmd")
        if self._mapper is None and program:
            self._mapper = subprocess.Popen(
                [program],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=self._environment,
                **self._as_user.spawn,
            )
            wait_until(
                lambda: is_listening(int(self._environment["ERL_EPMD_PORT"])), "Erlang's port mapper", seconds=20
            )

    def revive(self) -> None:
        self._start_port_mapper()
        with (self._directory / "output").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._programs / "rabbitmq-server")],
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
                **self._as_user.spawn,
            )
        try:
            self.wait_until_it_serves()
        except BaseException as error:
            error.add_note((self._directory / "output").read_text(errors="replace")[-4000:])
            raise

    def control(self, *arguments: str) -> str:
        return _run([str(self._programs / "rabbitmqctl"), *arguments], self._as_user, self._environment)

    def diagnose(self, *arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [str(self._programs / "rabbitmq-diagnostics"), *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            env=self._environment,
            check=False,
            **self._as_user.spawn,
        )
        return done.returncode, done.stdout + done.stderr

    def end_process(self) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # the start script and the Erlang machine under it
        self._process.wait()

    def dispose(self) -> None:
        if self._process is not None:
            self.end_process()
        if self._mapper is not None:
            self._mapper.kill()
            self._mapper.wait()
        shutil.rmtree(self._directory, ignore_errors=True)


def broker() -> Broker:
    """Start a private broker node and wait until AMQP and management answer."""
    # The scripts themselves rather than /usr/sbin/rabbitmq-server, which changes user and forgets our environment.
    server = find_program("rabbitmq-server", "usr/lib/rabbitmq/bin/rabbitmq-server")
    found = LocalBroker(server.resolve().parent)
    try:
        found.revive()
    except BaseException:
        found.dispose()
        raise
    return found


# ---------------------------------------------------------------- running as somebody else
class _AsUser:
    """Arguments for subprocess that make the child run as the directory's owner."""

    def __init__(self, uid: int | None, gid: int | None, directory: Path) -> None:
        self.spawn: dict[str, Any] = {"cwd": directory, "stdin": subprocess.DEVNULL}
        if uid is not None:
            self.spawn |= {"user": uid, "group": gid, "extra_groups": []}


def _lend(directory: Path) -> _AsUser:
    """Root gives the directory to an unprivileged user; anybody else keeps it."""
    if os.geteuid() != 0:
        return _AsUser(None, None, directory)
    for name in UNPRIVILEGED:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            for path in (directory, *directory.rglob("*")):
                os.chown(path, entry.pw_uid, entry.pw_gid)
            return _AsUser(entry.pw_uid, entry.pw_gid, directory)
    raise NoProgram("no unprivileged user to run the servers as")


def _run(command: list[str], as_user: _AsUser, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, env=environment, check=False, **as_user.spawn
    )
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout


def _end(process: subprocess.Popen[bytes], directory: Path, how: signal.Signals) -> None:
    process.send_signal(how)
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    shutil.rmtree(directory, ignore_errors=True)
