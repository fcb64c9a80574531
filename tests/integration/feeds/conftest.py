"""An alliance of fifteen on either database, everything of it told and taken in."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from shared.runtime.clock import ManualClock
from shared.security.keys import verification_keys
from tests.builders.founding import PASSWORD, founding_yaml
from tests.deployment.addresses import SERVICES
from tests.fixtures.assemblies import KEY_ID, MakeAssembly
from tests.integration.feeds.alliance import Bus

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
