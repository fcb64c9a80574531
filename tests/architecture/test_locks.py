"""The locks: every package with its hashes, no download host anywhere, and nothing asked for that is not locked.

Must not reach an index: it reads the files only.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, NothingToCheckError

KINDS = ("runtime", "dev", "bench", "mutants")
#: What names a place to download from: a scheme, a direct reference, or an option of pip that takes one.
HOST = re.compile(r"https?://|file:|git\+| @ |--(extra-)?index-url|--find-links|--trusted-host|^-[if] ", re.MULTILINE)
NAME = re.compile(r"^([A-Za-z0-9._-]+)(\[[^]]*])?==")


def normal(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def entries(text: str) -> list[str]:
    """The lock's packages, each with its hashes and notes. Raises where there is none."""
    blocks = [block for block in re.split(r"\n(?=\S)", text) if NAME.match(block)]
    if not blocks:
        raise NothingToCheckError("the lock names no package")
    return blocks


def locked(text: str) -> dict[str, str]:
    """Every package of a lock with its version."""
    return {normal(re.split(r"\[|==", block)[0]): block.split("==")[1].split()[0] for block in entries(text)}


def faults_of_lock(text: str) -> list[str]:
    """Packages without a hash, and places to download from."""
    faults = [f"names a place to download from: {match[0].strip()}" for match in HOST.finditer(text)]
    return faults + [f"{block.split()[0]} has no hash" for block in entries(text) if "--hash=sha256:" not in block]


def wanted(text: str) -> set[str]:
    """The packages that an .in file asks for."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return {normal(re.split(r"[\[<>=!~; ]", line)[0]) for line in lines if line and not line.startswith("-")}


@pytest.mark.parametrize("kind", KINDS)
def test_every_package_has_hashes_and_no_host_is_named(kind: str) -> None:
    assert faults_of_lock((ROOT / "requirements" / f"{kind}.txt").read_text("utf-8")) == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_asked_for_is_locked(kind: str) -> None:
    asked = wanted((ROOT / "requirements" / f"{kind}.in").read_text("utf-8"))
    lock = locked((ROOT / "requirements" / f"{kind}.txt").read_text("utf-8"))

    assert asked
    assert asked <= set(lock)


@pytest.mark.parametrize("kind", ["dev", "bench"])
def test_tests_run_on_what_runs_in_production(kind: str) -> None:
    runtime, other = (locked((ROOT / "requirements" / f"{each}.txt").read_text("utf-8")) for each in ("runtime", kind))

    assert runtime.items() <= other.items()


@pytest.mark.parametrize(
    "text",
    [
        "flask==3.1.3\n",
        "--index-url https://example.org/simple\nflask==3.1.3 \\\n    --hash=sha256:00\n",
        "flask @ https://example.org/flask.whl\npika==1.4.4 \\\n    --hash=sha256:00\n",
        "-f /srv/wheels\nflask==3.1.3 \\\n    --hash=sha256:00\n",
    ],
)
def test_a_lock_that_trusts_blindly_is_found(text: str) -> None:
    assert faults_of_lock(text)


def test_an_empty_lock_fails() -> None:
    with pytest.raises(NothingToCheckError):
        faults_of_lock("# nothing\n")


def test_no_tracked_text_names_a_package_index() -> None:
    files = [
        ROOT / name for name in ("Makefile", "deploy/Dockerfile", "docker-compose.yml", "requirements/environment")
    ]

    named = [path.name for path in files if re.search(r"pypi\.org|/simple\b|mirrors?\.", path.read_text("utf-8"))]

    assert named == []


@pytest.mark.parametrize("name", ["requirements/environment", "deploy/Dockerfile"])
def test_an_installation_takes_the_lock_as_it_is_and_chooses_nothing(name: str) -> None:
    installations = re.findall(r"^.*\binstall -qq .*$", (ROOT / name).read_text("utf-8"), re.MULTILINE)

    assert len(installations) == 1
    assert "--require-hashes --no-deps " in installations[0]
    assert re.search(r"pip\S* check", (ROOT / name).read_text("utf-8"))


def test_the_locks_were_made_for_every_python_we_run_on() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8")

    assert 'requires-python = ">=3.11' in text
    assert "--universal --python-version 3.11" in Path(ROOT / "Makefile").read_text("utf-8")
