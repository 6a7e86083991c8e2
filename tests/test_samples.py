"""MI from two columns: against known distributions, against scikit-learn, under hostile files."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_core.errors import FormatError, InputError, MiCoreError, SettingError
from mi_core.samples import (
    MAX_FILE,
    MAX_ROWS,
    Samples,
    estimate_samples,
    gaussian_samples,
    grassberger,
    ksg,
    miller_madow,
    plug_in,
    read_samples,
    table_samples,
)

COPY = np.array([[0.45, 0.05], [0.05, 0.45]])


def csv_of(rows: list[str]) -> bytes:
    return "\n".join(rows).encode()


def test_the_plug_in_of_all_outcomes_is_the_mi_of_the_table() -> None:
    x, y = np.repeat([0.0, 1.0], 10), np.tile([0.0] * 9 + [1.0], 2)
    assert plug_in(x, y) == pytest.approx(0, abs=1e-12)
    assert plug_in(x, x) == pytest.approx(math.log(2)) == pytest.approx(plug_in(x, 1 - x))


@pytest.mark.parametrize("rule", [miller_madow, grassberger])
def test_a_correction_takes_most_of_the_excess_away(rule: Callable[..., float]) -> None:
    """Independent symbols: the plug-in's mean is near (a-1)(b-1)/2n, the corrected one's is nearer 0."""
    flat = np.ones((4, 4))
    found = [table_samples(flat, 200, seed=k)[0] for k in range(60)]
    excess = np.mean([plug_in(s.first, s.second) for s in found])
    corrected = np.mean([rule(s.first, s.second) for s in found])
    assert excess == pytest.approx(9 / 400, rel=0.25) and corrected < 0.5 * excess


def test_grassberger_by_hand() -> None:
    """n symbols seen once each: G(1) = -gamma - ln 2."""
    x = np.arange(9.0)
    assert grassberger(x, x) == pytest.approx(math.log(9) + np.euler_gamma + math.log(2))


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_ksg_finds_the_mi_of_normal_columns(correlation: float) -> None:
    samples, truth = gaussian_samples(2000, correlation=correlation, seed=1)
    assert ksg(samples.first, samples.second) == pytest.approx(truth, abs=0.05)


def test_ksg_is_that_of_scikit_learn() -> None:
    selection = pytest.importorskip("sklearn.feature_selection", reason="scikit-learn is not installed")
    samples, _ = gaussian_samples(400, correlation=0.7, seed=2)
    (other,) = selection.mutual_info_regression(samples.first[:, None], samples.second, random_state=0)
    assert ksg(samples.first, samples.second) == pytest.approx(other, abs=1e-6)


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), n=st.integers(8, 60))
def test_estimates_are_symmetric_and_blind_to_order_and_names(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 4, n).astype(float), rng.integers(0, 3, n).astype(float)
    order = rng.permutation(n)
    for rule in (plug_in, miller_madow, grassberger):
        assert rule(x, y) == pytest.approx(rule(y, x), abs=1e-12)
        assert rule(x, y) == pytest.approx(rule(x[order], y[order]), abs=1e-12)
        assert rule(x, y) == pytest.approx(rule(7 - x, y), abs=1e-12)
        assert rule(x, y) >= 0
    assert plug_in(x, y) <= math.log(3) + 1e-9
    u, v = rng.standard_normal((2, n))
    assert ksg(u, v) == pytest.approx(ksg(v, u), abs=0.02) and ksg(u, v) == pytest.approx(ksg(5 * u + 2, v), abs=1e-6)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    hits = 0
    for seed in range(60):
        samples, truth = table_samples(COPY, 400, seed=seed)
        (_, corrected, _) = estimate_samples(samples, resamples=40, seed=seed)
        hits += corrected.low <= truth <= corrected.high
    assert 46 <= hits <= 60, hits


def test_estimates_suit_their_columns() -> None:
    samples, truth = table_samples(COPY, 1000)
    found = estimate_samples(samples)
    assert [e.name for e in found] == ["plug-in", "Miller-Madow", "Grassberger"] and truth == pytest.approx(
        0.368, abs=1e-3
    )
    assert all(e.low <= e.value <= e.high and e.note.endswith(".") for e in found)
    assert estimate_samples(samples) == found, "seeded"
    numbers, _ = gaussian_samples(100, correlation=0.3)
    assert [e.name for e in estimate_samples(numbers)] == ["KSG"]


# ---- files


def test_a_csv_of_words_numbers_or_both_is_read() -> None:
    words = read_samples(csv_of(["base;pair"] + ["A;T", "C;G"] * 6))
    assert words.discrete and len(words.first) == 13, "a first row of words among words is data"
    named = read_samples(csv_of(["u,v"] + [f"{k / 7},{k * k / 3}" for k in range(20)]))
    assert not named.discrete and named.names == ("u", "v") and len(named.first) == 20
    mixed = read_samples(csv_of([f"{'ab'[k % 2]}\t{k / 7 + 5 * (k % 2)}" for k in range(40)]))
    assert mixed.discrete and len(set(mixed.second)) == 8
    assert plug_in(mixed.first, mixed.second) > 0.2
    whole = read_samples(csv_of([f"{k % 3},{k % 2}" for k in range(12)]))
    assert whole.discrete
    same = read_samples(csv_of(["1,1", "1.0,2", "2,1", "2.0,2"] * 3))
    assert len(set(same.first)) == 2


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (["1,2"] * 20, "is constant"),
        (["a,b"] * 20, "is constant"),
        ([f"1{'.0' * (k % 2)},{k}" for k in range(20)], "is constant"),
        ([f"{k}" for k in range(20)], "needs two columns; row 1 has 1"),
        ([f"{k},{k},{k}" for k in range(20)], "row 1 has 3"),
        ([f"{k}.5,{k}.25" for k in range(19)] + ["nan,3.5"], "NaN or infinite"),
        ([f"{k}.5,{k}.25" for k in range(19)] + ["inf,3.5"], "NaN or infinite"),
        ([f"{k}.5,{k}.25" for k in range(19)] + ["cat,3.5"], "mixes numbers with text such as 'cat'"),
        ([f"{k}.5,{k}.25" for k in range(19)] + [",3.5"], "Row 20 has an empty cell"),
        (["1,2", "2,1"], "At least 8 rows"),
        ([f"w{k},{k % 2}" for k in range(100)], "100 different words"),
        ([f"{k % 7},{k % 5}" for k in range(MAX_ROWS + 2)], "At most 50000 rows"),
        (["", " ", ""], "empty"),
        (["x" * (MAX_FILE + 1)], "at most 4 MB"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_sentence(rows: list[str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        read_samples(csv_of(rows))
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no sample file"):
        read_samples(tmp_path / "none.csv")
    with pytest.raises(FormatError, match="not a text file"):
        read_samples(b"\x00\x01" * 40)
    with pytest.raises(FormatError, match="damaged"):
        read_samples(b"\x1f\x8b" + b"x" * 40)


@settings(max_examples=50)
@given(st.binary(max_size=300))
def test_no_file_breaks_the_reader(data: bytes) -> None:
    try:
        samples = read_samples(data)
    except MiCoreError as error:
        assert "\n" not in str(error)
    else:
        assert np.isfinite(samples.first).all()


def test_settings_are_checked() -> None:
    samples, _ = gaussian_samples(20, correlation=0.1)
    with pytest.raises(SettingError, match="neighbours"):
        ksg(samples.first, samples.second, neighbours=20)
    with pytest.raises(SettingError, match="resamples"):
        estimate_samples(samples, resamples=1)
    with pytest.raises(SettingError, match="correlation"):
        gaussian_samples(20, correlation=1.0)
    with pytest.raises(InputError, match="two axes"):
        table_samples(np.ones(3), 10)
    with pytest.raises(InputError, match="same length"):
        Samples(np.arange(10.0), np.arange(9.0), False)
