"""Settings of a process, read once from the environment. No other module reads the environment.

Every setting `NAME` is the variable `LIANMENG_NAME`; `LIANMENG_NAME_FILE` names a file that holds the value
(Docker and Kubernetes secrets). `docs/settings.md` is generated from this table.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

PREFIX = "LIANMENG_"
PROFILES = ("production", "demo", "test")

#: The master secret of the demo. Known to everybody, hence refused outside the demo and test profiles.
DEMO_MASTER_SECRET = "demo-master-secret-known-to-everybody"  # noqa: S105 - public on purpose, refused in production
#: Shortest master secret accepted in production, in characters: 32 of base64 carry 192 bits.
MASTER_SECRET_LENGTH_MIN = 32
#: Shortest setup code accepted, in characters: it is typed once, and whoever guessed it would found the alliance.
SETUP_CODE_LENGTH_MIN = 20
#: Shortest time events may be kept, in days. What reads them again must find them: a parked event that waits for a
#: decision, a service restored from a monthly backup, a platform that was away over the summer.
EVENT_RETENTION_DAYS_MIN = 90
#: How many partitions a service's queue may have: divisors of the sixteen slots that subjects are spread over.
PARTITIONS = (1, 2, 4, 8, 16)
#: Words that betray a password copied from an example.
SAMPLE_WORDS = ("demo", "changeme", "change-me", "example", "guest", "password", "secret")


class SettingsRefused(Exception):
    """The process must not start with these settings; every fault is named."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("settings refused:\n" + "\n".join(f"  {fault}" for fault in faults))
        self.faults = faults


def _setting(default: Any, doc: str, *, secret: bool = False, unit: str = "") -> Any:
    return field(default=default, metadata={"doc": doc, "secret": secret, "unit": unit})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What an operator can turn. Immutable once read."""

    service: str = _setting("", "which service this process runs: membership, meetings, finance or notifications")
    profile: str = _setting("production", "production, demo or test; demo and test accept the sample secrets")
    database_url: str = _setting("", "SQLAlchemy URL, postgresql+psycopg://… or sqlite:///…", secret=True)
    database_pool_size: int = _setting(8, "connections a process keeps at most", unit="connections")
    broker_url: str = _setting(
        "",
        "AMQP URL of RabbitMQ, or of a cluster's nodes with commas between them; not needed by web processes",
        secret=True,
    )
    broker_heartbeat_seconds: int = _setting(
        10, "heartbeat asked of the broker; a connection lost unnoticed is given up after two to three", unit="s"
    )
    broker_blocked_seconds: int = _setting(
        60, "how long a broker alarm may block before the connection is dropped", unit="s"
    )
    master_secret: str = _setting("", "key material from which membership encrypts its signing keys", secret=True)
    setup_code: str = _setting(
        "", "whoever holds it may found the alliance in the browser, once; empty: by command only", secret=True
    )
    demo_password: str = _setting("", "only demo: the sign-in page offers one click per role with it")
    issuer: str = _setting("urn:lianmeng:membership", "`iss` of the tokens that membership signs and all verify")
    public_url: str = _setting("http://127.0.0.1:8080", "address under which people and platforms reach the gateway")
    api_url: str = _setting(
        "",
        "console: where it reaches the APIs, with `{service}` for a service's name; empty: the public address",
    )
    trusted_proxies: int = _setting(0, "how many proxies in front are ours and may set X-Forwarded-For", unit="proxies")
    body_bytes_max: int = _setting(1_048_576, "largest request body; a longer one is refused unread", unit="bytes")
    log_level: str = _setting("INFO", "DEBUG, INFO, WARNING or ERROR")
    worker_port: int = _setting(9000, "port of the worker's health and metrics; 0 turns it off")
    relay_batch: int = _setting(
        500, "events the relay marks as sent at a time; up to four times as many are on their way", unit="events"
    )
    consumer_batch: int = _setting(
        200, "events the consumer takes in one transaction; it fetches two batches ahead", unit="events"
    )
    consumer_partitions: int = _setting(
        1,
        "partitions that `prepare` lays the service's queue out as: 1, 2, 4, 8 or 16; workers follow",
        unit="queues",
    )
    consumer_prefers: str = _setting(
        "", "numbers of the partitions that this worker takes before others do, `0,2`; empty: the workers spread"
    )
    poll_seconds: float = _setting(1.0, "safety net: how often relay and consumer look without being woken", unit="s")
    feed_readers_max: int = _setting(
        4, "readers of its feed that a web process lets wait at a time; each holds a thread", unit="readers"
    )
    event_retention_days: int = _setting(
        0, "age at which sent events leave the outbox and its feed; 0: never, otherwise 90 or more", unit="days"
    )
    smtp_host: str = _setting("", "mail server; empty turns e-mail off")
    smtp_port: int = _setting(587, "port of the mail server")
    smtp_user: str = _setting("", "user at the mail server; empty for none")
    smtp_password: str = _setting("", "password at the mail server", secret=True)
    smtp_starttls: bool = _setting(True, "whether STARTTLS is demanded of the mail server")
    mail_from: str = _setting("lianmeng@localhost", "sender of the e-mails")
    webhooks_allow_private: bool = _setting(
        False, "accept webhook targets on http and private addresses; demo and tests only"
    )
    failpoint: str = _setting("", "tests only: `seam[:event type]` at which this process kills itself")

    @classmethod
    def from_environment(
        cls,
        service: str = "",
        environment: Mapping[str, str] | None = None,
        *,
        defaults: Mapping[str, Any] | None = None,
    ) -> Settings:
        """Read, convert and check. Raises SettingsRefused naming every fault.

        `defaults` stand where the environment says nothing, instead of this table's own.
        """
        source = os.environ if environment is None else environment
        faults: list[str] = []
        values: dict[str, Any] = dict(defaults or {})
        for each in fields(cls):
            text = _read(source, each.name.upper(), faults)
            if text is None:
                continue
            try:
                values[each.name] = _convert(text, type(each.default))
            except ValueError:
                faults.append(f"{PREFIX}{each.name.upper()}: not a {type(each.default).__name__}: {_shown(each, text)}")
        if service:
            values["service"] = service
        settings = cls(**values)
        faults += settings.faults()
        if faults:
            raise SettingsRefused(faults)
        return settings

    def faults(self) -> list[str]:
        """Everything that forbids starting with these settings."""
        found: list[str] = []
        if self.profile not in PROFILES:
            found.append(f"{PREFIX}PROFILE: must be one of {', '.join(PROFILES)}")
        if not self.database_url:
            found.append(f"{PREFIX}DATABASE_URL: missing")
        if self.event_retention_days and self.event_retention_days < EVENT_RETENTION_DAYS_MIN:
            found.append(f"{PREFIX}EVENT_RETENTION_DAYS: 0 (for ever) or at least {EVENT_RETENTION_DAYS_MIN}")
        if self.setup_code and len(self.setup_code) < SETUP_CODE_LENGTH_MIN:
            found.append(f"{PREFIX}SETUP_CODE: needs at least {SETUP_CODE_LENGTH_MIN} characters")
        if self.consumer_partitions not in PARTITIONS:
            found.append(f"{PREFIX}CONSUMER_PARTITIONS: must be one of {', '.join(map(str, PARTITIONS))}")
        if not all(each.strip().isdecimal() for each in self.consumer_prefers.split(",") if each.strip()):
            found.append(f"{PREFIX}CONSUMER_PREFERS: must be numbers with commas between them")
        if self.profile == "production":
            found += self._production_faults()
        return found

    @property
    def preferred_partitions(self) -> frozenset[int]:
        """`consumer_prefers` as numbers."""
        return frozenset(int(each) for each in self.consumer_prefers.split(",") if each.strip())

    def _production_faults(self) -> list[str]:
        found: list[str] = []
        if self.service == "membership":
            if len(self.master_secret) < MASTER_SECRET_LENGTH_MIN:
                found.append(f"{PREFIX}MASTER_SECRET: needs at least {MASTER_SECRET_LENGTH_MIN} characters")
            if self.master_secret == DEMO_MASTER_SECRET:
                found.append(f"{PREFIX}MASTER_SECRET: is the demo's")
        urls = [("DATABASE_URL", self.database_url), *(("BROKER_URL", each) for each in self.broker_url.split(","))]
        for name, url in urls:
            password = _password_of(url)
            if password and any(word in password.lower() for word in SAMPLE_WORDS):
                found.append(f"{PREFIX}{name}: carries a sample password")
        for name, given in (
            ("WEBHOOKS_ALLOW_PRIVATE", self.webhooks_allow_private),
            ("FAILPOINT", self.failpoint),
            ("DEMO_PASSWORD", self.demo_password),
        ):
            if given:
                found.append(f"{PREFIX}{name}: only for the demo and test profiles")
        return found

    def secret_or_demo(self) -> str:
        """The master secret; outside production the demo's where none is set."""
        return self.master_secret or DEMO_MASTER_SECRET


def _read(source: Mapping[str, str], name: str, faults: list[str]) -> str | None:
    file = source.get(f"{PREFIX}{name}_FILE")
    if file:
        try:
            return Path(file).read_text("utf-8").strip()
        except OSError as error:
            faults.append(f"{PREFIX}{name}_FILE: {error.strerror}: {file}")
            return None
    return source.get(f"{PREFIX}{name}")


def _convert(text: str, kind: type) -> Any:
    if kind is bool:
        words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}
        if text.lower() not in words:
            raise ValueError(text)
        return words[text.lower()]
    return kind(text)


def _shown(each: Any, text: str) -> str:
    return "(hidden)" if each.metadata["secret"] else text


def _password_of(url: str) -> str:
    authority = url.split("://", 1)[-1].split("/", 1)[0]
    return authority.rsplit("@", 1)[0].partition(":")[2] if "@" in authority else ""
