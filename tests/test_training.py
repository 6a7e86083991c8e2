"""Training loops, small: they learn, they resume to the same weights, they stop when told."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mi_core import catalog
from mi_core.agreement import agreement, peer_matrix
from mi_core.errors import FormatError, InputError, SettingError
from mi_core.head import KIND as HEAD_KIND
from mi_core.head import build_head, config_for, load_head_file
from mi_core.information import entropy
from mi_core.models.sudoku import KIND, SudokuConfig, load_sudoku
from mi_core.probing import probe
from mi_core.training.head import HeadTraining, grown, train_head
from mi_core.training.labels import (
    PROBED,
    SHARD,
    LabelSet,
    label,
    label_states,
    make_labels,
    random_states,
    read_labels,
    symmetric_labels,
)
from mi_core.training.progress import Clock, cosine_with_warmup
from mi_core.training.sudoku_mdm import SudokuTraining, train_sudoku_mdm
from mi_core.training.sudoku_states import GridSet, training_states
from mi_core.weights import load_weights

SMALL = SudokuConfig(n_layers=1, width=16, n_heads=2, feedforward=32)


def _settings(steps: int) -> SudokuTraining:
    return SudokuTraining(steps=steps, batch=8, grids=20, held_out=8, warmup=5, checkpoint_every=6, network=SMALL)


def _losses(lines: list[str]) -> list[float]:
    return [float(line.split("loss ")[1].split()[0]) for line in lines if "loss" in line]


def test_an_interrupted_run_ends_with_the_same_weights(tmp_path: Path) -> None:
    whole, halves = tmp_path / "whole.safetensors", tmp_path / "halves.safetensors"
    train_sudoku_mdm(whole, _settings(12), report=lambda line: None)
    steps = iter(range(100))
    train_sudoku_mdm(halves, _settings(12), report=lambda line: None, cancel=lambda: next(steps) >= 7)
    assert load_weights(halves, KIND)[0].training["steps_done"] == 7
    train_sudoku_mdm(halves, _settings(12), report=lambda line: None)
    one, two = load_weights(whole, KIND)[1], load_weights(halves, KIND)[1]
    assert load_weights(halves, KIND)[0].training["steps_done"] == 12
    for name in one:
        torch.testing.assert_close(one[name], two[name])
    assert load_sudoku(whole).network.config == SMALL


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    """Two small blocks learn the first rule (a digit that is shown nearby is out) within 300 steps."""
    lines: list[str] = []
    network = SudokuConfig(n_layers=2, width=48, n_heads=4, feedforward=96)
    settings = SudokuTraining(
        steps=300,
        batch=32,
        grids=50,
        held_out=32,
        warmup=20,
        solving=0.0,
        average=0.9,
        checkpoint_every=300,
        network=network,
    )
    train_sudoku_mdm(tmp_path / "m.safetensors", settings, report=lines.append)
    losses = _losses([line for line in lines if line.startswith("step")])
    assert len(losses) == 6 and losses[-1] < losses[0] - 0.05
    metrics = load_weights(tmp_path / "m.safetensors", KIND)[0].metrics
    assert 1.0 < metrics["held_out_loss"] < 2.15 < np.log(9), "learned, on grids that it never saw"


def test_a_run_can_start_from_other_weights(tmp_path: Path) -> None:
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    train_sudoku_mdm(first, _settings(4), report=lambda line: None)
    train_sudoku_mdm(second, replace(_settings(1), start=str(first), seed=9), report=lambda line: None)
    header = load_weights(second, KIND)[0]
    assert header.training["start"] == "first.safetensors" and header.training["before"]["steps_done"] == 4
    one, two = (load_weights(path, KIND)[1] for path in (first, second))
    gap = [(one[name] - two[name]).abs().max() for name in one]
    assert 0 < max(gap) < 0.05, "one step away, not new weights"


def test_solving_states_show_the_clues_of_a_unique_puzzle() -> None:
    data = GridSet.generate(5, seed=11)
    tokens, is_open, solving = training_states(np.random.default_rng(0), data, 400, solving=0.5)
    assert 140 < solving.sum() < 260
    assert is_open.any(axis=1).all() and tokens.min() == 0 and tokens.max() == 8
    assert is_open[solving].sum(axis=1).max() <= 60
    only = replace(data, hard=np.arange(5) == 3)
    _, opened, _ = training_states(np.random.default_rng(0), only, 50, solving=1.0, hard=1.0)
    assert opened.sum(axis=1).max() == 81 - data.clues[3].sum(), "every state is one of the hard puzzle"
    wall = np.arange(81) < 30
    blocked = replace(only, stuck=np.tile(wall, (5, 1)) & ~data.clues)
    _, opened, _ = training_states(np.random.default_rng(0), blocked, 200, solving=1.0, hard=1.0)
    at_the_wall = opened.sum(axis=1) <= blocked.stuck[3].sum()
    assert at_the_wall.mean() > 0.45 and opened.sum(axis=1).max() == 81 - data.clues[3].sum()
    ratios = is_open[~solving].mean(axis=1)
    assert ratios.min() < 0.1 and ratios.max() > 0.9 and abs(ratios.mean() - 0.5) < 0.08


def test_clock_and_schedule() -> None:
    clock = Clock(100)
    assert clock.fraction(0) == 0 and clock.fraction(50) == 0.5 and clock.fraction(200) == 1
    assert Clock(10**9, minutes=1.0, spent=30.0).fraction(0) == pytest.approx(0.5, abs=0.01)
    assert cosine_with_warmup(0.0, 0, warmup=10) == pytest.approx(0.1)
    assert cosine_with_warmup(1.0, 99, warmup=10) == pytest.approx(0.01)


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> LabelSet:
    """Two shards of real labels on a tiny untrained network: fast, and only their form matters here."""
    folder = tmp_path_factory.mktemp("tiny")
    train_sudoku_mdm(folder / "tiny.safetensors", _settings(3), report=lambda line: None)
    return make_labels(
        load_sudoku(folder / "tiny.safetensors"), folder / "labels", shards=1, mass=0.3, report=lambda line: None
    )


def test_labels_are_the_probed_mi_of_their_states(labels: LabelSet) -> None:
    assert len(labels) == SHARD and int(labels.from_decoding.sum()) == SHARD // 2
    mi = labels.mi.float()
    assert torch.equal(mi.isnan(), mi.isnan().transpose(1, 2)) and (mi.nan_to_num() >= 0).all()
    assert torch.equal(mi.nan_to_num(), mi.nan_to_num().transpose(1, 2))
    closed = labels.tokens != 9
    assert (mi[closed] == 0).all()


def test_a_label_is_one_direction_of_probing_or_both() -> None:
    model = catalog.load_model("sudoku")
    tokens = random_states(1, seed=4)[0]
    tokens[20:] = 9  # far from solved: more uncertain cells than are probed
    mi = torch.from_numpy(label(model, tokens, np.random.default_rng(0), mass=0.995)).double()
    full = probe(model, tokens, mass=0.995)
    assert full.probes is not None
    known = ~mi.isnan()
    rows = [i for i in range(81) if full.probes.probed[i] and known[i].all()]
    assert len(rows) == PROBED < int(full.probes.probed.sum())
    row = rows[3]
    others = full.masked & full.probes.probed & ~torch.tensor([j in rows for j in range(81)])
    torch.testing.assert_close(mi[row, others], full.probes.mixture[row, others], atol=2e-3, rtol=2e-3)
    torch.testing.assert_close(mi[row, rows], full.mi[row, rows], atol=2e-3, rtol=2e-3)


def test_shards_are_made_once_and_belong_to_a_model(tmp_path: Path) -> None:
    train_sudoku_mdm(tmp_path / "tiny.safetensors", _settings(2), report=lambda line: None)
    model = load_sudoku(tmp_path / "tiny.safetensors")
    lines: list[str] = []
    first = make_labels(model, tmp_path / "labels", shards=1, mass=0.2, report=lines.append)
    again = make_labels(model, tmp_path / "labels", shards=1, mass=0.2, report=lines.append)
    assert len(lines) == 1 and torch.equal(first.mi.nan_to_num(), again.mi.nan_to_num())
    with pytest.raises(FormatError, match="not esmc-mini"):
        read_labels(tmp_path / "labels", "esmc-mini")
    with pytest.raises(FormatError, match="no label shards"):
        read_labels(tmp_path, "sudoku")


def test_states_are_reproducible_and_of_all_mask_ratios() -> None:
    states = random_states(60, seed=5)
    assert torch.equal(states, random_states(60, seed=5)) and not torch.equal(states, random_states(60, seed=6))
    ratio = (states == 9).double().mean(1)
    assert ratio.min() < 0.15 and ratio.max() > 0.85


def test_decoding_states_are_met_while_decoding() -> None:
    states, met = label_states(catalog.load_model("sudoku"), 8, seed=3)
    assert states.shape == (8, 81) and int(met.sum()) == 4
    assert ((states == 9).sum(1) > 0).all()


def test_labels_move_with_their_cells() -> None:
    """A copy's cells keep their company: peers stay peers, equal digits stay equal, pairs keep their labels."""
    tokens = random_states(5, seed=2)
    peers = peer_matrix().float().expand(5, -1, -1)
    moved, labels = symmetric_labels(np.random.default_rng(1), tokens, peers)
    assert torch.equal(labels, peers), "a symmetry maps peers to peers"
    assert not torch.equal(moved, tokens) and torch.equal((moved == 9).sum(1), (tokens == 9).sum(1))
    number = torch.arange(81 * 81).float().view(1, 81, 81).expand(5, -1, -1)
    again, tagged = symmetric_labels(np.random.default_rng(1), tokens, number)
    assert torch.equal(again, moved)
    source = tagged[:, :, :] // 81  # the cell that each row came from
    for b in range(5):
        came_from = source[b, :, 0].long()
        assert sorted(came_from.tolist()) == list(range(81))
        pairs = {(int(tokens[b, k]), int(moved[b, place])) for place, k in enumerate(came_from.tolist())}
        assert len(pairs) == len({old for old, _ in pairs}) and (9, 9) in pairs


def test_the_model_treats_symmetric_copies_nearly_alike() -> None:
    """What `symmetric_labels` rests on: the MI of a copy is that of its state."""
    model = catalog.load_model("sudoku")
    tokens = random_states(1, seed=31)[0]
    tokens[torch.arange(81) % 3 > 0] = 9  # open enough for cells to hang on each other
    truth = probe(model, tokens, mass=0.99)
    moved, labels = symmetric_labels(np.random.default_rng(2), tokens[None], truth.mi[None])
    copy = probe(model, moved[0], mass=0.99)
    score = agreement(labels[0][copy.pairs], copy.mi[copy.pairs])
    assert score.r2 > 0.9 and copy.mi.max() > 0.3


@pytest.mark.parametrize("variant", ["marginals", "paper"])
def test_a_head_learns_its_labels(tmp_path: Path, variant: str) -> None:
    """MI that is a plain function of what the head reads must be learnable: half of the smaller entropy."""
    model = catalog.load_model("sudoku")
    tokens = random_states(16, seed=1)
    h = entropy(model(tokens).log_probs).float()
    target = torch.minimum(h[:, :, None], h[:, None, :]) / 2 * ~torch.eye(81, dtype=torch.bool)
    labels = LabelSet(tokens, target, torch.zeros(16, dtype=torch.bool))
    lines: list[str] = []
    out = tmp_path / "head.safetensors"
    made = train_head(
        model,
        labels,
        out,
        HeadTraining(variant=variant, steps=60, batch=4, rate=6e-3, checkpoint_every=30),
        report=lines.append,
    )
    scores = [float(line.split()[-1]) for line in lines if "held-out R2" in line]
    assert len(scores) == 2 and (variant == "paper" or scores[0] < scores[1] > 0.5)
    losses = _losses(lines)
    assert losses[-1] < 0.6 * losses[0]
    header, kept = load_weights(out, HEAD_KIND)
    assert load_head_file(out).config.variant == variant
    assert all(torch.equal(value, kept[name].float()) for name, value in made.state_dict().items()), "what ships"
    assert header.training["steps_done"] == 60 and header.metrics["held_out_r2"] == pytest.approx(scores[1], abs=1e-4)
    settings = HeadTraining(variant=variant, steps=60, batch=4, rate=6e-3, checkpoint_every=30)
    again = train_head(model, labels, out, settings, report=lines.append)
    assert load_weights(out, HEAD_KIND)[0].training["steps_done"] == 60, "a finished run is not run again"
    assert all(torch.equal(value, kept[name].float()) for name, value in again.state_dict().items())
    for other in (replace(settings, seed=9), HeadTraining(variant="paper" if variant == "marginals" else "marginals")):
        with pytest.raises(
            InputError, match=r"head.safetensors.run holds a run of another size, with other settings or on other"
        ):
            train_head(model, labels, out, other, report=lines.append)
    with pytest.raises(InputError, match="with other settings or on other data"):
        train_head(model, labels, out, settings, report=lines.append, origin={"labels": "others"})


def test_a_head_can_go_on_from_another(tmp_path: Path) -> None:
    model = catalog.load_model("sudoku")
    tokens = random_states(4, seed=1)
    labels = LabelSet(tokens, torch.zeros(4, 81, 81), torch.zeros(4, dtype=torch.bool))
    start, out = catalog.head_file("sudoku", "paper"), tmp_path / "head.safetensors"
    settings = HeadTraining(variant="paper", epochs=1, start=str(start))
    train_head(model, labels, out, settings, report=lambda line: None)
    header, tensors = load_weights(out, HEAD_KIND)
    assert header.training["start"] == start.name and header.training["before"]["steps_done"] > 100
    before = load_weights(start, HEAD_KIND)[1]
    assert 0 < max((tensors[name] - before[name]).abs().max() for name in tensors) < 0.05, "one step away"
    with pytest.raises(InputError, match="is a paper head, not a marginals one"):
        train_head(model, labels, out, replace(settings, variant="marginals"), report=lambda line: None)


def test_a_head_grows_without_a_change_of_what_it_says() -> None:
    model = catalog.load_model("sudoku")
    tokens = random_states(2, seed=1)
    output, masked = model(tokens), tokens == model.vocab.mask_id
    head = build_head(replace(config_for("marginals", output), rounds=1))
    larger = grown(head, 3)
    assert torch.equal(larger(output, masked), head(output, masked)) and larger.config.rounds == 3
    larger(output, masked).sum().backward()
    assert all(float(u.back.weight.grad.abs().max()) > 0 for u in larger.rounds[1:]), "and can learn"
    with pytest.raises(InputError, match="has 3 path updates; it can get more, but not the 2 asked for"):
        grown(larger, 2)


def test_the_number_of_path_updates_is_a_setting(tmp_path: Path) -> None:
    model = catalog.load_model("sudoku")
    labels = LabelSet(random_states(2, seed=1), torch.zeros(2, 81, 81), torch.zeros(2, dtype=torch.bool))
    settings, out = HeadTraining(steps=1, rounds=1), tmp_path / "head.safetensors"
    first = train_head(model, labels, out, settings, report=lambda line: None)
    assert first.config.rounds == 1
    more = replace(settings, start=str(out), rounds=2)
    assert train_head(model, labels, tmp_path / "more.safetensors", more, report=lambda line: None).config.rounds == 2
    with pytest.raises(SettingError, match="A paper head has no path updates"):
        train_head(model, labels, tmp_path / "p.safetensors", replace(settings, variant="paper"))
