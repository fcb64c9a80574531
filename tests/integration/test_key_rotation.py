"""Signing keys turn while people work: no valid token is ever refused, by any service, and old keys do end.

The four services in this process on a clock of ours, joined by the in-process bus, which is pumped by hand: an outage
of the bus is not pumping.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from services.membership.timers import turn_signing_keys
from shared.messaging.in_process import InProcess
from shared.messaging.transport import queue_of
from shared.runtime.assembly import Assembly
from shared.runtime.clock import ManualClock
from tests.builders.founding import founding_yaml
from tests.deployment.addresses import PASSWORD, SERVICES
from tests.fixtures.assemblies import Client, MakeAssembly

#: One request per service that a signed-in secretary may make.
LOOKS = {"membership": "/members", "meetings": "/ballots", "finance": "/accounts", "notifications": "/inbox"}
TOKEN_SECONDS = 600


class Alliance:
    """Four services, a bus and a clock; nothing moves unless told."""

    def __init__(
        self, make: MakeAssembly, client: Callable[[Assembly], Client], clock: ManualClock, file: Path
    ) -> None:
        self.clock = clock
        self.assemblies = {name: make(name) for name in SERVICES}
        self.clients = {name: client(assembly) for name, assembly in self.assemblies.items()}
        self._bus = InProcess()
        for name, assembly in self.assemblies.items():
            consumer = assembly.consumer()
            self._bus.subscribe(queue_of(name), consumer.patterns, consumer.accept)
        self._relays = [assembly.relay(self._bus.publisher()) for assembly in self.assemblies.values()]
        file.write_text(founding_yaml(7), "utf-8")
        membership = self.assemblies["membership"]
        found = membership.service.console_commands["found"]
        assert found(membership, [str(file), "--demo-password", PASSWORD]) == 0
        self.pump()

    def pump(self) -> None:
        """Let every event arrive."""
        for relay in self._relays:
            while relay.publish_waiting() != (0, 0):
                pass

    def pass_minutes(self, minutes: float, *, bus: bool = True) -> None:
        """Time passes; the timer of the keys runs; events arrive unless the bus is away."""
        self.clock.advance(minutes * 60)
        turn_signing_keys(self.assemblies["membership"])
        if bus:
            self.pump()

    def sign_in(self, username: str = "secretary") -> str:
        answer = self.clients["membership"].post("/sessions", json={"username": username, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        assert answer.json is not None
        token: str = answer.json["access_token"]
        return token

    def refusals(self, token: str) -> list[str]:
        """The services that do not believe the token."""
        headers = {"Authorization": f"Bearer {token}"}
        statuses = {name: self.clients[name].get(path, headers=headers).status_code for name, path in LOOKS.items()}
        assert set(statuses.values()) <= {200, 401}
        return [name for name, status in statuses.items() if status == 401]

    def rotate(self) -> None:
        """The operator asks for the next key."""
        headers = {"Authorization": f"Bearer {self.sign_in('operator')}"}
        assert self.clients["membership"].post("/signing-keys", headers=headers).status_code == 201


def kid_of(token: str) -> str:
    """The id of the key that signed it."""
    head = token.partition(".")[0]
    kid: str = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"]
    return kid


@pytest.fixture
def alliance(
    make_assembly: MakeAssembly, client: Callable[[Assembly], Client], clock: ManualClock, tmp_path: Path
) -> Alliance:
    return Alliance(make_assembly, client, clock, tmp_path / "founding.yaml")


def test_through_a_rotation_under_traffic_every_valid_token_is_believed_everywhere(alliance: Alliance) -> None:
    tokens: list[tuple[float, str]] = []
    kids: list[str] = []
    for minute in range(30):
        if minute == 2:
            alliance.rotate()
        alliance.pass_minutes(1)
        token = alliance.sign_in()
        kids.append(kid_of(token))
        tokens.append((alliance.clock.monotonic(), token))
        for issued_at, each in tokens:
            if alliance.clock.monotonic() - issued_at <= TOKEN_SECONDS:
                assert alliance.refusals(each) == [], f"minute {minute}, key {kid_of(each)}"

    assert len(set(kids)) == 2, "the rotation did happen"
    assert kids == sorted(kids, key=kids.index), "and there is no way back"
    answer = alliance.clients["membership"].get("/api/membership/.well-known/jwks.json").json
    assert answer is not None
    assert [key["kid"] for key in answer["keys"]] == [kids[-1]], "the old key has ended"


def test_an_expired_token_is_refused_everywhere(alliance: Alliance) -> None:
    token = alliance.sign_in()

    alliance.pass_minutes(TOKEN_SECONDS / 60 + 1.1)

    assert alliance.refusals(token) == list(SERVICES)


def test_a_key_whose_announcement_is_held_up_signs_nothing(alliance: Alliance) -> None:
    alliance.pass_minutes(10)
    alliance.rotate()
    before = kid_of(alliance.sign_in())
    for _ in range(12):
        alliance.pass_minutes(2, bus=False)
        token = alliance.sign_in()
        assert kid_of(token) == before
        assert alliance.refusals(token) == []

    alliance.pump()
    alliance.pass_minutes(4)
    assert kid_of(alliance.sign_in()) == before, "the lead time counts from the announcement's leaving"
    alliance.pass_minutes(2)
    token = alliance.sign_in()
    assert kid_of(token) != before
    assert alliance.refusals(token) == []
