"""The golden samples: one published event of every type and major version, as it went over the wire.

A sample is written once and kept for ever, also when its type is no longer published: it stands for the events that
lie in archives, outboxes and queues. A file is `<type>.v<major>.json`, or `<type>.v<major>.<variant>.json` where optional
fields make another shape. A new type's sample is copied from the outbox of a real run, not made up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shared.messaging.contracts import EVERYTHING, Consumed, Published
from shared.runtime.assembly import load_service
from shared.runtime.service import Service
from tests.deployment.addresses import SERVICES as NAMES

FOLDER = Path(__file__).parent / "golden"
_NAME = re.compile(r"(?P<type>[a-z_]+\.[a-z_]+\.[a-z_]+)\.v(?P<major>\d+)(?:\.(?P<variant>[a-z_]+))?\.json")


@dataclass(frozen=True)
class Sample:
    """One golden file."""

    name: str
    type: str
    major: int
    body: bytes

    @property
    def envelope(self) -> dict[str, Any]:
        """The event, decoded."""
        decoded: dict[str, Any] = json.loads(self.body)
        return decoded

    @property
    def data(self) -> dict[str, Any]:
        """What the event says."""
        data: dict[str, Any] = self.envelope["data"]
        return data


def _read(file: Path) -> Sample:
    match = _NAME.fullmatch(file.name)
    assert match, f"{file.name}: not <type>.v<major>[.<variant>].json"
    return Sample(file.name, match["type"], int(match["major"]), file.read_bytes())


SERVICES: list[Service] = [load_service(name) for name in NAMES]
SAMPLES: list[Sample] = [_read(file) for file in sorted(FOLDER.iterdir())]
PUBLISHED: Mapping[str, Published] = {name: each for service in SERVICES for name, each in service.publishes.items()}

#: Runs a test once per golden file.
every_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name.removesuffix(".json"))


def view_of(service: Service, event_type: str) -> Consumed | None:
    """The view that a service takes of a type; None when it does not hear it."""
    return service.consumes.get(event_type) or service.consumes.get(EVERYTHING)
