"""How browser tests come by Debian's Chromium (its headless shell takes half the time), a Chinese font, and axe-core.

Installed here, or installed first on Debian and Ubuntu as root; otherwise ServerMissing says what was tried. axe-core
comes with `npm ci` from the lock beside this file, into a folder that git ignores. No browser is downloaded.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.servers import ServerMissing, packages
from tests.servers.one_at_a_time import one_at_a_time

HERE = Path(__file__).parent
#: What npm needs to install what the lock says, no more and no less.
LOCK = ("package.json", "package-lock.json", ".npmrc")
FOLDER = HERE.parents[1] / "var" / "browser"
#: The first that is here is taken; where none is, the first is installed.
BROWSERS = ("chromium-headless-shell", "chromium")
FONTS = Path("/usr/share/fonts")
#: npm on a slow line, in seconds.
INSTALL_SECONDS = 120


@dataclass(frozen=True)
class Tools:
    """What is here."""

    chromium: str
    axe: Path

    @cached_property
    def axe_script(self) -> str:
        """axe-core, to be run in a page."""
        return self.axe.read_text("utf-8")

    @property
    def how(self) -> str:
        """For the summary."""
        version = subprocess.run([self.chromium, "--version"], capture_output=True, text=True, check=True, timeout=30)
        return f"{self.chromium}, {version.stdout.partition(' built ')[0].strip()}"


def obtain_tools() -> Tools:
    """The browser and what judges its pages. Raises ServerMissing."""
    lacking = [name for name, is_here in _wanted().items() if not is_here]
    tried: list[str] = []
    if lacking and not packages.install("a browser for tests", lacking, tried):
        raise ServerMissing(f"{', '.join(lacking)} cannot be had here ({'; '.join(tried)})")
    with one_at_a_time("axe"):
        return Tools(_browser(), _axe())


def _browser() -> str:
    return next((found for name in BROWSERS if (found := shutil.which(name))), "")


def _wanted() -> dict[str, bool]:
    """Debian's packages, each with whether what it brings is here."""
    return {
        BROWSERS[0]: bool(_browser()),
        "fonts-noto-cjk": any(FONTS.rglob("NotoSansCJK-Regular.*")),
        "npm": shutil.which("npm") is not None,
    }


def _axe() -> Path:
    """axe-core as the lock says."""
    script, installed = FOLDER / "node_modules" / "axe-core" / "axe.min.js", FOLDER / "package-lock.json"
    if script.is_file() and installed.read_bytes() == (HERE / "package-lock.json").read_bytes():
        return script
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in LOCK:
        shutil.copyfile(HERE / name, FOLDER / name)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS)
    if done.returncode != 0:
        raise ServerMissing(f"axe-core cannot be had here (npm ci: {done.stderr.strip().splitlines()[-1:]})")
    return script
