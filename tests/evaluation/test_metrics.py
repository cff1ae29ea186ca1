"""Distances against independent loops, laws and hand-worked numbers."""

import numpy as np
import pytest

from maquette.evaluation.metrics import (
    bootstrap_mean,
    chamfer_distance,
    kernel_distance,
    kernel_distance_interval,
    paired_difference,
    surface_points,
    voxel_iou,
)
from maquette.evaluation.run import unit_scale


def loop_mmd(x: np.ndarray, y: np.ndarray) -> float:
    """Unbiased MMD² with (x·y/d + 1)³ in plain float64 loops: the independent reference."""

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return (sum(float(p) * float(q) for p, q in zip(a, b, strict=True)) / len(a) + 1.0) ** 3

    n, m = len(x), len(y)
    xx = sum(kernel(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    yy = sum(kernel(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    xy = sum(kernel(a, b) for a in x for b in y) / (n * m)
    return xx + yy - 2 * xy


def test_kernel_distance_equals_plain_loops():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(9, 5)), rng.normal(size=(7, 5)) + 0.5
    assert kernel_distance(x, y) == pytest.approx(loop_mmd(x, y), abs=1e-9)


def test_kernel_distance_is_zero_on_average_for_one_distribution_and_grows_with_a_shift():
    rng = np.random.default_rng(1)
    same = [kernel_distance(rng.normal(size=(60, 8)), rng.normal(size=(60, 8))) for _ in range(60)]
    assert abs(np.mean(same)) < 3 * np.std(same) / np.sqrt(60)
    base = rng.normal(size=(100, 8))
    shifted = [kernel_distance(base + s, rng.normal(size=(100, 8))) for s in (0.3, 0.6, 1.2)]
    assert shifted == sorted(shifted) and shifted[0] > 0


def test_kernel_distance_interval_is_in_hundredths_and_holds_its_value():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(50, 6)), rng.normal(size=(40, 6)) + 0.8
    interval = kernel_distance_interval(x, y)
    assert interval.value == pytest.approx(100 * kernel_distance(x, y))
    assert interval.low < interval.value < interval.high and interval.low > 0 and interval.n == 50


def test_bootstrap_interval_covers_the_true_mean_at_about_its_level():
    rng = np.random.default_rng(3)
    hits = 0
    for trial in range(200):
        interval = bootstrap_mean(rng.normal(size=80), seed=trial, rounds=400)
        hits += interval.low <= 0.0 <= interval.high
    assert 180 <= hits <= 199


def test_paired_difference_sees_a_small_gain_that_means_alone_would_hide():
    rng = np.random.default_rng(4)
    before = rng.normal(size=100) * 5
    interval = paired_difference(before + 0.1 + rng.normal(size=100) * 0.1, before)
    assert interval.low > 0
    with pytest.raises(ValueError, match="100 and 99"):
        paired_difference(before, before[1:])


def test_iou_and_chamfer_by_hand():
    a, b = np.zeros((4, 4, 4), bool), np.zeros((4, 4, 4), bool)
    a[0, 0, 0] = a[0, 0, 1] = True
    b[0, 0, 1] = True
    assert voxel_iou(a, b) == pytest.approx(0.5)
    assert chamfer_distance(a, a) == 0.0
    # a's two voxels are 0.25 and 0 from b's one; b's one is 0 from a: ((0.25 + 0) / 2 + 0) / 2.
    assert chamfer_distance(a, b) == pytest.approx(0.0625)
    empty = np.zeros((4, 4, 4), bool)
    assert voxel_iou(empty, empty) == 0.0 and chamfer_distance(a, empty) == pytest.approx(3**0.5)


def test_surface_points_leave_out_the_inside_and_keep_the_border():
    full = np.ones((4, 4, 4), bool)
    points = surface_points(full)
    assert len(points) == 64 - 8 and np.abs(points).max() == pytest.approx(0.375)


def test_more_damage_is_never_nearer():
    rng = np.random.default_rng(5)
    solid = np.zeros((16, 16, 16), bool)
    solid[3:13, 3:13, 3:13] = True
    noise = rng.random(solid.shape)
    damaged = [solid ^ (noise < level) for level in (0.0, 0.05, 0.15, 0.4)]
    ious = [voxel_iou(solid, d) for d in damaged]
    assert ious == sorted(ious, reverse=True) and ious[0] == 1.0


def test_features_of_any_size_are_brought_to_one_scale():
    features = np.random.default_rng(6).normal(size=(5, 7)).astype(np.float32)
    scaled = unit_scale(features)
    np.testing.assert_allclose(scaled, unit_scale(100 * features), rtol=1e-5)
    np.testing.assert_allclose((scaled**2).mean(1), 1.0, rtol=1e-5)
