"""Scores of an estimate against the ground truth, on numbers worked by hand."""

import math

import pytest
import torch

from mi_core.agreement import agreement, certified_width, compare, peer_pairs, precision_at_peers
from mi_core.errors import InputError
from mi_core.results import MIResult
from mi_core.sudoku.board import parse

EMPTY = "." * 81


def result(board: str, mi: torch.Tensor, **more: torch.Tensor) -> MIResult:
    tokens = parse(board, check=False)
    return MIResult(
        mi=mi,
        masked=tokens == 9,
        entropy=torch.ones(81, dtype=torch.float64),
        log_probs=torch.full((81, 9), -math.log(9), dtype=torch.float64),
        tokens=tokens,
        model="hand",
        estimator="hand",
        form="averaged",
        passes=1,
        seconds=1.0,
        **more,
    )


def zeros() -> torch.Tensor:
    return torch.zeros(81, 81, dtype=torch.float64)


def test_scores_by_hand():
    truth = torch.tensor([0.0, 1.0, 2.0, 3.0])
    score = agreement(torch.tensor([0.0, 1.0, 2.0, 4.0]), truth)
    # residual 1; spread around 1.5 is 5; covariance 6.5 over sqrt(5 * 8.75)
    assert score.r2 == pytest.approx(1 - 1 / 5)
    assert score.rmse == pytest.approx(0.5)
    assert score.pearson == pytest.approx(6.5 / math.sqrt(5 * 8.75))
    assert score.spearman == pytest.approx(1.0)
    assert score.pairs == 4


def test_r2_punishes_a_wrong_scale_and_pearson_does_not():
    truth = torch.tensor([0.0, 1.0, 2.0])
    score = agreement(10 * truth, truth)
    assert score.pearson == pytest.approx(1.0)
    assert score.r2 < 0


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 1.0, 1.0]])
def test_undefined_scores_are_nan_and_nothing_is_raised(values):
    score = agreement(torch.tensor(values), torch.tensor(values))
    assert math.isnan(score.pearson) and math.isnan(score.spearman) and math.isnan(score.r2)


def test_two_lengths_are_refused():
    with pytest.raises(InputError, match="one length"):
        agreement(torch.zeros(2), torch.zeros(3))


def test_only_open_pairs_count():
    board = "12" + "." * 79
    truth, estimate = zeros(), zeros()
    truth[2, 3] = truth[3, 2] = 1.0
    estimate[2, 3] = estimate[3, 2] = 1.0
    estimate[0, 1] = 99.0  # both given
    assert compare(result(board, estimate), result(board, truth)).rmse == 0
    assert compare(result(board, estimate), result(board, truth)).pairs == 79 * 78 // 2


def test_results_of_different_boards_are_refused():
    with pytest.raises(InputError, match="different states"):
        compare(result(EMPTY, zeros()), result("1" + EMPTY[1:], zeros()))


def test_the_empty_board_has_810_peer_pairs():
    assert int(peer_pairs(result(EMPTY, zeros())).sum()) == 810


def test_precision_counts_the_peers_among_the_strongest():
    mi = zeros()
    mi[0, 1] = mi[1, 0] = 0.9  # same row
    mi[0, 80] = mi[80, 0] = 0.8  # not peers
    mi[9, 0] = mi[0, 9] = 0.7  # same column
    assert precision_at_peers(result(EMPTY, mi), 1) == 1
    assert precision_at_peers(result(EMPTY, mi), 2) == 0.5
    assert precision_at_peers(result(EMPTY, mi), 3) == pytest.approx(2 / 3)
    peers = peer_pairs(result(EMPTY, mi)).double()
    assert precision_at_peers(result(EMPTY, peers + peers.T)) == 1


def test_certified_width_is_the_widest_of_the_open_pairs():
    lower, upper = zeros(), zeros()
    upper[2, 3] = upper[3, 2] = 0.25
    upper[0, 1] = 5.0  # both given
    assert certified_width(result("12" + "." * 79, zeros(), lower=lower, upper=upper)) == 0.25
    assert certified_width(result(EMPTY, zeros())) == 0
