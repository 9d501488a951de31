"""What is left of callers who are gone."""

from __future__ import annotations

import math
import os

import pytest
from bench.caller import Pattern
from bench.churn import Churn, Sample, measure_churn, slope
from bench.place import served
from bench.sound import voice

SHORT = Pattern((voice(200),), silence_ms=200, pause_ms=60_000)


def test_a_slope_is_that_of_the_line() -> None:
    assert slope([0, 1, 2, 3], [5, 7, 9, 11]) == pytest.approx(2)
    assert math.isnan(slope([0, 1], [0, 1]))


def test_growth_is_told_per_hour_and_without_the_warm_up() -> None:
    grows = [Sample(60.0 * n, 100.0 if n < 10 else 100 + (n - 10), 10, 3, 20) for n in range(30)]
    assert Churn(grows, 600, []).slope_mb_h == pytest.approx(60)
    assert Churn([Sample(0, 1, 10, 3, 20), *grows, Sample(1800, 1, 12, 4, 20)], 0, []).descriptors_left == 2


def test_callers_who_leave_leave_nothing_behind() -> None:
    core = sorted(os.sched_getaffinity(0))[-1]
    with served("scripted", core, {"VIVAVOCE_SCRIPTED__ANSWER": "hi"}) as server:
        came = measure_churn(server, 0, pattern=SHORT, round_s=0.5)
    assert len(came.samples) == 3
    assert (came.descriptors_left, came.threads_left, came.tasks_left) == (0, 0, 0)
