"""Whole nights, all tables, killed at moments that a seed chooses, and started again."""

import random
import time

import pytest

from chaos.lakes import faults_at_the_end, held_by
from chaos.nights import Nights
from chaos.report import Report

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]
KILLS = 6  # of each seed


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    return Nights(tmp_path_factory.mktemp("random"), is_reduced=False)


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_random(nights: Nights, chaos_report: Report, seed: int) -> None:
    lake = f"seed_{seed}"
    nights.copied("before", lake)
    chance, whole = random.Random(seed), nights.seconds
    kills, faults = 0, []
    for _ in range(KILLS):
        job = nights.start(lake)
        time.sleep(chance.uniform(0.1, 1.0) * whole)
        job.kill()
        kills += job.wait().was_killed  # else it has come to its end before
        faults += nights.faults(lake)
    recovery = nights.done(lake).seconds
    faults += faults_at_the_end(held_by(nights.home / lake), nights.right)
    chaos_report(
        "whole night killed at random", tried=kills, lost=len(faults), recovery_seconds=recovery
    )
    assert kills >= KILLS / 2
    assert faults == []
