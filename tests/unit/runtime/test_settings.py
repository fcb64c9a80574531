"""Settings: every fault is named at once, secrets are not shown, and samples do not reach production."""

from __future__ import annotations

import pytest

from shared.runtime.settings import DEMO_MASTER_SECRET, Settings, SettingsRefused

GOOD = {
    "LIANMENG_PROFILE": "production",
    "LIANMENG_DATABASE_URL": "postgresql+psycopg://membership:tRz9-Qw2mm0@db/membership",
    "LIANMENG_BROKER_URL": "amqp://membership:8fJkQe-2231@broker/",
    "LIANMENG_MASTER_SECRET": "v" * 40,
}


def faults_of(service="membership", **changes):
    environment = {name: value for name, value in (GOOD | changes).items() if value is not None}
    with pytest.raises(SettingsRefused) as refused:
        Settings.from_environment(service, environment)
    return refused.value.faults


def test_good_settings_are_read_and_converted() -> None:
    settings = Settings.from_environment(
        "membership", GOOD | {"LIANMENG_SMTP_STARTTLS": "no", "LIANMENG_POLL_SECONDS": "0.5"}
    )

    assert (settings.service, settings.smtp_starttls, settings.poll_seconds) == ("membership", False, 0.5)


def test_a_secret_may_come_from_a_file(tmp_path) -> None:
    (tmp_path / "secret").write_text("k" * 32 + "\n")
    environment = GOOD | {"LIANMENG_MASTER_SECRET_FILE": str(tmp_path / "secret")}

    assert Settings.from_environment("membership", environment).master_secret == "k" * 32


def test_every_fault_is_named_at_once_and_no_secret_is_shown() -> None:
    faults = faults_of(
        LIANMENG_MASTER_SECRET="short",
        LIANMENG_WORKER_PORT="nine thousand",
        LIANMENG_SMTP_STARTTLS="perhaps",
        LIANMENG_MAIL_FROM_FILE="/nowhere/at/all",
        LIANMENG_DATABASE_URL=None,
    )

    told = "\n".join(faults)
    assert len(faults) == 5
    for name in ("MASTER_SECRET", "WORKER_PORT", "SMTP_STARTTLS", "MAIL_FROM_FILE", "DATABASE_URL"):
        assert f"LIANMENG_{name}" in told
    assert "short" not in told


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LIANMENG_MASTER_SECRET", DEMO_MASTER_SECRET),
        ("LIANMENG_DATABASE_URL", "postgresql+psycopg://membership:demo-membership@db/membership"),
        ("LIANMENG_BROKER_URL", "amqp://guest:guest@broker/"),
        ("LIANMENG_WEBHOOKS_ALLOW_PRIVATE", "true"),
        ("LIANMENG_FAILPOINT", "consumer.before_commit"),
        ("LIANMENG_DEMO_PASSWORD", "lianmeng-demo"),
        ("LIANMENG_PROFILE", "prodution"),
        ("LIANMENG_SETUP_CODE", "nineteen-characters"),
    ],
)
def test_production_refuses_what_belongs_to_a_demo(name, value) -> None:
    assert any(name in fault for fault in faults_of(**{name: value}))


def test_only_membership_needs_the_master_secret() -> None:
    environment = {name: value for name, value in GOOD.items() if name != "LIANMENG_MASTER_SECRET"}

    assert Settings.from_environment("finance", environment).master_secret == ""


def test_partitions_are_one_of_the_layouts_and_preferences_are_numbers() -> None:
    good = Settings.from_environment(
        "membership", GOOD | {"LIANMENG_CONSUMER_PARTITIONS": "4", "LIANMENG_CONSUMER_PREFERS": "0, 2"}
    )

    assert (good.consumer_partitions, good.preferred_partitions) == (4, frozenset({0, 2}))
    assert faults_of(LIANMENG_CONSUMER_PARTITIONS="3", LIANMENG_CONSUMER_PREFERS="0,x") == [
        "LIANMENG_CONSUMER_PARTITIONS: must be one of 1, 2, 4, 8, 16",
        "LIANMENG_CONSUMER_PREFERS: must be numbers with commas between them",
    ]


def test_of_several_brokers_none_may_have_a_sample_password() -> None:
    brokers = "amqp://membership:8fJkQe-2231@one/,amqp://membership:guest@two/"

    assert faults_of(LIANMENG_BROKER_URL=brokers) == ["LIANMENG_BROKER_URL: carries a sample password"]
