"""Whole nights, all tables, killed at moments that a seed chooses, and started again."""

import random
import time

import pytest

from chaos.lakes import faults_at_the_end, held_by
from chaos.nights import Nights
from chaos.report import Report

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]
KILLS = 8  # of each seed


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    return Nights(tmp_path_factory.mktemp("random"), is_reduced=False)


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_random(nights: Nights, chaos_report: Report, seed: int) -> None:
    chance, whole = random.Random(seed), nights.seconds
    kills, faults = 0, []
    lake = nights.copied("before", f"seed_{seed}")
    for number in range(3 * KILLS):
        if kills == KILLS:
            break
        job = nights.start(lake.name)
        time.sleep(chance.uniform(0.1, 0.9) * whole)
        job.kill()
        ended = job.wait()
        if ended.was_killed:
            kills += 1
            faults += nights.faults(lake.name)
            continue
        # It has come to its end: the next ones are killed on another lake, and sooner.
        whole = min(whole, ended.seconds)
        assert ended.code == 0, ended.said[-3000:]
        faults += faults_at_the_end(held_by(lake), nights.right)
        lake = nights.copied("before", f"seed_{seed}_{number}")
    recovery = nights.done(lake.name).seconds
    faults += faults_at_the_end(held_by(lake), nights.right)
    chaos_report(
        "whole night killed at random", tried=kills, lost=len(faults), recovery_seconds=recovery
    )
    assert kills == KILLS
    assert faults == []
