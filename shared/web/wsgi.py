"""Entry for WSGI servers: `gunicorn 'shared.web.wsgi:application()'` with LIANMENG_SERVICE set.

Opens no connection: gunicorn may load the application before it forks its workers.
"""

from __future__ import annotations

from flask import Flask

from shared.runtime.assembly import assemble, load_service
from shared.runtime.logging import configure_logging
from shared.runtime.settings import Settings, SettingsRefused
from shared.web.app_factory import create_app


def application() -> Flask:
    """The service that the environment names. Raises SettingsRefused naming every fault."""
    settings = Settings.from_environment()
    if not settings.service.isidentifier():
        raise SettingsRefused(["LIANMENG_SERVICE: missing or no name of a service"])
    configure_logging(settings.log_level, settings.service)
    service = load_service(settings.service)
    made = (service.make_web or create_app)(assemble(service, settings))
    assert isinstance(made, Flask)
    return made
