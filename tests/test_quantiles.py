"""The head with quantiles: no crossings, an honest pinball loss, its file, its training, what it costs a decoder."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_core import catalog
from mi_core.cli.main import contestant_of, main
from mi_core.decoding import decode
from mi_core.errors import FormatError, InputError, SettingError
from mi_core.estimators import ESTIMATORS, Task
from mi_core.estimators.summary import calibration
from mi_core.head import MarginalsHead, build_head, config_for
from mi_core.models import exact
from mi_core.models.exact import ExactModel
from mi_core.probing import probe
from mi_core.quantiles import (
    LEVELS,
    QuantileConfig,
    QuantileHead,
    QuantileTop,
    estimate_quantiles,
    fingerprint,
    load_quantiles,
    marginals_trunk,
)
from mi_core.results import MIResult
from mi_core.sources import HeadSource
from mi_core.sudoku.board import parse
from mi_core.training.labels import LabelRecipe, LabelSet, read_labels, shard_bytes, shard_path, write_shard
from mi_core.training.quantiles import QuantileTraining, gather, pinball, train_quantiles

BOARD = parse("...." * 5 + "8342567859761423426853791713924856961537284287419635345286179"[:61])
TABLE = exact.from_seed(4, 4, 3)


def trunk_of(model: ExactModel) -> MarginalsHead:
    torch.manual_seed(0)
    output = model(torch.full((1, model.table.length), model.table.size))
    return marginals_trunk(build_head(config_for("marginals", output)).eval())


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.1, 30))
def test_quantiles_never_cross_whatever_the_weights(seed: int, scale: float) -> None:
    torch.manual_seed(seed)
    top = QuantileTop(QuantileConfig(pair=8, trunk="none"))
    for parameter in top.parameters():
        parameter.data *= scale
    h = torch.rand(50, 2) * 2
    found = top(torch.randn(50, 8) * scale, torch.randn(50) * scale, h.amin(1), h.amax(1))
    assert found.shape == (50, len(LEVELS)) and (found.diff(dim=-1) >= 0).all()
    assert (found >= 0).all() and (found <= 1.25 * h.amin(1, keepdim=True) + 1e-6).all()


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), tau=st.sampled_from([0.05, 0.25, 0.5, 0.9]))
def test_the_pinball_loss_is_least_at_the_quantile(seed: int, tau: float) -> None:
    sample = torch.rand(400, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) ** 2
    grid = torch.linspace(0, 1, 501, dtype=torch.float64)
    loss = pinball(grid.expand(400, -1), sample, torch.tensor([tau], dtype=torch.float64)).mean(0)
    best = float(grid[loss.argmin()])
    assert float((sample < best - 2e-3).double().mean()) <= tau <= float((sample <= best + 2e-3).double().mean())


def test_levels_are_checked() -> None:
    for levels in ((0.5, 0.05), (0.1, 0.9), (0.0, 0.5)):
        with pytest.raises(SettingError, match="must rise"):
            QuantileConfig(8, "none", levels=levels)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[ExactModel, MarginalsHead, QuantileHead, Path]:
    """Quantiles of a small table, learnt from its own labels in two seconds."""
    model, folder = ExactModel(TABLE, name="table"), tmp_path_factory.mktemp("quantiles")
    for number in range(3):
        write_shard(shard_path(folder, number), shard_bytes(model, LabelRecipe("table", mass=1.0), number))
    labels, trunk = read_labels(folder, "table"), trunk_of(model)
    lines: list[str] = []
    training = QuantileTraining(epochs=100, batch=256)
    head = train_quantiles(model, trunk, labels, folder / "q.safetensors", training, report=lines.append)
    assert any("inside 90 %" in line for line in lines)
    return model, trunk, head, folder / "q.safetensors"


def test_training_makes_the_quantiles_honest(
    trained: tuple[ExactModel, MarginalsHead, QuantileHead, Path],
) -> None:
    """The trunk here is random and all but blind, so that the spread has to be wide, and yet right."""
    model, trunk, head, path = trained
    pairs = gather(model, trunk, read_labels(path.parent, "table"), torch.arange(192), np.random.default_rng(0))

    @torch.no_grad()
    def look(top: QuantileTop) -> tuple[torch.Tensor, float]:
        found = top(pairs.z.float(), pairs.share, pairs.smaller, pairs.larger)
        below = (pairs.target[:, None] <= found).double().mean(0)
        return below, float(pinball(found, pairs.target, torch.tensor(LEVELS)).mean())

    below, loss = look(head.top)
    assert (below - torch.tensor(LEVELS)).abs().max() < 0.07
    _, before = look(QuantileTop(head.top.config))
    assert loss < 0.7 * before


def test_the_record_of_a_pass_holds_every_quantile(
    trained: tuple[ExactModel, MarginalsHead, QuantileHead, Path], tmp_path: Path
) -> None:
    model, _, head, _ = trained
    result = estimate_quantiles(model, head, torch.tensor([3, 0, 3, 3]))
    assert result.quantiles is not None and result.quantiles.shape == (7, 4, 4) and result.passes == 1
    assert torch.equal(result.quantiles, result.quantiles.transpose(1, 2))
    assert (result.quantiles[:, 1] == 0).all() and torch.equal(result.mi, result.quantiles[3])
    again = MIResult.load(result.save(tmp_path / "q.npz"))
    assert again.quantiles is not None and torch.equal(again.quantiles, result.quantiles)
    assert again.settings == {"levels": list(LEVELS)}


def test_the_file_holds_the_part_above_and_knows_its_trunk(
    trained: tuple[ExactModel, MarginalsHead, QuantileHead, Path], tmp_path: Path
) -> None:
    model, trunk, head, path = trained
    again = load_quantiles(path, trunk)
    state = torch.tensor([[3, 3, 0, 3]])
    torch.testing.assert_close(again(model(state), state == 3), head(model(state), state == 3))
    assert path.stat().st_size < 60_000
    torch.manual_seed(1)
    other = build_head(trunk.config).eval()
    assert fingerprint(other) != fingerprint(trunk)
    with pytest.raises(FormatError, match="trained on another marginals head"):
        load_quantiles(path, other)
    with pytest.raises(InputError, match="stand on a marginals head"):
        marginals_trunk(catalog.load_head("sudoku", "paper"))


def test_an_upper_quantile_is_an_upper_estimate(
    trained: tuple[ExactModel, MarginalsHead, QuantileHead, Path],
) -> None:
    model, _, head, _ = trained
    state = torch.full((1, 4), 3)
    median, upper = head(model(state), state == 3), head.at(0.9)(model(state), state == 3)
    assert (upper >= median).all() and (upper > median).any()
    assert (head.title, head.at(0.9).title, head.at(0.1).title) == ("head-quantiles", "head-upper", "head-lower")
    with pytest.raises(SettingError, match=r"no quantile 0\.7"):
        head.at(0.7)


def test_pairs_that_were_labelled_without_a_pass_are_left_out() -> None:
    """A position that is all but certain was labelled 0; nothing is known of its MI."""
    model = ExactModel(exact.JointTable(torch.tensor([[0.5, 0.4985], [0.0005, 0.001]])), name="sure")  # of one end
    tokens = torch.full((1, 2), 2)
    labels = read_labels_of(tokens, torch.zeros(1, 2, 2))
    assert len(gather(model, trunk_of(model), labels, torch.tensor([0]), np.random.default_rng(0))) == 0
    labels = read_labels_of(tokens, torch.full((1, 2, 2), 0.001))
    assert len(gather(model, trunk_of(model), labels, torch.tensor([0]), np.random.default_rng(0))) == 1


def read_labels_of(tokens: torch.Tensor, mi: torch.Tensor) -> LabelSet:
    return LabelSet(tokens, mi.half(), torch.zeros(len(tokens), dtype=torch.bool))


# ---- what ships


def test_the_shipped_head_states_intervals_for_a_board() -> None:
    model = catalog.load_model("sudoku")
    result = ESTIMATORS["head-quantiles"](Task(model, BOARD, lambda variant: catalog.load_head("sudoku", variant)))
    truth = probe(model, BOARD, mass=1.0)
    assert result.passes == 1 and result.quantiles is not None
    assert (result.quantiles.diff(dim=0) >= 0).all()
    found = calibration([result], [truth])
    assert found["crossings"] == 0 and found["inside"] > 0.5
    marginals = catalog.load_head("sudoku")(model(BOARD[None]), (BOARD == 9)[None])[0]
    assert (result.mi - marginals).abs().mean() < 0.05, "the median stays near what it stands on"


def test_an_upper_quantile_guides_decoding() -> None:
    model = catalog.load_model("sudoku")
    contestant = contestant_of("mi-guided@head-upper:gamma=0.3,lambda=1")
    assert contestant.source == "head-upper"
    source = HeadSource(catalog.load_upper("sudoku"))
    careful = decode(model, BOARD[None], "mi-guided", contestant.settings, mi_source=source)[0]
    plain = decode(
        model, BOARD[None], "mi-guided", contestant.settings, mi_source=HeadSource(catalog.load_head("sudoku"))
    )[0]
    assert careful.mi_source == "head-upper" and careful.nfe >= plain.nfe


def test_a_command_trains_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = tmp_path / "labels", tmp_path / "q.safetensors"
    common = ["--model", "golden", "--labels", str(folder)]
    assert main(["labels", "--model", "golden", "--mass", "1", "--out", str(folder), "--shards", "1"]) == 0
    start = tmp_path / "m.safetensors"
    assert main(["train", "head", *common, "--out", str(start), "--epochs", "1"]) == 0
    training = ["train", "head", *common, "--variant", "quantiles", "--out", str(out), "--epochs", "1"]
    assert main(training) == 1
    assert "no marginals head for model golden" in capsys.readouterr().err
    assert main([*training, "--start", str(start), "--rounds", "7"]) == 1
    assert "--rounds is for training that one" in capsys.readouterr().err
    assert main([*training, "--start", str(start)]) == 0
    assert load_quantiles(out, catalog.load_head("golden", weights=start)).top.config.pair == 64
