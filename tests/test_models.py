"""The protocol's contract, for every model that can be loaded by name."""

import pytest
import torch

from mi_core import catalog
from mi_core.errors import InputError, UnknownName
from mi_core.models.protocol import Model
from mi_core.sudoku.board import VOCAB, parse

SOLVED = "534678912672195348198342567859761423426853791713924856961537284287419635345286179"
NAMES = ["sudoku", *catalog.EXACT]


@pytest.fixture(scope="module", params=NAMES)
def model(request: pytest.FixtureRequest) -> Model:
    return catalog.load_model(request.param)


def _states(model: Model) -> torch.Tensor:
    g = torch.Generator().manual_seed(0)
    n = model.length or 10
    tokens = torch.zeros(6, n, dtype=torch.int64) if model.name != "sudoku" else parse(SOLVED).repeat(6, 1)
    share = torch.linspace(0, 1, 6)[:, None]
    return torch.where(torch.rand(6, n, generator=g) < share, model.vocab.mask_id, tokens)


def test_is_a_model(model: Model) -> None:
    assert isinstance(model, Model)


def test_normalised_over_the_real_symbols(model: Model) -> None:
    output = model(_states(model))
    assert output.log_probs.dtype == torch.float64
    assert output.log_probs.shape == (6, model.length or 10, model.vocab.size)
    torch.testing.assert_close(output.log_probs.exp().sum(-1), torch.ones(output.log_probs.shape[:2]).double())
    assert output.hidden.isfinite().all()


def test_revealed_positions_are_certain(model: Model) -> None:
    tokens = _states(model)
    revealed = tokens != model.vocab.mask_id
    log_probs = model(tokens).log_probs
    at = log_probs.gather(-1, tokens.clamp_max(model.vocab.size - 1)[..., None])[..., 0]
    assert (at[revealed] == 0).all() and revealed.any()


def test_deterministic_and_independent_of_the_batch(model: Model) -> None:
    tokens = _states(model)
    together = model(tokens).log_probs.exp()
    assert torch.equal(together, model(tokens).log_probs.exp())
    alone = torch.cat([model(row[None]).log_probs.exp() for row in tokens])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=0)


def test_bad_tokens_are_refused(model: Model) -> None:
    with pytest.raises(InputError, match="Token ids must lie in"):
        model(torch.full((1, model.length or 10), model.vocab.mask_id + 1))
    with pytest.raises(InputError, match="positions"):
        model(torch.zeros(1, 3 + (model.length or 0), dtype=torch.int64))


def test_unknown_names() -> None:
    with pytest.raises(UnknownName, match=r"Unknown model 'chess'\. Known: .*sudoku"):
        catalog.load_model("chess")
    with pytest.raises(UnknownName, match="head variant"):
        catalog.load_head("sudoku", "large")
    with pytest.raises(InputError, match="train head"):
        catalog.load_head("xor")


def test_catalogue_lists_what_ships() -> None:
    entries = {entry.name: entry for entry in catalog.entries()}
    assert entries["sudoku"].available and 10**6 < (entries["sudoku"].parameters or 0) <= 4_200_000
    assert catalog.SUDOKU_FILE.stat().st_size < 10 * 2**20
    for variant in ("marginals", "paper"):
        entry = entries[f"sudoku/head-{variant}"]
        assert entry.available and 50_000 < (entry.parameters or 0) <= 2 * 98_881, "twice the paper's head at most"


def test_the_sudoku_model_knows_the_rules() -> None:
    """One open cell in a complete grid: the missing digit, with near certainty, wherever the cell is."""
    model = catalog.load_model("sudoku")
    grid = parse(SOLVED)
    states = grid.repeat(81, 1)
    states[torch.arange(81), torch.arange(81)] = VOCAB.mask_id
    own = model(states).log_probs.exp()[torch.arange(81), torch.arange(81)]
    assert (own[torch.arange(81), grid] > 0.99).all()
