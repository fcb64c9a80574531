"""Relay, consumer and command processes die at every seam, at any moment, and in good order: nothing is lost or doubled."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator

import pytest

from tests.faults.harness import MakeRig, Rig
from tests.faults.report import Report
from tests.faults.supervision import Supervised
from tests.servers import Broker, PostgreSQL

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.timeout(900)]

#: Every seam of the bus with the process that dies there.
SEAMS = {
    "command.before_commit": "speaker",
    "command.after_commit": "speaker",
    "relay.before_publish": "relay",
    "relay.after_confirm": "relay",
    "relay.after_mark": "relay",
    "consumer.before_commit": "consumer",
    "consumer.after_commit": "consumer",
    "consumer.after_acknowledge": "consumer",
}
#: In the quick run: where something is done already and something is not yet.
QUICK_SEAMS = ("command.after_commit", "relay.after_confirm", "consumer.before_commit", "consumer.after_commit")
#: The how-maniest reaching of the seam kills: not the first, so that it strikes in the midst of things.
DEATHS = ("@2", "@5")
#: Processes that random kills choose from.
MORTALS = ("speaker", "relay", "consumer")
SEED = 20_260_302


@pytest.fixture(scope="module")
def pair_rig(durable_postgresql: PostgreSQL, broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One pair for all deaths: what one fault leaves behind, the next one's verdict would show."""
    with (
        broker.virtual_host() as room,
        Rig(durable_postgresql, broker_url=room.url, directory=tmp_path_factory.mktemp("killed")) as rig,
    ):
        yield rig


@pytest.mark.parametrize(
    "seam", [pytest.param(seam, marks=[] if seam in QUICK_SEAMS else pytest.mark.faults) for seam in SEAMS]
)
def test_a_process_killed_between_any_two_things_it_does_loses_nothing(
    pair_rig: Rig, rounds: range, report: Report, seam: str, *, thorough: bool
) -> None:
    deaths = [f"{seam}{times}" for times in (DEATHS if thorough else DEATHS[:1])]
    process: Supervised = getattr(pair_rig, SEAMS[seam])
    for _ in rounds:
        # given events on their way
        with pair_rig.loading(events=100):
            # when the process dies there, is started again, and dies there again
            before = len(process.deaths)
            with pair_rig.fault():
                process.arm(*deaths)
                process.wait_for_deaths(before + 1 + len(deaths))
        assert process.deaths[before + 1 :][: len(deaths)] == [-signal.SIGKILL] * len(deaths)

        # then nobody lost anything, and nothing happened twice
        verdict = pair_rig.settle()
        report.add(f"killed at {seam}", verdict, times=len(deaths))
        verdict.assert_clean()


@pytest.mark.faults
def test_processes_killed_at_random_moments_lose_nothing(pair_rig: Rig, rounds: range, report: Report) -> None:
    chance = random.Random(SEED)
    for round_number in rounds:
        kills = 0
        with pair_rig.loading(events=600, seed=round_number), pair_rig.fault():
            for _ in range(6):
                pair_rig.wait_for_more_effects(chance.randrange(1, 60))
                victim: Supervised = getattr(pair_rig, chance.choice(MORTALS))
                victim.kill()
                kills += 1

        verdict = pair_rig.settle()
        report.add("killed at random under load", verdict, times=kills)
        verdict.assert_clean()


def test_a_rolling_restart_under_load_loses_nothing(pair_rig: Rig, rounds: range, report: Report) -> None:
    for _ in rounds:
        with pair_rig.loading(events=400), pair_rig.fault():
            for name in MORTALS:
                process: Supervised = getattr(pair_rig, name)
                pair_rig.wait_for_more_effects(20)
                before = len(process.deaths)
                process.terminate()
                process.wait_for_deaths(before + 1, seconds=10)
                assert process.deaths[before] == 0, f"{name} did not end in good order:\n{process.log()}"

        verdict = pair_rig.settle()
        report.add("rolling SIGTERM under load", verdict, times=len(MORTALS))
        verdict.assert_clean()


@pytest.mark.faults
def test_a_second_worker_takes_over_from_a_killed_one(make_rig: MakeRig, rounds: range, report: Report) -> None:
    # given two workers of each service
    with make_rig(consumers=2, relays=2) as rig:
        for _ in rounds:
            for workers in (rig.relays, rig.consumers):
                for victim in workers:
                    # when one of them is gone, and stays away: one of the two was at work
                    with rig.loading(events=50), rig.fault(), victim.kept_down():
                        # then work goes on without it
                        rig.wait_for_more_effects(50)
            verdict = rig.settle()
            report.add("one of two workers killed", verdict, times=len(rig.relays) + len(rig.consumers))
            verdict.assert_clean()
