"""The decoder played by hand: a person chooses what each step commits, the engine's own rules do the rest.

A `Game` is a frozen state; `begin`, `play` and `ask` give a new one. It follows from its start and its moves, which
travel as text. Equal seeds meet the luck that `decode` gives its first sequence, so that a strategy's choices played by
hand give the strategy's run, token for token.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch

from mi_core.decoding import DecodeTrace, MISource, draw_at, record_step
from mi_core.errors import FormatError, InputError, SettingError
from mi_core.models.protocol import Model
from mi_core.postmortem import outcome, post_mortem
from mi_core.selection import StepView, commit, count_of
from mi_core.shapes import Row
from mi_core.stepcost import StepCost, gap_cost, step_cost

PLAYER = "by-hand"  # stands in the trace for a strategy's name


@dataclass(frozen=True, eq=False)
class Game:
    """A run whose next step is chosen by hand."""

    model: Model = field(repr=False)
    source: MISource | None = field(repr=False)
    trace: DecodeTrace  # the steps so far
    view: StepView | None = field(repr=False)  # what is known before the next step; None once nothing is open
    passes: int = 0  # that the present state took: its own and those of the MI source and of `ask`
    answers: tuple[tuple[tuple[int, ...], float], ...] = ()  # of `ask` in the present state: positions, nats

    @property
    def finished(self) -> bool:
        """Whether nothing is open any more."""
        return self.view is None

    @property
    def tokens(self) -> Row:
        """The present state, (N,), the mask where open."""
        return torch.tensor(self.trace.tokens)

    @property
    def nfe(self) -> int:
        """Forward passes of the run so far, those of the present state among them."""
        return self.trace.nfe + self.passes

    def answer(self, positions: Sequence[int]) -> float | None:
        """Sum of MI + gap of these positions where `ask` has been called with them, nats."""
        return dict(self.answers).get(tuple(sorted(positions)))


@dataclass(frozen=True)
class Move:
    """What the player did."""

    kind: str  # "play" or "ask"
    positions: tuple[int, ...]


Moves = tuple[Move, ...]


def begin(
    model: Model, tokens: Row, *, seed: int = 0, temperature: float = 0.0, source: MISource | None = None
) -> Game:
    """A new game.

    Args:
        tokens: (N,) the mask where open.
        temperature: 0 commits the likeliest token of a position, else tokens are drawn from p^(1/temperature).
        source: of the pair matrix that the player sees; its passes count.

    Raises:
        InputError: nothing is open.
        SettingError: a negative temperature.
    """
    if not 0 <= temperature < float("inf"):
        raise SettingError(f"temperature must be at least 0, got {temperature}.")
    if not bool((tokens == model.vocab.mask_id).any()):
        raise InputError("Nothing is open on this board, so there is nothing to decode; open some cells.")
    name = source.name if source is not None else None
    trace = DecodeTrace(
        tuple(tokens.tolist()), (), model.vocab.symbols, model.vocab.mask, model.name, PLAYER, {}, name, seed,
        temperature,
    )  # fmt: skip
    return _look(Game(model, source, trace, None))


def play(game: Game, positions: list[int]) -> Game:
    """The game after committing `positions` together.

    Raises:
        InputError: no position, one that is not open, or one named twice.
    """
    _check(game, positions)
    assert game.view is not None
    choice = commit(game.view, positions, f"{count_of(len(positions))}, chosen by hand.")
    step = record_step(game.view, choice, game.passes, record_marginals=True)
    trace = replace(game.trace, steps=(*game.trace.steps, step))
    return _look(Game(game.model, game.source, trace, None))


def cost(game: Game, positions: list[int]) -> StepCost:
    """What committing `positions` together is said to lose; the passes of the exact value are a referee's.

    Raises:
        InputError: a position that is not open, or one named twice.
    """
    if game.view is None:
        raise InputError("The game is over: nothing is open.")
    return step_cost(game.model, game.tokens, positions, log_probs=game.view.log_probs, mi=game.view.mi)


def ask(game: Game, positions: list[int]) -> Game:
    """Probe `positions` for the sum of MI + gap of their pairs (`Game.answer`); these passes count.

    Raises:
        InputError: no position, one that is not open, or one named twice.
    """
    _check(game, positions)
    assert game.view is not None
    if game.answer(positions) is not None:
        return game
    value, passes = gap_cost(game.model, game.tokens, positions, log_probs=game.view.log_probs)
    answers = (*game.answers, (tuple(sorted(positions)), value))
    return replace(game, passes=game.passes + passes, answers=answers)


def move(game: Game, made: Move) -> Game:
    """The game after a move.

    Raises:
        InputError: as `play` and `ask`.
    """
    return {"play": play, "ask": ask}[made.kind](game, list(made.positions))


def undo(moves: Moves) -> Moves:
    """The moves without the last step and what was asked after it."""
    last = max((k for k, made in enumerate(moves) if made.kind == "play"), default=0)
    return moves[:last]


def write_moves(moves: Moves) -> str:
    """As text for an address: two digits a position, steps joined by "-", what was asked marked by "a"."""
    return "-".join("a" * (made.kind == "ask") + "".join(f"{i:02d}" for i in made.positions) for made in moves)


def read_moves(text: str) -> Moves:
    """Read what `write_moves` wrote.

    Raises:
        FormatError: anything else.
    """
    if text and not re.fullmatch(r"a?(\d\d)+(-a?(\d\d)+)*", text, re.ASCII):
        raise FormatError("These moves cannot be read: two digits a position and '-' between the steps are expected.")
    made = []
    for part in filter(None, text.split("-")):
        digits = part.removeprefix("a")
        positions = tuple(int(digits[k : k + 2]) for k in range(0, len(digits), 2))
        made.append(Move("ask" if part.startswith("a") else "play", positions))
    return tuple(made)


def _check(game: Game, positions: list[int]) -> None:
    if game.view is None:
        raise InputError("The game is over: nothing is open.")
    n = len(game.trace.start)
    fits = all(0 <= i < n and bool(game.view.masked[i]) for i in positions)
    if not positions or not fits or len(set(positions)) != len(positions):
        raise InputError("A step commits open positions, at least one and each of them once.")


def _look(game: Game) -> Game:
    """The game with the model's beliefs of its present state; without a pass once nothing is open."""
    tokens = game.tokens
    masked = tokens == game.model.vocab.mask_id
    if not bool(masked.any()):
        return game
    output = game.model(tokens[None])
    log_probs, step = output.log_probs[0].cpu(), len(game.trace.steps)
    drawn = draw_at(log_probs, temperature=game.trace.temperature, seed=game.trace.seed, step=step)
    mi, extra = game.source(game.model, tokens[None], output, drawn[None]) if game.source is not None else (None, [0])
    view = StepView(
        log_probs,
        masked,
        step,
        None if mi is None else mi[0].double().cpu(),
        opened=game.trace.start.count(game.model.vocab.mask_id),
        tokens=tokens,
        candidates=drawn,
        temperature=game.trace.temperature,
        given=torch.tensor(game.trace.start) != game.model.vocab.mask_id,
    )
    return replace(game, view=view, passes=1 + extra[0])


@dataclass(frozen=True)
class Score:
    """What a finished run of a Sudoku board amounts to."""

    nfe: int
    steps: int
    clashes: int
    together: int  # of them, committed in one step
    valid: bool
    solved: bool | None  # None unless there is exactly one solution


def score(trace: DecodeTrace) -> Score:
    """Passes, clashes, valid or not.

    Raises:
        FormatError: the trace is not one of a Sudoku board.
    """
    causes, end = post_mortem(trace), outcome(trace)
    together = sum(cause.together for cause in causes)
    return Score(trace.nfe, len(trace.steps), len(causes), together, end.valid, end.solved)
