"""Relay, consumer and command processes die by SIGKILL at every seam: nothing is lost, nothing happens twice."""

from __future__ import annotations

import pytest

from tests.faults.harness import MakeRig
from tests.faults.report import Report

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.timeout(600)]


def test_a_consumer_killed_under_load_loses_nothing(make_rig: MakeRig, rounds: range, report: Report) -> None:
    with make_rig() as rig:
        for _ in rounds:
            with rig.loading(events=300):
                rig.wait_for_more_effects(50)
                with rig.fault():
                    rig.consumer.kill()
            verdict = rig.settle()
            report.add("consumer killed", verdict)
            verdict.assert_clean()
