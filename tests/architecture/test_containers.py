"""The compose file and the image keep their promises: no root, no writing, no rights, limits, health, one door.

Must not need a Docker engine: it reads the files. That the whole comes up is shown by .ci/run.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.architecture.tree import ROOT, SERVICES

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
CONTAINERS: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text("utf-8")
JOBS = [name for name, each in CONTAINERS.items() if each["restart"] == "no"]
LASTING = [name for name in CONTAINERS if name not in JOBS]
#: Start as root to own their data, then drop to a user of their own: the public images work like that.
DATA_IMAGES = ("database", "broker")
OWNING = {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}


def seconds(span: str) -> int:
    """`40s` as a number."""
    return int(span.removesuffix("s"))


def test_every_service_runs_as_web_and_worker_after_its_preparation() -> None:
    for service in SERVICES:
        assert {f"{service}-prepare", f"{service}-web", f"{service}-worker"} <= set(CONTAINERS)
        assert f"{service}-prepare" in CONTAINERS[f"{service}-web"]["depends_on"]
        assert set(CONTAINERS[f"{service}-worker"]["depends_on"]) == {f"{each}-prepare" for each in SERVICES}
        built = [
            name for name, each in CONTAINERS.items() if each.get("build", {}).get("args", {}).get("SERVICE") == service
        ]
        assert f"{service}-prepare" in built


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_can_do_no_more_than_it_must(name: str) -> None:
    container = CONTAINERS[name]

    assert container["read_only"] is True
    assert container["cap_drop"] == ["ALL"]
    assert set(container.get("cap_add", [])) == (OWNING if name in DATA_IMAGES else set())
    assert "no-new-privileges:true" in container["security_opt"]
    assert container["pids_limit"] > 0
    assert container["mem_limit"]
    assert not container.get("privileged")
    assert not any("docker.sock" in str(volume) for volume in container.get("volumes", []))


@pytest.mark.parametrize("name", LASTING)
def test_what_lasts_restarts_says_how_it_is_and_gets_time_to_end(name: str) -> None:
    container = CONTAINERS[name]

    assert container["restart"] == "unless-stopped"
    assert container["healthcheck"]["test"][0] == "CMD", "a shell would stand between the engine and the check"
    assert seconds(container["stop_grace_period"]) >= 40


def test_every_folder_in_memory_is_in_the_image_or_its_mode_is_lost_at_the_second_start() -> None:
    ours = [each for each in CONTAINERS.values() if str(each["image"]).startswith("lianmeng/")]
    folders = {str(path).partition(":")[0] for each in ours for path in each.get("tmpfs", [])} - {"/tmp"}

    assert folders
    for folder in folders:
        assert f"RUN mkdir -m 1777 {folder}\n" in DOCKERFILE


def test_every_job_is_waited_for() -> None:
    """`docker compose up --wait` takes the end of a container nobody waits for as a failure."""
    waited_for = {
        name
        for each in CONTAINERS.values()
        for name, terms in each.get("depends_on", {}).items()
        if terms["condition"] == "service_completed_successfully"
    }

    assert JOBS
    assert set(JOBS) <= waited_for


def test_the_gateway_on_this_machine_is_the_only_door() -> None:
    doors = {name: each["ports"] for name, each in CONTAINERS.items() if "ports" in each}

    assert list(doors) == ["gateway"]
    assert all(str(port).startswith("127.0.0.1:") for port in doors["gateway"])


def test_networks_keep_apart_what_need_not_meet() -> None:
    world = {name for name, terms in COMPOSE["networks"].items() if not (terms or {}).get("internal")}
    reaching_out = {name for name, each in CONTAINERS.items() if set(each["networks"]) & world}

    assert reaching_out == {"gateway", "notifications-web", "notifications-worker"}
    assert not {"data", "bus"} & set(CONTAINERS["gateway"]["networks"])
    for name, each in CONTAINERS.items():
        if name.endswith("-web"):
            assert "bus" not in each["networks"], "a web process never talks to the broker"


def test_every_password_can_be_set_and_the_preset_ones_are_the_kind_that_production_refuses() -> None:
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    presets = re.findall(r"\$\{([A-Z_]*PASSWORD):-([^}]*)\}", text)

    assert len({name for name, _ in presets}) >= 10
    assert all(not preset or "demo" in preset for _, preset in presets)
    assert not re.search(r"(?i)(password|secret)[A-Z_]*: [^$\s#]", text), "a secret that cannot be set from outside"


def test_the_image_holds_one_service_and_runs_without_root() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)

    assert "services/${SERVICE} ./services/${SERVICE}" in copied
    assert not [line for line in copied if re.match(r"(\.|services|deploy) ", line)]
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", DOCKERFILE, re.MULTILINE)
    assert re.search(r"^CMD \[", DOCKERFILE, re.MULTILINE), "exec form: a shell would swallow SIGTERM"
    assert "--require-hashes" in DOCKERFILE
    assert "# syntax=" not in DOCKERFILE, "would need a registry beside the base images'"


def test_requests_under_way_may_end_before_the_container_is_killed() -> None:
    configuration = (ROOT / "deploy" / "gunicorn.conf.py").read_text("utf-8")
    found = re.search(r"^graceful_timeout = (\d+)$", configuration, re.MULTILINE)

    assert found is not None
    webs = [name for name in CONTAINERS if name.endswith("-web")]
    assert all(seconds(CONTAINERS[name]["stop_grace_period"]) > int(found[1]) for name in webs)
