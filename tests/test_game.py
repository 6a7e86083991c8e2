"""The game by hand: the engine's own runs when a strategy's choices are played, and its rules."""

import math

import pytest
import torch

from mi_core.decoding import DecodeTrace, decode
from mi_core.errors import FormatError, InputError, SettingError
from mi_core.game import Game, Move, ask, begin, cost, move, play, read_moves, score, undo, write_moves
from mi_core.models import exact
from mi_core.postmortem import check_sudoku_trace
from mi_core.sources import ProbingSource
from tests.test_postmortem import GRID, R1C1, R1C2, R9C9, run, step

LN2 = math.log(2)
COPIES = exact.ExactModel(exact.copied_bits(1.0), name="copied-bits")
OPEN = torch.full((4,), 2)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("seed", [0, 3, 4])
def test_a_strategy_played_by_hand_is_the_strategy(temperature, seed):
    trace = decode(
        COPIES, OPEN[None], "mi-guided", {"gamma": 1.5}, seed=seed, temperature=temperature,
        mi_source=ProbingSource(), record_marginals=True,
    )[0]  # fmt: skip
    game = begin(COPIES, OPEN, seed=seed, temperature=temperature, source=ProbingSource())
    for made in trace.steps:
        assert not game.finished
        game = play(game, list(made.positions))
    assert game.finished and game.trace.tokens == trace.tokens and game.nfe == trace.nfe
    for mine, theirs in zip(game.trace.steps, trace.steps, strict=True):
        assert (mine.tokens, mine.entropy, mine.pair_mi, mine.passes, mine.marginals) == (
            theirs.tokens, theirs.entropy, theirs.pair_mi, theirs.passes, theirs.marginals,
        )  # fmt: skip


def test_the_same_choice_gives_the_same_tokens():
    start = begin(COPIES, OPEN, seed=5, temperature=1.0)
    once = play(start, [0, 2])
    again = play(start, [0, 2])
    assert again.trace == once.trace and start.nfe == 1, "a state is not changed by what follows it"
    other = play(play(start, [2]), [0])
    assert other.trace.committed_at() == (1, None, 0, None)


@pytest.mark.parametrize("positions", [[], [0, 0], [1], [7], [-1]])
def test_only_open_positions_each_once(positions):
    game = play(begin(COPIES, OPEN), [1])
    with pytest.raises(InputError, match="at least one and each of them once"):
        play(game, positions)
    with pytest.raises(InputError):
        ask(game, positions)


def test_a_game_needs_something_open_and_a_temperature():
    with pytest.raises(InputError, match="nothing to decode"):
        begin(COPIES, torch.tensor([0, 0, 1, 1]))
    with pytest.raises(SettingError, match="temperature"):
        begin(COPIES, OPEN, temperature=-1.0)


def test_a_finished_game_takes_no_more():
    game = play(begin(COPIES, OPEN), [0, 1, 2, 3])
    assert game.finished and game.nfe == 1 and 2 not in game.trace.tokens
    for act in (play, cost, ask):
        with pytest.raises(InputError, match="over"):
            act(game, [0])


def test_what_a_choice_is_said_to_lose():
    game = begin(COPIES, OPEN, source=ProbingSource())
    copied, free = cost(game, [0, 1]), cost(game, [0, 2])
    assert copied.sum_mi == pytest.approx(LN2) and copied.total_correlation == pytest.approx(LN2)
    assert free.sum_mi == pytest.approx(0, abs=1e-9) and free.eb_bound == pytest.approx(LN2)
    assert free.total_correlation == pytest.approx(0, abs=1e-9)
    assert game.nfe == 1 + 8, "probes are the source's; the exact value is the referee's"


def test_what_is_asked_of_the_model_counts():
    start = begin(COPIES, OPEN)
    asked = ask(start, [1, 0])
    assert asked.answer([0, 1]) == pytest.approx(LN2) and asked.answer([0, 2]) is None
    assert (start.nfe, asked.nfe) == (1, 1 + 4) and ask(asked, [0, 1]) is asked, "what is known is not asked again"
    assert play(asked, [0, 1, 2, 3]).trace.nfe == 5


def test_moves_travel_as_text_and_can_be_taken_back():
    moves = (Move("play", (3,)), Move("ask", (0, 80)), Move("play", (12, 7)), Move("ask", (1,)))
    assert write_moves(moves) == "03-a0080-1207-a01" and read_moves("03-a0080-1207-a01") == moves
    assert read_moves("") == () and write_moves(()) == ""
    assert undo(moves) == moves[:2] and undo(undo(moves)) == () and undo(()) == ()
    assert undo((Move("ask", (1,)),)) == ()
    played = move(move(begin(COPIES, OPEN), Move("ask", (0, 1))), Move("play", (0, 1)))
    assert played.trace.steps[0].positions == (0, 1) and played.trace.nfe == 5


@pytest.mark.parametrize("text", ["1", "0-1", "01--02", "-01", "b01", "01-", "\u0661\u0661", "r1c1"])
def test_moves_that_cannot_be_read(text):
    with pytest.raises(FormatError, match="cannot be read"):
        read_moves(text)


def test_a_finished_game_is_a_trace_like_any_other():
    game = play(play(begin(COPIES, OPEN, source=ProbingSource()), [0, 2]), [1, 3])
    assert isinstance(game, Game) and DecodeTrace.from_json(game.trace.to_json()) == game.trace
    assert game.trace.strategy == "by-hand"


def test_the_score_of_a_board():
    fine = score(run(step({R1C1: GRID[R1C1]}), step({R9C9: GRID[R9C9]}, passes=3)))
    assert (fine.nfe, fine.steps, fine.clashes, fine.valid, fine.solved) == (4, 2, 0, True, True)
    clash = run(step({R1C1: 7, R1C2: 7}))
    check_sudoku_trace(clash)
    bad = score(clash)
    assert not bad.valid and bad.clashes >= 1 and bad.together == 1
