"""The I-MDCE curve against closed-form tables."""

import pytest
import torch
from scipy.integrate import quad

from mi_core.errors import Cancelled, InputError, SettingError
from mi_core.likelihood import ask, curve, exact_information, exact_nll
from mi_core.likelihood.curves import binomials, draw_from
from mi_core.models import exact
from mi_core.models.exact import ExactModel

X = torch.tensor([0, 1, 2, 0])
LEVELS = torch.linspace(0, 1, 11, dtype=torch.float64)


@pytest.fixture(scope="module")
def golden() -> ExactModel:
    return ExactModel(exact.golden_table())


def test_the_ends_are_nothing_and_everything(golden: ExactModel) -> None:
    found = curve(golden, [ask(golden, X)], rounds=200, levels=11)
    assert float(found.remaining[0]) == 0 == float(found.information[-1])
    assert float(found.remaining[-1]) == pytest.approx(float(found.information[0]))
    known = exact_nll(golden, ask(golden, X)) or 0
    assert abs(float(found.remaining[-1]) - known) <= 4 * float(found.remaining_error[-1])


def test_one_sequence_follows_the_exact_curve(golden: ExactModel) -> None:
    for target, context in (([0, 1, 2, 3], []), ([1, 3], [0]), ([0, 2, 3], [1])):
        question = ask(golden, X, target=target, context=context)
        found = curve(golden, [question], rounds=400, levels=11)
        known = exact_information(golden.table, question, found.levels)
        assert bool(((found.information - known).abs() <= 4 * found.information_error + 1e-9).all()), target


def test_the_mean_over_sequences_is_mutual_information(golden: ExactModel) -> None:
    questions = [ask(golden, row) for row in draw_from(golden.table, 1_500, seed=1)]
    found = curve(golden, questions, rounds=2, levels=11)
    known = exact_information(golden.table, questions[0], found.levels, averaged=True)
    assert float(known[0]) == pytest.approx(4.254952912417, abs=1e-11), "H(X)"
    assert float(known[-1]) == pytest.approx(0, abs=1e-12)
    assert bool(((found.information - known).abs() <= 4 * found.information_error + 1e-9).all())


def test_the_slope_of_the_information_is_the_denoising_cross_entropy(golden: ExactModel) -> None:
    """d/dlambda I = -mdce/lambda, so the integral of mdce/lambda from 0 to 1 is H(X)."""
    question = ask(golden, X)

    def known(level: float) -> float:
        levels = torch.tensor([level], dtype=torch.float64)
        return float(exact_information(golden.table, question, levels, averaged=True)[0])

    rows = torch.cartesian_prod(*[torch.arange(3)] * 4)
    sizes = []
    for row in rows:
        found = curve(golden, [ask(golden, row)], rounds=60, levels=2, seed=2)
        sizes.append(found.by_size * golden.table.probs[tuple(row.tolist())])
    mean = torch.stack(sizes).sum(0)

    def slope(level: float) -> float:
        density, _ = binomials(4, torch.tensor([level], dtype=torch.float64))
        return float((density @ mean)[0] / level)

    for level in (0.2, 0.5, 0.8):
        assert slope(level) == pytest.approx((known(level - 1e-4) - known(level + 1e-4)) / 2e-4, rel=0.02)
    assert quad(slope, 1e-9, 1)[0] == pytest.approx(golden.table.entropy(), rel=0.02)


def test_independent_positions_lose_evenly() -> None:
    model = ExactModel(exact.independent([[0.5, 0.5], [0.2, 0.8], [0.9, 0.1]]))
    found = curve(model, [ask(model, torch.tensor([0, 1, 0]))], rounds=1, levels=11)
    nll = exact_nll(model, ask(model, torch.tensor([0, 1, 0]))) or 0
    many = curve(model, [ask(model, torch.tensor([0, 1, 0]))], rounds=3_000, levels=11)
    assert torch.allclose(many.information, nll * (1 - LEVELS), atol=0.02)
    assert not found.information_error.any(), "one round has no error of its own"


def test_the_curve_as_rows_and_text(golden: ExactModel) -> None:
    found = curve(golden, [ask(golden, X)], rounds=2, levels=5)
    assert found.passes == 8 and len(found.rows()) == 5 and found.rows()[0]["exact"] is None
    assert found.to_csv().splitlines()[0] == "level,denoising,remaining,information,information_error,exact"


def test_bad_input(golden: ExactModel) -> None:
    question = ask(golden, X)
    with pytest.raises(InputError, match="at least one sequence"):
        curve(golden, [])
    with pytest.raises(InputError, match="same number"):
        curve(golden, [question, ask(golden, X, target=[0])])
    with pytest.raises(SettingError, match="at least 1 round"):
        curve(golden, [question], rounds=0)
    with pytest.raises(Cancelled):
        curve(golden, [question], cancel=lambda: True)
    wide = ExactModel(exact.chain(n=13))
    with pytest.raises(InputError, match="at most 12"):
        exact_information(wide.table, ask(wide, torch.zeros(13).long()), LEVELS)
    copied = ExactModel(exact.copied_bits())
    with pytest.raises(InputError, match="probability 0"):
        curve(copied, [ask(copied, torch.tensor([0, 1, 0, 0]))])
