"""An alliance of fifteen on either database, everything of it told and taken in."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from shared.runtime.clock import ManualClock
from shared.security.keys import verification_keys
from tests.builders.founding import PASSWORD, founding_yaml
from tests.deployment.addresses import SERVICES
from tests.fixtures.assemblies import KEY_ID, MakeAssembly
from tests.integration.feeds.alliance import Backups, Bus
from tests.servers import PostgreSQL

CHARTER = Path(__file__).parents[3] / "deploy" / "charter" / "zhuzhou.toml"


@pytest.fixture
def bus(make_assembly: MakeAssembly, clock: ManualClock, tmp_path: Path) -> Bus:
    """Founded, its charter adopted."""
    assemblies = {name: make_assembly(name) for name in SERVICES}
    file = tmp_path / "founding.yaml"
    file.write_text(founding_yaml(15), "utf-8")
    found = assemblies["membership"].service.console_commands["found"]
    adopt = assemblies["meetings"].service.console_commands["adopt-charter"]
    assert adopt(assemblies["meetings"], [str(CHARTER), "--language", "en"]) == 0
    arguments = [str(file), "--language", "en", "--charter", str(CHARTER), "--demo-password", PASSWORD]
    assert found(assemblies["membership"], arguments) == 0
    made = Bus(assemblies, clock)
    made.settle()
    return made


@pytest.fixture
def without_test_key(bus: Bus) -> Bus:
    """No service believes the key with which tests sign: it came by no event, and a rebuild would rightly wonder."""
    for assembly in bus.assemblies.values():
        with assembly.begin() as work:
            work.execute(sa.delete(verification_keys).where(verification_keys.c.kid == KEY_ID))
    return bus


@pytest.fixture
def backups(
    bus: Bus,
    clock: ManualClock,
    database: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    counter: Callable[[], int],
) -> Iterator[Backups]:
    """Copies of services' databases: a file, or a PostgreSQL database made from another as its template."""
    made: list[str] = []

    def copy(url: str) -> str:
        if database == "sqlite":
            file = tmp_path / f"backup-{counter()}.sqlite"
            shutil.copyfile(url.removeprefix("sqlite:///"), file)
            return f"sqlite:///{file}"
        server: PostgreSQL = request.getfixturevalue("postgresql")
        made.append(f"backup_{counter()}")
        return server.create_database(made[-1], template=str(sa.make_url(url).database))

    yield Backups(bus, clock, copy)
    for assembly in bus.assemblies.values():
        assembly.close()
    for name in made:
        request.getfixturevalue("postgresql").drop_database(name)
