"""The MI head: symmetry, bounds, both variants, and the shipped weights on states that no one trained on."""

import math
from dataclasses import replace
from itertools import combinations, permutations

import pytest
import torch
from torch.nn.functional import gelu

from mi_core import catalog
from mi_core.errors import InputError, UnknownName
from mi_core.head import (
    VARIANTS,
    HeadConfig,
    Pairs,
    PathUpdate,
    build_head,
    config_for,
    estimate,
    last_maps,
    predict,
)
from mi_core.models import exact
from mi_core.models.protocol import Model, ModelOutput
from mi_core.probing import probe
from mi_core.sudoku.board import parse
from mi_core.sudoku.presets import PRESETS

HALF = "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79"


@pytest.fixture(scope="module")
def model() -> Model:
    return catalog.load_model("sudoku")


@pytest.mark.parametrize("variant", VARIANTS)
def test_symmetric_bounded_and_blind_to_revealed_cells(model: Model, variant: str) -> None:
    torch.manual_seed(0)
    head = build_head(HeadConfig(variant, 128, 9))
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    result = estimate(model, head.eval(), parse(HALF))
    assert torch.allclose(result.mi, result.mi.T, atol=1e-6) and (result.mi >= 0).all()
    assert (result.mi.diagonal() == 0).all()
    assert (result.mi[~result.masked] == 0).all() and (result.mi[:, ~result.masked] == 0).all()
    assert result.passes == 1 and result.estimator == f"head-{variant}"
    if variant == "marginals":
        limit = torch.minimum(result.entropy[:, None], result.entropy[None, :])
        assert (result.mi <= limit + 1e-6).all()


def test_a_deadly_rectangle_shows_one_bit_by_both_routes(model: Model) -> None:
    """Four cells that hold two digits in one of two ways: ln 2 between any two of them, next to nothing elsewhere."""
    tokens = PRESETS["rectangle"].tokens
    corners = {32, 35, 41, 44}
    for result in (estimate(model, catalog.load_head("sudoku"), tokens), probe(model, tokens)):
        pairs = result.top_pairs(7)
        assert all({i, j} <= corners and value == pytest.approx(math.log(2), abs=0.06) for i, j, value in pairs[:6])
        assert pairs[6][2] < 0.02


def test_the_papers_variant_loads_and_predicts(model: Model) -> None:
    result = estimate(model, catalog.load_head("sudoku", "paper"), parse(HALF))
    assert result.estimator == "head-paper" and result.mi[result.pairs].std() > 0


@pytest.mark.parametrize("variant", VARIANTS)
def test_packing_changes_nothing(model: Model, variant: str) -> None:
    """A board beside a fuller one gets the numbers it gets alone, with path updates too."""
    torch.manual_seed(1)
    tokens = torch.stack([parse(HALF[:30] + "." * 51), parse("." * 81)])
    output = model(tokens)
    head = build_head(config_for(variant, output)).eval()
    assert head.config.rounds == (6 if variant == "marginals" else 0)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.normal_(std=0.1)
        together = head(output, tokens == 9)
        alone = head(model(tokens[:1]), tokens[:1] == 9)
    torch.testing.assert_close(together[:1], alone, atol=1e-4, rtol=1e-3)
    assert together[0].std() > 0.01


def test_pairs_are_worked_on_as_their_whole_squares_would_be() -> None:
    """A path update against the loop over all i, j, k that it stands for; one position is closed."""
    torch.manual_seed(2)
    pairs, update, is_open = (
        Pairs(5, torch.device("cpu")),
        PathUpdate(8, 3),
        torch.tensor([True, True, True, True, False]),
    )
    (i, j), (first, second) = pairs.ends(torch.arange(5)[None]), pairs.ends(is_open[None])
    assert list(zip(i[0].tolist(), j[0].tolist(), strict=True)) == list(combinations(range(5), 2))
    z = torch.randn(1, 10, 8)
    square = torch.zeros(5, 5, 8)
    square[i[0], j[0]] = square[j[0], i[0]] = z[0]
    x = update.norm(square)
    value, gate = update.edge(x).chunk(2, dim=-1)
    a, b = (value * torch.sigmoid(gate)).chunk(2, dim=-1)
    through = torch.zeros(5, 5, 3)
    for m, n in permutations(range(5), 2):
        for k in range(4):  # the fifth is closed
            if k not in (m, n):
                through[m, n] += a[m, k] * b[k, n] + b[m, k] * a[k, n]
    wanted = square + update.back(gelu(update.near(x) + update.far(update.norm_paths(through))))
    found = update(z, (first & second)[..., None], pairs)
    inside = (first & second)[0]
    torch.testing.assert_close(found[0, inside], wanted[i[0], j[0]][inside], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(pairs.square(z)[0].permute(1, 2, 0), square)
    assert Pairs(1, torch.device("cpu")).square(torch.zeros(2, 0, 8)).shape == (2, 8, 1, 1)


def test_batch_and_single_agree(model: Model) -> None:
    head = catalog.load_head("sudoku")
    tokens = torch.stack([parse(HALF), parse("." * 81)])
    together = predict(head, model, tokens, model(tokens))
    for row, mi in zip(tokens, together, strict=True):
        torch.testing.assert_close(estimate(model, head, row).mi, mi, atol=1e-4, rtol=0)


def test_a_head_of_another_model_is_refused() -> None:
    table = exact.ExactModel(exact.xor(), name="xor")
    with pytest.raises(InputError, match=r"hidden width 128 and 9 symbols; model xor has 2 and 2"):
        estimate(table, build_head(HeadConfig("paper", 128, 9)), torch.tensor([2, 2, 2]))
    with pytest.raises(UnknownName, match="head variant"):
        HeadConfig("huge", 128, 9)


@pytest.mark.parametrize(("width", "vocabulary", "millions"), [(128, 9, 0.10), (960, 20, 0.81)])
def test_the_papers_head_has_the_papers_size(width: int, vocabulary: int, millions: float) -> None:
    output = ModelOutput(torch.zeros(1, 2, vocabulary), torch.zeros(1, 2, width))
    head = build_head(config_for("paper", output))
    assert sum(p.numel() for p in head.parameters()) / 1e6 == pytest.approx(millions, abs=0.005)


def test_a_head_reads_the_attention_of_the_last_blocks_and_of_no_other_model() -> None:
    maps = tuple(torch.full((1, 3, 3, 3), float(k)) for k in range(3))
    output = ModelOutput(torch.zeros(1, 3, 9), torch.zeros(1, 3, 16), attention=maps)
    read = [[float(w[0, 0, 0, 0]) for w in last_maps(output, most)] for most in (0, 2, 3, 5, 6, 9, 99)]
    assert read == [[], [], [2], [2], [1, 2], [0, 1, 2], [0, 1, 2]]
    board = catalog.load_model("sudoku")
    seen = board(torch.full((1, 81), 9))
    head = build_head(replace(config_for("marginals", seen), attention=31))
    with pytest.raises(InputError, match="trained for"):
        predict(head, board, torch.full((1, 81), 9), seen)
