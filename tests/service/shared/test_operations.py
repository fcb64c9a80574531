"""Health and metrics: what they say when all is well, when the database is away, and while shutting down."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families

from shared.runtime.health import Health
from tests.builders.toy import NOTES, Toy


def samples_of(toy: Toy) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    response = toy.app.test_client().get("/metrics")
    assert response.status_code == 200
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(response.get_data(as_text=True))
        for sample in family.samples
    }


def lose_database(toy: Toy, tmp_path: Path) -> None:
    toy.assembly.database.dispose()
    (tmp_path / "toy.sqlite").rename(tmp_path / "gone")
    (tmp_path / "toy.sqlite").mkdir()


def find_database(tmp_path: Path) -> None:
    (tmp_path / "toy.sqlite").rmdir()
    (tmp_path / "gone").rename(tmp_path / "toy.sqlite")


def test_a_sound_service_is_live_and_ready(toy: Toy) -> None:
    client = toy.app.test_client()

    assert client.get("/health/live").get_json() == {"status": "live", "service": "toy"}
    assert client.get("/health/ready").get_json()["checks"] == {"database": "ok", "draining": "no"}
    assert client.get("/health").get_json()["title"] == "Toy"


def test_without_its_database_a_service_is_live_but_not_ready_until_it_is_back(toy: Toy, tmp_path: Path) -> None:
    client = toy.app.test_client()
    assert client.get("/health/ready").status_code == 200

    lose_database(toy, tmp_path)
    assert client.get("/health/live").status_code == 200
    assert client.get("/health/ready").status_code == 503
    assert client.get("/health").get_json()["checks"]["database"] == "unreachable"

    find_database(tmp_path)
    assert client.get("/health/ready").status_code == 200


def test_a_schema_behind_the_code_is_not_ready(toy: Toy) -> None:
    with toy.assembly.begin() as work:
        work.execute(sa.text("UPDATE kernel_version SET version_num = 'k0001'"))

    status, body = Health(toy.assembly).ready()

    assert status == 503
    assert "schema behind" in str(body["checks"])


def test_a_service_that_shuts_down_is_not_ready_but_live(toy: Toy) -> None:
    health = Health(toy.assembly)
    assert health.ready()[0] == 200

    health.drain()

    assert health.ready()[0] == 503
    assert health.live()[0] == 200


def test_requests_are_measured_by_route_and_status(toy: Toy) -> None:
    toy.app.test_client().get(f"{NOTES}/a", headers=toy.headers(sub="x"))
    toy.app.test_client().get(f"{NOTES}/b", headers=toy.headers(sub="x"))
    toy.app.test_client().get("/anything/else")

    counts = {key: value for key, value in samples_of(toy).items() if key[0] == "lianmeng_http_request_seconds_count"}

    def of(route: str, status: str) -> float:
        labels = {"service": "toy", "method": "GET", "route": route, "status": status}
        return counts["lianmeng_http_request_seconds_count", tuple(sorted(labels.items()))]

    assert of(f"{NOTES}/<string:note_id>", "404") == 2
    # a path that nobody serves is not a label of its own, or strangers could fill our memory
    assert of("(none)", "404") == 1


def test_what_waits_in_outbox_and_inbox_is_shown(toy: Toy) -> None:
    labels = (("service", "toy"),)
    samples = samples_of(toy)

    assert samples["lianmeng_database_up", labels] == 1
    names = ("outbox_pending", "outbox_oldest_age_seconds", "inbox_deferred", "inbox_parked", "inbox_discarded")
    for name in (*names, "inbox_oldest_parked_age_seconds"):
        assert samples[f"lianmeng_{name}", labels] == 0


def test_metrics_answer_without_the_database(toy: Toy, tmp_path: Path) -> None:
    lose_database(toy, tmp_path)

    samples = samples_of(toy)

    assert samples["lianmeng_database_up", (("service", "toy"),)] == 0
    assert not any(name.startswith("lianmeng_outbox") for name, _ in samples)


SEVERAL_PROCESSES = """
import os, sys
from tests.builders.toy import NOTES, toy_on
from pathlib import Path
root = Path(sys.argv[1])
with toy_on(f"sqlite:///{root / 'toy.sqlite'}", root) as toy:
    for _ in range(2):
        child = os.fork()
        if child == 0:
            toy.app.test_client().get("/nowhere")
            os._exit(0)
        os.waitpid(child, 0)
    print(toy.app.test_client().get("/metrics").get_data(as_text=True))
"""


def test_under_several_processes_any_of_them_speaks_for_all(tmp_path: Path) -> None:
    # given two children that each answered a request
    (tmp_path / "multiprocess").mkdir()
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "multiprocess"), "PYTHONPATH": str(Path.cwd())}

    # when their parent is asked
    script = [sys.executable, "-c", SEVERAL_PROCESSES, str(tmp_path)]
    done = subprocess.run(script, env=environment, capture_output=True, text=True, check=True, timeout=60)

    # then it counts both
    (line,) = [
        line
        for line in done.stdout.splitlines()
        if line.startswith("lianmeng_http_request_seconds_count") and '"(none)"' in line
    ]
    assert line.endswith(" 2.0")
    assert "lianmeng_database_up" in done.stdout
