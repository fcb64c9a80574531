"""`serve`: the alliance of a folder, for a small office and for journeys.

Settings come from the environment as in every other way of running; only the database files are this mode's own.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import sys
import threading
from collections.abc import Callable

from deploy.embedded.alliance import EmbeddedAlliance
from deploy.embedded.data_folder import DataFolder
from deploy.embedded.http_server import HttpServer
from shared.errors import Conflict
from shared.runtime.logging import configure_logging
from shared.runtime.settings import Settings

#: The port people try first.
PORT = 8080


def run(options: argparse.Namespace, stop: threading.Event) -> int:
    """Serve until `stop`. Exit status 1 when the founding or the charter is refused."""
    with DataFolder(options.data) as folder:
        server = listen(options.host, options.port)
        make_settings = _settings(options, folder, server.url)
        configure_logging(make_settings("membership").log_level, "embedded")
        with EmbeddedAlliance(server, make_settings) as alliance:
            alliance.migrate()
            # Standard output carries the address and nothing else.
            with contextlib.redirect_stdout(sys.stderr):
                status = _prepare(alliance, options)
            if status:
                return status
            alliance.start()
            sys.stdout.write(json.dumps({"ready": True, "url": server.url}) + "\n")
            sys.stdout.flush()
            stop.wait()
    return 0


def listen(host: str, port: int | None) -> HttpServer:
    """The address, bound. Without a port the usual one, or any where that is taken; a port named must be free.

    Conflict when another process has it.
    """
    try:
        return HttpServer(host, PORT if port is None else port)
    except OSError as error:
        if port is None:
            return HttpServer(host, 0)
        raise Conflict("embedded.port_in_use", port=port) from error


def _settings(options: argparse.Namespace, folder: DataFolder, url: str) -> Callable[[str], Settings]:
    def make(service: str) -> Settings:
        mine = folder.database_url(service)
        defaults = {"database_url": mine, "public_url": url}
        if options.demo_password:
            defaults |= {"profile": "demo", "demo_password": options.demo_password}
        settings = Settings.from_environment(service, defaults=defaults)
        changes: dict[str, object] = {"database_url": mine}
        if options.smtp:
            host, _, port = options.smtp.rpartition(":")
            changes |= {"smtp_host": host, "smtp_port": int(port), "smtp_starttls": False}
        # One variable cannot name four files: the folder decides, whatever the environment says.
        return dataclasses.replace(settings, **changes)  # type: ignore[arg-type]  # the names are those of Settings

    return make


def _prepare(alliance: EmbeddedAlliance, options: argparse.Namespace) -> int:
    """Adopt and found where asked; the first exit status that is not 0."""
    language = ["--language", options.language]
    if options.charter:
        status = alliance.run_command("meetings", "adopt-charter", [str(options.charter), *language])
        if status:
            return status
    if options.found:
        arguments = [str(options.found), *language]
        for name in ("charter", "demo_password", "invitations"):
            value = getattr(options, name)
            if value:
                arguments += [f"--{name.replace('_', '-')}", str(value)]
        return alliance.run_command("membership", "found", arguments)
    return 0
