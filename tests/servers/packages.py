"""Installing packages of Debian and Ubuntu for tests, as root, without starting any service they bring.

Nothing else on the machine is changed, and it is said in the terminal before it is done.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.servers.one_at_a_time import one_at_a_time

#: Keeps a package from starting its own system instance while it is installed (Debian policy, invoke-rc.d).
POLICY_FILE = Path("/usr/sbin/policy-rc.d")
#: A browser with its libraries is 250 MB, in seconds on a slow line.
INSTALL_SECONDS = 600


def install(name: str, packages: Sequence[str], tried: list[str]) -> bool:
    """Whether the packages are there now; why not is added to `tried`."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        tried.append("installing: only on Debian or Ubuntu as root")
        return False
    with one_at_a_time("installing"):
        return _are_installed(packages) or _install(name, packages, tried)


def _are_installed(packages: Sequence[str]) -> bool:
    """Whether another process has installed them meanwhile."""
    asked = ["dpkg-query", "--show", "--showformat=${db:Status-Status}\n", *packages]
    states = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.split()
    return states == ["installed"] * len(packages)


def _install(name: str, packages: Sequence[str], tried: list[str]) -> bool:
    _say(f"{name} is neither in containers nor installed: installing {' '.join(packages)} with apt-get")
    ours = not POLICY_FILE.exists()
    if ours:
        POLICY_FILE.write_text("#!/bin/sh\nexit 101\n")
        POLICY_FILE.chmod(0o755)
    try:
        for command in (["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", *packages]):
            done = subprocess.run(
                command,
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                capture_output=True,
                text=True,
                check=False,
                timeout=INSTALL_SECONDS,
            )
            if done.returncode != 0:
                tried.append(f"{' '.join(command)}: {done.stderr.strip().splitlines()[-1:]}")
                return False
    finally:
        if ours:
            POLICY_FILE.unlink()
    return True


def _say(text: str) -> None:
    """To the terminal past pytest's capture: people should know what is done to their machine."""
    print(f"[tests/servers] {text}", file=sys.__stderr__, flush=True)
