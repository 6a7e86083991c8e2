"""Pointwise MI of drawn tokens: by probing on exact tables, by the head, and what the rule makes of it."""

import math
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mi_core import catalog
from mi_core.agreement import peer_matrix
from mi_core.decoding import decode
from mi_core.errors import FormatError, InputError, SettingError
from mi_core.head import HeadConfig, build_head, config_for, rows_of
from mi_core.models import exact
from mi_core.pointwise import KIND, PointwiseConfig, PointwiseHead, load_pointwise, new_pointwise, predict_pmi
from mi_core.selection import StepView
from mi_core.sources import HeadTVSource, PointwiseSource, ProbingPointwiseSource, ProbingSource, TVSource, probed_pmi
from mi_core.strategies import get_strategy
from mi_core.sudoku.board import VOCAB
from mi_core.sudoku.presets import PRESETS
from mi_core.training.labels import random_states
from mi_core.training.pointwise import PointwiseTraining, explained_share, train_pointwise
from mi_core.weights import WeightsHeader, load_weights, save_weights

RULE = get_strategy("pointwise")


def _all_open(model: exact.ExactModel) -> torch.Tensor:
    return torch.full((1, model.table.length), model.vocab.mask_id)


@given(seed=st.integers(0, 200), n=st.integers(2, 4), v=st.integers(2, 3))
def test_probed_pmi_is_that_of_the_table_and_its_mean_is_mi(seed: int, n: int, v: int) -> None:
    table = exact.from_seed(seed, n, v)
    model = exact.ExactModel(table)
    (start,) = _all_open(model)
    log_probs = model(start[None]).log_probs[0]
    mean = torch.zeros(n, n, dtype=torch.float64)
    for a in range(v):
        for b in range(v):
            drawn = torch.where(torch.arange(n) == 0, a, b)
            pmi, passes = probed_pmi(model, start, drawn, log_probs)
            assert passes == n and torch.equal(pmi, pmi.T) and (pmi.diagonal() == 0).all()
            for j in range(1, n):
                joint, p, q = table.marginal([0, j])[a, b], table.marginal([0])[a], table.marginal([j])[b]
                assert pmi[0, j] == pytest.approx(float((joint / (p * q)).log()), abs=1e-9)
                mean[0, j] += joint * pmi[0, j]
    torch.testing.assert_close(mean[0, 1:], table.mutual_information(start)[0, 1:], atol=1e-9, rtol=0)


def test_a_pair_that_cannot_be_is_finite_and_revealed_positions_have_none() -> None:
    model = exact.ExactModel(exact.copied_bits(1.0))
    tokens = torch.tensor([2, 2, 1, 2])
    pmi, passes = probed_pmi(model, tokens, torch.tensor([0, 1, 0, 1]), model(tokens[None]).log_probs[0])
    assert passes == 3 and pmi[0, 1] < -20 and torch.isfinite(pmi).all()
    assert (pmi[2] == 0).all() and pmi[0, 3] == pytest.approx(0, abs=1e-12)


def _view(loss: float, *, temperature: float = 1.0, unsure: float = 0.5) -> StepView:
    """Two coins whose drawn faces lose `loss` together, and a third that stands alone and is less uncertain."""
    coins = torch.full((3, 2), 0.5, dtype=torch.float64)
    coins[2] = torch.tensor([unsure, 1 - unsure])
    matrix = torch.zeros(3, 3, dtype=torch.float64)
    matrix[0, 1] = matrix[1, 0] = loss
    open_ones = torch.ones(3, dtype=torch.bool)
    return StepView(
        coins.log(), open_ones, 0, matrix, candidates=torch.zeros(3, dtype=torch.int64), temperature=temperature
    )


def test_a_draw_is_charged_for_what_it_is() -> None:
    """By hand: a pair that loses 0.4 fits 0.5 nats and not 0.3; the likeliest of two costs ln 2 each."""
    plain = {"kappa": 0.0, "lean": 0.0, "unlikely": 0.0}
    assert RULE.select(_view(0.4), {"beta": 0.3, **plain}).chosen.tolist() == [True, False, True]
    both = RULE.select(_view(0.4), {"beta": 0.5, **plain})
    assert both.chosen.all() and both.spent == pytest.approx(0.4) and both.budget == 0.5
    greedy = RULE.select(_view(0.0, temperature=0.0), {"beta": 1.5, **plain})
    assert greedy.chosen.tolist() == [True, True, False] and greedy.spent == pytest.approx(2 * math.log(2))
    refused = RULE.select(_view(9.0), {"beta": 0.5, **plain})
    assert refused.chosen.tolist() == [True, False, True] and "1 drew tokens that do not go" in refused.reason


def test_more_may_be_lost_while_more_is_open_and_certain_positions_come_first() -> None:
    share = RULE.select(_view(0.4), {"beta": 0.0, "kappa": 0.1, "lean": 0.0, "unlikely": 0.0})
    assert share.budget == pytest.approx(0.3 * math.log(2)) and share.chosen.tolist() == [True, False, True]
    certain = RULE.select(
        _view(0.0, unsure=0.9, temperature=0.0), {"beta": 0.2, "kappa": 0.0, "lean": 0.3, "unlikely": 0.0}
    )
    assert certain.chosen.tolist() == [False, False, True], "-ln 0.9 fits 0.2 nats, ln 2 does not"


def test_an_unlikely_draw_waits() -> None:
    """Face 0 has a chance of 0.05 where face 1 has 0.95, a nineteenth: refused at a tenth, taken at a twentieth."""
    view = _view(0.0, unsure=0.05)
    plain = {"beta": 0.5, "kappa": 0.0, "lean": 0.3}
    assert RULE.select(view, {**plain, "unlikely": 0.1}).chosen.tolist() == [True, True, False]
    assert RULE.select(view, {**plain, "unlikely": 0.05}).chosen.all()
    alone = replace(view, masked=torch.tensor([False, False, True]))
    assert RULE.select(alone, {**plain, "unlikely": 0.1}).chosen.tolist() == [False, False, True], "something goes"


def test_copies_never_disagree_and_the_tilt_is_the_one_that_theory_gives() -> None:
    """Refused draws are drawn again: P(agree) = q + (1 - q) p instead of p, with q what independent draws give."""
    runs = 400
    for strength, beta in ((1.0, 0.3), (0.6, 0.3), (0.6, 5.0)):
        table = exact.copied_bits(strength)
        start = torch.full((runs, 4), 2)
        model = exact.ExactModel(table)
        traces = decode(
            model, start, "pointwise", {"beta": beta, "kappa": 0.0}, seed=1, temperature=1.0, mi_source=_Remembered()
        )
        agree = sum(t.tokens[0] == t.tokens[1] for t in traces) / runs
        joint = table.marginal([0, 1])
        p, q = float(joint.diagonal().sum()), 0.5
        expected = q if beta > 1 else q + (1 - q) * p
        assert agree == pytest.approx(expected, abs=4 * math.sqrt(0.25 / runs) + 1e-12), (strength, beta)


class _Remembered(ProbingPointwiseSource):
    """Few states and draws exist, and each is probed once."""

    def __init__(self) -> None:
        super().__init__()
        object.__setattr__(self, "seen", {})

    def __call__(self, model, tokens, output, drawn):
        matrices = []
        for b, row in enumerate(tokens):
            key = (tuple(row.tolist()), tuple(drawn[b].tolist()))
            if key not in self.seen:
                self.seen[key] = super().__call__(model, row[None], rows_of(output, slice(b, b + 1)), drawn[b : b + 1])
            matrices.append(self.seen[key])
        return torch.cat([m for m, _ in matrices]), [passes for _, (passes,) in matrices]


def test_every_probe_counts_and_the_wrong_kind_of_matrix_is_refused() -> None:
    model = exact.ExactModel(exact.copied_bits(1.0))
    (trace,) = decode(model, _all_open(model), "pointwise", seed=0, temperature=1.0, mi_source=ProbingPointwiseSource())
    assert trace.steps[0].passes == 1 + 4 and trace.mi_source == "probing-pointwise"
    assert not trace.steps[0].pair_mi, "PMI is not recorded as MI"
    with pytest.raises(SettingError, match="works on what pairs of drawn tokens lose, and probing gives pairwise MI"):
        decode(model, _all_open(model), "pointwise", mi_source=ProbingSource())
    with pytest.raises(InputError, match="needs a matrix of what pairs"):
        decode(model, _all_open(model), "pointwise")


@pytest.fixture(scope="module")
def tiny() -> PointwiseHead:
    model = catalog.load_model("sudoku")
    config = config_for("marginals", model(torch.full((1, 81), 9)))
    head = PointwiseHead(PointwiseConfig(replace(config, channels=8, pair_hidden=6, paths=2, rounds=1), 3, 4, 8))
    torch.manual_seed(0)
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return head.eval()


def test_what_one_token_tells_is_a_distribution_and_symmetric(tiny: PointwiseHead) -> None:
    """Batched, packed, in any company: the same answer; p(j | i) sums to one; g_ij(a, b) = g_ji(b, a)."""
    model = catalog.load_model("sudoku")
    states = random_states(3, seed=5)
    drawn = torch.randint(0, 9, states.shape, generator=torch.Generator().manual_seed(0))
    output = model(states)
    together = predict_pmi(tiny, model, states, drawn, output)
    for k in range(3):
        alone = predict_pmi(tiny, model, states[k : k + 1], drawn[k : k + 1], model(states[k : k + 1]))
        torch.testing.assert_close(alone[0], together[k], atol=1e-4, rtol=1e-4)
    assert torch.equal(together, together.transpose(1, 2)) and (together.diagonal(0, 1, 2) == 0).all()
    closed = states != 9
    assert (together[closed] == 0).all() and (together[~closed].abs().amax() > 0.01)


def test_the_shipped_head_knows_that_peers_differ() -> None:
    """On the empty board: equal digits in a row lower each other, different ones gain ln 9/8, strangers say nothing."""
    model, head = catalog.load_model("sudoku"), catalog.load_pointwise_head("sudoku")
    empty = torch.full((1, 81), 9)
    drawn = torch.arange(81)[None] // 9  # each row one digit: equal in rows, different in columns
    output = model(empty)
    pmi = predict_pmi(head, model, empty, drawn, output)[0].view(9, 9, 9, 9)
    in_row = pmi[0, 0, 0, 1:]
    in_column = pmi[0, 0, 3:, 0]
    assert (in_row < -1.0).all()
    torch.testing.assert_close(in_column, torch.full_like(in_column, math.log(9 / 8)), atol=0.06, rtol=0)
    assert pmi[0, 0, 4, 4].abs() < 0.05
    truth, _ = probed_pmi(model, empty[0], drawn[0], model(empty).log_probs[0])
    calm = truth > -1
    (loss,), passes = PointwiseSource(head, catalog.load_head("sudoku"))(model, empty, output, drawn)
    clash = peer_matrix() & (drawn[0][:, None] == drawn[0])
    assert passes == [0] and (loss[clash] > 1).all() and (loss[~clash] < 0.3).all()
    assert (truth[calm] - pmi.reshape(81, 81)[calm]).abs().mean() < 0.03


def test_it_learns_what_a_token_tells(tmp_path: Path) -> None:
    """A few steps from the shipped MI head: a part of the information on unseen states, and the file says how much."""
    model = catalog.load_model("sudoku")
    states = random_states(60, seed=8)
    states = states[(states == 9).sum(1) < 50]
    settings = PointwiseTraining(steps=20, batch=4, probes=3, rate=3e-3, warmup=4)
    lines: list[str] = []
    out = tmp_path / "p.safetensors"
    head = train_pointwise(model, catalog.load_head("sudoku"), states, out, settings, report=lines.append)
    header, _ = load_weights(out, KIND)
    share = header.metrics["held_out_share_explained"]
    assert 0.03 < share < 1 and header.training["steps_done"] == 20 and "explained" in lines[-1]
    again = load_pointwise(out)
    assert asdict(again.config) == asdict(head.config)
    fresh = new_pointwise(catalog.load_head("sudoku"))
    assert explained_share(model, again, states, settings) > explained_share(model, fresh, states, settings) + 0.05


def test_bad_files_are_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    save_weights(path, {"x": torch.zeros(1)}, WeightsHeader(KIND, {"tables": 3}))
    with pytest.raises(FormatError, match="does not describe a pointwise head"):
        load_pointwise(path)
    config = HeadConfig("paper", 8, VOCAB.size)
    with pytest.raises(InputError, match="built on a marginals head, not on a paper one"):
        new_pointwise(build_head(config))
    with pytest.raises(InputError, match="train pointwise"):
        catalog.load_pointwise_head("esmc-kunitz")


def test_the_head_tells_the_total_variation_that_probing_finds() -> None:
    """What each token would tell, averaged over the tokens: near the probed one where there is some, at no pass."""
    model, head = catalog.load_model("sudoku"), catalog.load_pointwise_head("sudoku")
    tokens = PRESETS["rectangle"].tokens[None]
    output = model(tokens)
    (guess,), extra = HeadTVSource(head)(model, tokens, output)
    (truth,), _ = TVSource(mass=1.0)(model, tokens, output)
    assert extra == [0] and torch.equal(guess, guess.T) and guess.min() >= 0 and guess.max() <= 1
    corners = torch.tensor([32, 35, 41, 44])
    assert (guess - truth).abs().max() < 0.3 and truth[corners[0], corners[1]] > 0.4
    assert torch.corrcoef(torch.stack([guess.flatten(), truth.flatten()]))[0, 1] > 0.8
    trace = decode(model, tokens, "demask", {"tau": 0.1}, mi_source=HeadTVSource(head))[0]
    assert trace.nfe == len(trace.steps) and trace.mi_source == "head-tv"
