"""Distances against independent loops, laws and hand-worked numbers."""

import math

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from maquette.evaluation.compat import cross_kernel_similarity
from maquette.evaluation.metrics import (
    bootstrap_mean,
    bootstrap_nested,
    check_features,
    frechet_distance,
    kernel_distance,
    kernel_distance_interval,
    kernel_record,
    paired_difference,
    paired_test,
)
from maquette.evaluation.run import unit_scale
from maquette.evaluation.seeds import compared


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


def test_features_of_any_size_are_brought_to_one_scale():
    features = np.random.default_rng(6).normal(size=(5, 7)).astype(np.float32)
    scaled = unit_scale(features)
    np.testing.assert_allclose(scaled, unit_scale(100 * features), rtol=1e-5)
    np.testing.assert_allclose((scaled**2).mean(1), 1.0, rtol=1e-5)


def test_a_real_set_against_itself_is_zero_within_its_interval():
    rng = np.random.default_rng(7)
    halves = rng.normal(size=(120, 16)).astype(np.float32)
    interval = kernel_distance_interval(halves[:60], halves[60:])
    assert interval.low < 0 < interval.high
    same = kernel_distance_interval(halves, halves, partners=np.arange(120))
    assert max(abs(same.value), abs(same.low), abs(same.high)) < 1e-9


def test_answers_to_the_same_prompts_do_not_draw_the_distance_below_zero():
    # x and y are of one distribution; each pair shares most of what its prompt fixes
    rng = np.random.default_rng(11)
    plain, paired = [], []
    for _ in range(60):
        common, own, other = rng.normal(size=(3, 40, 6))
        x, y = (2 * common + own) / 5**0.5, (2 * common + other) / 5**0.5
        plain.append(kernel_distance(x, y))
        paired.append(kernel_distance(x, y, partners=np.arange(40)))
    assert abs(np.mean(paired)) < 3 * np.std(paired) / 60**0.5
    assert np.mean(plain) < -5 * np.std(plain) / 60**0.5


def test_partners_are_left_out_wherever_they_stand():
    rng = np.random.default_rng(12)
    x, y, partners = rng.normal(size=(6, 3)), rng.normal(size=(4, 3)), np.array([5, -1, 0, 2])
    k = lambda a, b: (a @ b / 3 + 1) ** 3  # noqa: E731
    within = [np.mean([k(r[i], r[j]) for i in range(len(r)) for j in range(len(r)) if i != j]) for r in (x, y)]
    between = np.mean([k(x[i], y[j]) for i in range(6) for j in range(4) if partners[j] != i])
    assert kernel_distance(x, y, partners=partners) == pytest.approx(sum(within) - 2 * between, abs=1e-12)


def test_scikit_learn_s_kernel_gives_the_same_distance():
    pairwise = pytest.importorskip("sklearn.metrics.pairwise", reason="scikit-learn is not installed")
    rng = np.random.default_rng(8)
    x, y = rng.normal(size=(200, 64)), 0.9 * rng.normal(size=(150, 64)) + 0.1
    xx, yy, xy = (
        pairwise.polynomial_kernel(a, b, degree=3, gamma=1 / 64, coef0=1) for a, b in ((x, x), (y, y), (x, y))
    )
    n, m = len(x), len(y)
    expected = (xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1)) - 2 * xy.mean()
    assert kernel_distance(x, y) == pytest.approx(expected, abs=1e-6)


def test_blocks_keep_the_distance_unbiased_and_say_so_in_the_record():
    rng = np.random.default_rng(9)
    x, y = rng.normal(size=(90, 6)), rng.normal(size=(80, 6)) + 0.7
    whole, cut = kernel_distance(x, y), kernel_distance(x, y, subset=20)
    assert cut == pytest.approx(whole, rel=0.25) and cut != whole
    assert kernel_record(x, y, subset=20) == {
        "kernel": "polynomial", "degree": 3, "gamma": "1/d", "coef0": 1.0, "estimator": "unbiased squared MMD, x100",
        "d": 6, "rows": [90, 80], "pairs of one prompt left out": 0, "subset": 20, "subsets": 5,
    }  # fmt: skip
    partners = np.full(80, -1)
    partners[:2] = 5, 7
    assert kernel_record(x, y, partners=partners)["pairs of one prompt left out"] == 2
    null = [kernel_distance(rng.normal(size=(40, 5)), rng.normal(size=(40, 5)), subset=10) for _ in range(80)]
    assert abs(np.mean(null)) < 3 * np.std(null) / np.sqrt(80)


def test_frechet_distance_equals_scipy_s_matrix_root():
    rng = np.random.default_rng(10)
    mix = rng.normal(size=(12, 12))
    x, y = rng.normal(size=(300, 12)), rng.normal(size=(300, 12)) @ mix + 0.3
    sx, sy = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(sx + sy - 2 * sqrtm(sx @ sy).real)
    assert frechet_distance(x, y, fewest=300) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(x, x, fewest=300) == pytest.approx(0, abs=1e-6)


def test_both_distances_equal_torch_fidelity_s():
    """Version 0.4, which needs torchvision: run where both are installed."""
    kid = pytest.importorskip("torch_fidelity.metric_kid", exc_type=ImportError)
    fid = pytest.importorskip("torch_fidelity.metric_fid", exc_type=ImportError)
    rng = np.random.default_rng(15)
    x, y = rng.normal(size=(400, 32)), rng.normal(size=(400, 32)) @ rng.normal(size=(32, 32)) / 6 + 0.1
    assert kernel_distance(x, y) == pytest.approx(kid.kernel_mmd(x, y, kid_kernel="poly"), rel=1e-9)
    stats = [fid.fid_features_to_statistics(torch.from_numpy(features)) for features in (x, y)]
    expected = fid.fid_statistics_to_metric(*stats, False)["frechet_inception_distance"]
    assert frechet_distance(x, y, fewest=400) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("n", "m"), [(4999, 4999), (5000, 5001)])
def test_frechet_distance_refuses_small_and_unequal_sets(n: int, m: int):
    with pytest.raises(ValueError, match=f"not {n} and {m}"):
        frechet_distance(np.zeros((n, 2)), np.zeros((m, 2)))


def test_features_with_nan_single_rows_and_other_widths_are_errors():
    good, bad = np.ones((4, 3)), np.ones((4, 3))
    bad[2, 1] = np.nan
    for distance in (kernel_distance, kernel_distance_interval, cross_kernel_similarity):
        with pytest.raises(ValueError, match="1 of the 4 rows of the second set hold NaN"):
            distance(good, bad)
    with pytest.raises(ValueError, match="the first set has 1"):
        kernel_distance(good[:1], good)
    with pytest.raises(ValueError, match="3 and 2 numbers"):
        check_features(good, good[:, :2])


def test_one_object_has_a_mean_and_no_interval_and_none_has_no_mean():
    single = bootstrap_mean(np.array([0.7]))
    assert single.value == 0.7 and np.isnan(single.low) and np.isnan(single.high)
    for values in (np.array([]), np.array([1.0, np.nan])):
        with pytest.raises(ValueError, match="finite values"):
            bootstrap_mean(values)


def test_the_permutation_test_knows_a_gain_from_none():
    rng = np.random.default_rng(11)
    before = rng.normal(size=60)
    gain = paired_test(before + 0.5 + 0.3 * rng.normal(size=60), before)
    assert gain.p_value < 0.01 and gain.difference.low > 0
    p_values = [paired_test(rng.normal(size=20), rng.normal(size=20), seed=i, rounds=400).p_value for i in range(200)]
    assert 0.01 <= np.mean(np.array(p_values) < 0.05) <= 0.1
    assert paired_test(before, before).p_value == 1.0


def test_intervals_over_seeds_are_wider_than_over_objects_alone():
    rng = np.random.default_rng(12)
    objects = rng.normal(size=50)
    runs = objects + np.array([[-1.0], [0.0], [1.0]])
    nested, plain = bootstrap_nested(runs), bootstrap_mean(runs.mean(0))
    assert nested.value == pytest.approx(plain.value)
    assert nested.high - nested.low > 2 * (plain.high - plain.low)


def test_two_systems_of_three_trainings_are_told_apart_one_time_in_twenty_by_chance():
    rng = np.random.default_rng(14)
    told = 0
    for _ in range(150):
        objects = rng.normal(size=40)
        sides = [objects + rng.normal(size=(3, 1)) + 0.3 * rng.normal(size=(3, 40)) for _ in range(2)]
        test = compared(*sides)
        told += test.difference.low > 0 or test.difference.high < 0
        assert math.isnan(test.p_value)
    assert told <= 15
    alone = compared(objects[None] + 1.0, objects[None])
    assert alone == paired_test(objects + 1.0, objects)


def test_the_published_similarity_is_no_distance():
    rng = np.random.default_rng(13)
    x = rng.normal(size=(24, 8))
    expected = np.mean([[np.exp(-((a - b) ** 2).sum() / 8) for b in x] for a in x])
    same = cross_kernel_similarity(x, x)
    assert same == pytest.approx(expected, abs=1e-12) and 0 < same < 1  # not 0 and not 1 for equal sets
    assert cross_kernel_similarity(x, x + 3) < same  # and it falls with distance
