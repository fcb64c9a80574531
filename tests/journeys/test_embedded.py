"""The embedded mode as its users start it: the demo's story to its end, and an alliance that keeps its data.

Every test runs real processes. What an alliance does is told in the other journeys.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from deploy.embedded.outcome import CHAIN, CONSEQUENCES
from tests.builders.founding import founding_yaml
from tests.deployment.addresses import PASSWORD
from tests.deployment.process import ROOT, Process, base_environment
from tests.waiting import wait_until

#: Generous: the machine may be doing other things. The demo takes three seconds on two idle cores.
DEMO_SECONDS = 60.0
READY_SECONDS = 60.0
CHARTER = str(ROOT / "deploy" / "charter" / "zhuzhou.toml")

Start = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """`start("serve", …)`: `python -m deploy.embedded …` as a child, ended with the test."""
    children: list[Process] = []

    def run(*arguments: str) -> Process:
        environment = {**base_environment(), "LIANMENG_WEBHOOKS_ALLOW_PRIVATE": "true", "LIANMENG_PROFILE": "test"}
        child = Process(
            f"embedded-{len(children)}", [sys.executable, "-m", "deploy.embedded", *arguments], environment, tmp_path
        )
        children.append(child)
        return child

    yield run
    for child in children:
        child.stop()


def address(child: Process) -> str:
    """Where it answers, once it has said so."""

    def look() -> str | None:
        assert child.alive, child.log()
        for line in child.log().splitlines():
            if line.startswith('{"ready"'):
                url: str = json.loads(line)["url"]
                return url
        return None

    return wait_until(look, "the line with the address", seconds=READY_SECONDS)


@pytest.fixture
def founding(tmp_path: Path) -> str:
    """A founding file of nine units."""
    file = tmp_path / "founding.yaml"
    file.write_text(founding_yaml(9), "utf-8")
    return str(file)


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("zh-CN", ("列入花名册，编号 ZZ-0025", "第六条（三）", "恰为 1/2", "webhook 签名核对无误", "完整：")),
        ("en", ("stands on the roster as ZZ-0025", "art. 6(3)", "Exactly 1/2", "signature that verifies", "Complete:")),
    ],
)
def test_the_demos_story_ends_complete(start: Start, tmp_path: Path, language: str, said: tuple[str, ...]) -> None:
    # when the demo is played once
    child = start("demo", "--once", "--port", "0", "--data", str(tmp_path / "demo"), "--language", language)

    # then it ends by itself, content, and has told every step
    assert child.wait_until_dead(DEMO_SECONDS) == 0, child.log()
    told = child.log()
    for words in said:
        assert words in told
    assert "Traceback" not in told
    assert told.count(" ms  ") >= len(CHAIN) + len(CONSEQUENCES)


def test_the_demo_can_be_played_again_in_its_folder(start: Start, tmp_path: Path) -> None:
    for _ in range(2):
        child = start("demo", "--once", "--port", "0", "--data", str(tmp_path / "demo"))
        assert child.wait_until_dead(DEMO_SECONDS) == 0, child.log()


def test_the_demo_serves_on_and_ends_when_told(start: Start, tmp_path: Path) -> None:
    # given a demo that has told its story
    child = start("demo", "--port", "0", "--data", str(tmp_path / "demo"))

    def page_address() -> str | None:
        assert child.alive, child.log()
        lines = [line for line in child.log().splitlines() if line.strip().startswith("首页")]
        return lines[0].split()[-1] if lines else None

    url = wait_until(page_address, "the address of the page", seconds=DEMO_SECONDS)

    # when somebody opens the page
    page = httpx.get(url)

    # then it is the console of the alliance, with a sign-in by one click, and the process ends in order when told to
    assert page.status_code == 200
    assert "株洲市企业服务联盟" in page.text
    assert "<dd>25</dd>" in page.text, "the members after the story"
    sign_in = httpx.get(f"{url.rstrip('/')}/sign-in", follow_redirects=True)
    assert "演示：一键登录" in sign_in.text
    child.stop()
    assert child.status == 0


def test_an_alliance_keeps_its_data_over_a_restart(start: Start, tmp_path: Path, founding: str) -> None:
    # given an alliance that was founded and stopped
    options = ("--port", "0", "--charter", CHARTER, "--found", founding, "--demo-password", PASSWORD)
    folder = str(tmp_path / "data")
    first = start("serve", "--data", folder, *options)
    assert httpx.get(f"{address(first)}/api/membership/v1/alliance").json()["members"] == 9
    first.stop()
    assert first.status == 0, first.log()

    # when it is started again, by the same command
    second = start("serve", "--data", folder, *options)

    # then it is the same alliance
    url = address(second)
    assert httpx.get(f"{url}/api/membership/v1/alliance").json()["members"] == 9
    answer = httpx.post(f"{url}/api/membership/v1/sessions", json={"username": "unit9", "password": PASSWORD})
    assert answer.status_code == 200


def test_a_second_process_on_the_same_folder_is_refused(start: Start, tmp_path: Path, founding: str) -> None:
    folder = str(tmp_path / "data")
    address(start("serve", "--data", folder, "--port", "0", "--found", founding, "--demo-password", PASSWORD))

    second = start("serve", "--data", folder, "--port", "0", "--language", "en")

    assert second.wait_until_dead(READY_SECONDS) == 1
    assert "Another process uses the data folder" in second.log()


def test_a_malformed_founding_file_starts_nothing(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "founding.yaml"
    file.write_text(founding_yaml(9, instead={"number: 9": "  - number: 8"}), "utf-8")
    options = ("--port", "0", "--found", str(file), "--demo-password", PASSWORD, "--language", "en")

    child = start("serve", "--data", str(tmp_path / "data"), *options)

    assert child.wait_until_dead(READY_SECONDS) == 1
    assert "units[9].number: numbers run from 1 without gaps; expected 9" in child.log()
    assert "ready" not in child.log()
