"""The diagonal fine-tune: its grids and symmetries, the update as a file, the training, what was learned."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from mi_core import catalog
from mi_core.benchmarks.diagonal_tuning import bench_tuning, diagonal_state, precision_of_new_pairs
from mi_core.differential import mi_change, reward, token_shift
from mi_core.errors import FormatError, InputError
from mi_core.likelihood import ask
from mi_core.models.low_rank import update_of
from mi_core.models.sudoku import KIND, SudokuConfig, SudokuModel, SudokuNetwork, load_sudoku
from mi_core.models.tuned import (
    load_tuned_sudoku,
    merged_sudoku,
    save_sudoku_update,
    tunable_sudoku,
    with_diagonals,
)
from mi_core.sudoku import generator
from mi_core.sudoku.board import PEERS, VOCAB, from_digits, is_valid_solution
from mi_core.sudoku.diagonals import (
    DIAGONAL_UNITS,
    DIAGONALS,
    EXAMPLES,
    NEW_PAIRS,
    diagonal_symmetries,
    is_diagonal_solution,
)
from mi_core.sudoku.solver import Solver
from mi_core.training.finetune import FineTuning, diagonal_grids, train_diagonal
from mi_core.training.sudoku_states import training_states
from mi_core.weights import WeightsHeader, load_weights, save_weights

SMALL = SudokuConfig(n_layers=1, width=16, n_heads=2, feedforward=32)
EMPTY = torch.full((81,), VOCAB.mask_id)


def tokens_of(digits: str) -> torch.Tensor:
    return from_digits([int(digit) for digit in digits])


@pytest.fixture(scope="module", autouse=True)
def few_unseen_states() -> Iterator[None]:
    """As many as 256 would cost more than the tests themselves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mi_core.training.finetune._HELD_OUT", 3)
        yield


def untrained(path: Path, seed: int) -> Path:
    """The weight file of a tiny Sudoku model, its numbers random."""
    torch.manual_seed(seed)
    network = SudokuNetwork(SMALL)
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return save_weights(path, network.state_dict(), WeightsHeader(KIND, SMALL.to_dict()))


@pytest.fixture(scope="module")
def base_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained(tmp_path_factory.mktemp("base") / "base.safetensors", 0)


def settings(steps: int) -> FineTuning:
    return FineTuning(steps=steps, batch=4, grids=3, rank=2, warmup=2, checkpoint_every=3)


# Grids


def test_the_new_pairs_are_those_that_no_old_rule_ties() -> None:
    assert len(NEW_PAIRS) == 54 and len(set(NEW_PAIRS)) == 54
    for i, j in NEW_PAIRS:
        assert i < j and j not in PEERS[i]
        assert any(i in line and j in line for line in DIAGONALS)
    assert [cell % 9 - cell // 9 for cell in DIAGONALS[0]] == [0] * 9
    assert [cell % 9 + cell // 9 for cell in DIAGONALS[1]] == [8] * 9


def test_grids_and_puzzles_keep_the_diagonals() -> None:
    boards, grids = generator.puzzles(3, low=45, high=60, seed=5, tries=1, units=DIAGONAL_UNITS)
    with_rule, without = Solver(DIAGONAL_UNITS), Solver()
    for board, grid in zip(boards.tolist(), grids.tolist(), strict=True):
        assert is_diagonal_solution(from_digits(grid))
        assert with_rule.solutions(board, limit=2) == [grid]
    assert any(without.count(board, limit=2) == 2 for board in boards.tolist()), "the new rule is needed"


def test_the_examples_are_what_they_say() -> None:
    diagonal, ordinary = (tokens_of(EXAMPLES[name][1]) for name in ("diagonal", "ordinary"))
    assert is_diagonal_solution(diagonal)
    assert is_valid_solution(ordinary) and not is_diagonal_solution(ordinary)


def test_symmetries_keep_the_rule_and_there_are_ninety_six() -> None:
    cells, digits = diagonal_symmetries(np.random.default_rng(0), 3_000)
    assert len({row.tobytes() for row in cells}) == 96
    grid = np.array([int(digit) for digit in EXAMPLES["diagonal"][1]])
    for cell, new in zip(cells[:100], digits[:100], strict=True):
        assert is_diagonal_solution(torch.from_numpy(new[grid[cell] - 1]))


def test_training_states_are_diagonal() -> None:
    rng = np.random.default_rng(3)
    tokens, opened, _ = training_states(rng, diagonal_grids(2, seed=1), 20, solving=0.5, symmetries=diagonal_symmetries)
    assert all(is_diagonal_solution(torch.from_numpy(row)) for row in tokens) and opened.any(axis=1).all()


# The update and its file


def test_an_update_is_its_network(base_file: Path, tmp_path: Path) -> None:
    """What is merged from the file computes what the trained network does, to half precision."""
    base = load_sudoku(base_file).network
    torch.manual_seed(0)
    network = tunable_sudoku(base, 2)
    for parameter in network.parameters():
        if parameter.requires_grad:
            parameter.data += 0.05 * torch.randn_like(parameter)
    states = torch.where(torch.rand(3, 81) < 0.5, VOCAB.mask_id, torch.randint(9, (3, 81)))
    with torch.no_grad():
        wanted = network(states)[0]
        again = merged_sudoku(base, update_of(network, with_diagonals(base).state_dict()), base_file)(states)[0]
    torch.testing.assert_close(again, wanted, atol=1e-5, rtol=1e-5)
    path = save_sudoku_update(tmp_path / "update.safetensors", network, base_file, training={}, metrics={})
    stored = load_tuned_sudoku(path, base_file, name="tuned")
    assert stored.name == "tuned"
    assert (
        float((stored.network(states)[0] - wanted).abs().max()) < 0.02 < float((base(states)[0] - wanted).abs().max())
    )


def test_an_update_of_nothing_is_the_base(base_file: Path) -> None:
    base = load_sudoku(base_file)
    same = SudokuModel(merged_sudoku(base.network, {}, base_file), name="same")
    assert torch.equal(same(EMPTY[None]).log_probs, base(EMPTY[None]).log_probs)


def test_only_the_base_it_was_made_from_will_do(base_file: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = tunable_sudoku(load_sudoku(base_file).network, 2)
    path = save_sudoku_update(tmp_path / "u.safetensors", network, base_file, training={}, metrics={})
    other = untrained(tmp_path / "other.safetensors", 7)
    with pytest.raises(FormatError, match=r"other weights than other\.safetensors") as caught:
        load_tuned_sudoku(path, other, name="tuned")
    assert "\n" not in str(caught.value)
    with pytest.raises(FormatError, match="expected sudoku-update"):
        load_tuned_sudoku(base_file, base_file, name="tuned")
    with pytest.raises(InputError, match="no weight file"):
        load_tuned_sudoku(tmp_path / "none.safetensors", base_file, name="tuned")


def test_an_update_that_does_not_fit_is_said_to_be_so(base_file: Path) -> None:
    base = load_sudoku(base_file).network
    good = {"blocks.0.up.weight.left": torch.zeros(32, 2), "blocks.0.up.weight.right": torch.zeros(2, 16)}
    merged_sudoku(base, good, base_file)
    for bad in (
        {"blocks.0.up.weight.left": torch.zeros(32, 2)},
        {**good, "blocks.0.up.weight.right": torch.zeros(2, 15)},
        {"blocks.9.up.bias.change": torch.zeros(32)},
        {"norm.weight.change": torch.zeros(1)},
    ):
        with pytest.raises(FormatError, match="does not fit"):
            merged_sudoku(base, bad, base_file)


def test_training_resumes_to_the_same_update_and_leaves_the_base_alone(base_file: Path, tmp_path: Path) -> None:
    before = base_file.read_bytes()
    whole, halves = tmp_path / "whole.safetensors", tmp_path / "halves.safetensors"
    train_diagonal(whole, base_file, settings(6), report=lambda line: None)
    steps = iter(range(100))
    train_diagonal(halves, base_file, settings(6), report=lambda line: None, cancel=lambda: next(steps) >= 3)
    assert load_weights(halves, "sudoku-update")[0].training["steps_done"] == 3
    train_diagonal(halves, base_file, settings(6), report=lambda line: None)
    (header, one), (_, two) = (load_weights(path, "sudoku-update") for path in (whole, halves))
    assert header.training["steps_done"] == 6 and header.training["start"] == "base.safetensors"
    assert set(header.metrics) == {"held_out_loss", "held_out_loss_of_base"}
    assert one.keys() == two.keys()
    for name in one:
        torch.testing.assert_close(one[name], two[name])
    assert any(bool(value.any()) for name, value in one.items() if name.endswith(".left")), "something was learned"
    assert base_file.read_bytes() == before


# What is measured of it


def test_precision_counts_open_pairs_of_the_new_rule(base_file: Path) -> None:
    """Where only the new pairs rise, all of the first ones are new; where nothing moves, few are."""
    model = load_sudoku(base_file)
    change = mi_change(model, model, diagonal_state(tokens_of(EXAMPLES["diagonal"][1]), 0.4, seed=1), mass=0.2)
    open_new = [(i, j) for i, j in NEW_PAIRS if change.masked[i] and change.masked[j]]
    assert 0 < len(open_new) < 54 and int(change.masked.sum()) == 32
    for i, j in open_new:
        change.difference[i, j] = change.difference[j, i] = 0.1
    assert precision_of_new_pairs(change) == (1.0, len(open_new))
    i, j = open_new[0]
    change.difference[i, j] = change.difference[j, i] = -1.0
    assert precision_of_new_pairs(change)[0] == pytest.approx(1 - 1 / len(open_new))


@pytest.fixture(scope="module")
def pair() -> tuple[SudokuModel, SudokuModel]:
    tuned, base = (catalog.load_model(name) for name in (catalog.TUNED, "sudoku"))
    assert isinstance(tuned, SudokuModel) and isinstance(base, SudokuModel)
    return tuned, base


def test_the_shipped_pair_prefers_grids_that_keep_the_rule(pair: tuple[SudokuModel, SudokuModel]) -> None:
    keeps, breaks = (
        reward(*pair, ask(pair[0], tokens_of(EXAMPLES[name][1])), samples=2).log_ratio
        for name in ("diagonal", "ordinary")
    )
    assert keeps > breaks + 5, "nats"


def test_the_shipped_update_is_small_and_says_what_made_it() -> None:
    assert catalog.TUNED_FILE.stat().st_size < 1_000_000
    header = load_weights(catalog.TUNED_FILE, "sudoku-update")[0]
    assert header.metrics["held_out_loss"] < header.metrics["held_out_loss_of_base"]
    assert "diagonal" in header.training["data"] and header.config["base"] == catalog.SUDOKU_FILE.name
    entry = next(e for e in catalog.entries() if e.name == catalog.TUNED)
    assert entry.available and entry.kind == "model"


def test_the_shipped_pair_knows_the_other_end_of_the_diagonal(pair: tuple[SudokuModel, SudokuModel]) -> None:
    """One digit in a corner: the tuned model takes it off the opposite corner, the base has no reason to."""
    board = EMPTY.clone()
    board[0] = 4
    tuned, base = (float(model(board[None]).log_probs[0, 80, 4].exp()) for model in pair)
    assert base > 0.06 and tuned < base / 2
    shift = token_shift(*pair, board)
    assert float(shift.q[shift.positions.index(80), 4]) < 0.1


@pytest.mark.slow
def test_the_new_pairs_are_those_whose_mi_rose_most(pair: tuple[SudokuModel, SudokuModel]) -> None:
    precision, count = precision_of_new_pairs(mi_change(*pair, EMPTY, mass=0.4))
    assert count == 54 and precision > 0.5


def test_the_bench_has_a_row_for_every_state(base_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a tiny model against itself: everything measured is nothing."""
    monkeypatch.setattr("mi_core.benchmarks.diagonal_tuning.HIDDEN", (0.1,))
    model = load_sudoku(base_file)
    found = bench_tuning(model, model, grids=1, puzzles=1, seed=3, tick=lambda done, total, label: None)
    assert found["new_pairs"] == 54 and [row["hidden"] for row in found["mi"]] == [1.0, 0.1]
    assert found["reward_diagonal"] == found["reward_ordinary"] == 0
    assert found["identity"] == {"reward": 0.0, "largest_mi_change": 0.0, "least_entropy_of_q": pytest.approx(1)}
    assert all(row["change_new_pairs"] == 0 for row in found["mi"] if row["pairs"])
