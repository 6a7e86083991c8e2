"""The game of the page Be the decoder: its moves, its board, and how it ends.

The moves stand in the address (`ga_moves`) and make the game together with board and seed (`ga_...`); another board or
another seed starts a new game.
"""

from dataclasses import dataclass
from typing import Any

import streamlit as st

from mi_core.errors import MiCoreError
from mi_core.game import Game, Move, Moves, begin, cost, move, read_moves, score, undo, write_moves
from mi_core.sources import HeadSource
from mi_core.stepcost import StepCost
from mi_core.strategies import STRATEGIES
from mi_core.sudoku.board import CELLS, format_line, parse
from pages.ui import replay, replay_controls
from pages.ui.cached import get_head, get_model
from pages.ui.cached_runs import Replay, RunSettings, get_replay
from pages.ui.components.decoder import decoder
from pages.ui.decoder_payload import standings, table
from pages.ui.replay_board import board_run

KEY = "ga_table"
MOVES = "ga_moves"
RIVALS = {  # what the finished game stands beside, at settings that do well
    "sequential": {},
    "threshold": {"tau": 0.9},
    "eb-sampler": {"gamma": 0.1},
    "mi-guided": {"gamma": 0.3, "lam": 1.0},
    "faithful": {"gamma": 0.1, "lam": 1.0},
    "top-k": {"k": 8},
}


@dataclass(frozen=True)
class GameSettings:
    """All that a game starts from."""

    board: str
    temperature: float
    seed: int


def settings() -> GameSettings:
    """Draw the row of controls and read it.

    Raises:
        InputError: the board's text is no board.
    """
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall"):
        text = replay_controls.board_picker("ga")
        temperature, seed = replay_controls.drawing("ga")
        st.button("New game", icon=":material/replay:", key="ga_new", on_click=_on_new)
    board = format_line(parse(text))
    st.caption(f"**Board:** {replay_controls.board_name(board)}.")
    return GameSettings(board, temperature, seed)


def current(chosen: GameSettings) -> Game:
    """The game as it stands. Moves that do not fit the board are dropped, with a word.

    Raises:
        MiCoreError: nothing is open, or a weight file is missing.
    """
    if st.session_state.get("ga_played", chosen) != chosen:
        _keep(())
    st.session_state["ga_played"] = chosen
    try:
        return _game(chosen, _moves())
    except MiCoreError as error:
        if not _text():
            raise
        st.warning(f"{error} The game starts anew.")
        _keep(())
        return _game(chosen, ())


@st.cache_resource(max_entries=512, show_spinner=False)
def _game(chosen: GameSettings, moves: Moves) -> Game:
    if moves:
        return move(_game(chosen, moves[:-1]), moves[-1])
    source = HeadSource(get_head())
    return begin(get_model(), parse(chosen.board), seed=chosen.seed, temperature=chosen.temperature, source=source)


@st.cache_resource(max_entries=256, show_spinner="Working out what this choice loses")
def _cost(chosen: GameSettings, moves: Moves, cells: tuple[int, ...]) -> StepCost:
    return cost(_game(chosen, moves), list(cells))


def board(game: Game) -> None:
    """The board with what is chosen on it, and what that would lose."""
    chosen, moves, cells = st.session_state["ga_played"], _moves(), _picked(game)
    said = _cost(chosen, tuple(m for m in moves if m.kind == "play"), cells) if cells else None
    decoder(
        table(game, write_moves(tuple(m for m in moves if m.kind == "play")), said),
        key=KEY,
        on_pick=_on_pick,
        on_commit=_on_commit,
        on_ask=_on_ask,
        on_undo=_on_undo,
    )
    st.caption(
        "Every pass counts: one for each step, and those of *Probe*. The exact total correlation is a referee's "
        "verdict and costs you nothing."
    )


# Moves and choice


def _text() -> str:
    return str(st.query_params.get(MOVES, st.session_state.get(MOVES, "")))


def _moves() -> Moves:
    moves = read_moves(_text())
    _keep(moves)
    return moves


def _keep(moves: Moves) -> None:
    text = write_moves(moves)
    st.session_state[MOVES] = text
    if text and st.query_params.get(MOVES) != text:
        st.query_params[MOVES] = text
    elif not text and MOVES in st.query_params:
        del st.query_params[MOVES]


def _picked(game: Game) -> tuple[int, ...]:
    """The cells chosen now, of those that are open."""
    kept = st.session_state.get("ga_picked", ())
    return () if game.view is None else tuple(cell for cell in kept if bool(game.view.masked[cell]))


def _event(name: str) -> tuple[int, ...]:
    """The cells that came with an event; what is no cell is left out."""
    event: Any = getattr(st.session_state[KEY], name) or {}
    cells = event.get("cells", ()) if isinstance(event, dict) else ()
    return tuple(dict.fromkeys(c for c in cells if isinstance(c, int) and 0 <= c < CELLS))


def _on_new() -> None:
    st.session_state["ga_picked"] = ()
    _keep(())


def _on_pick() -> None:
    st.session_state["ga_picked"] = _event("pick")


def _on_commit() -> None:
    cells = _event("commit")
    st.session_state["ga_picked"] = ()
    if cells:
        _keep((*_moves(), Move("play", cells)))


def _on_ask() -> None:
    cells = _event("ask")
    st.session_state["ga_picked"] = cells
    if len(cells) > 1:
        _keep((*_moves(), Move("ask", cells)))


def _on_undo() -> None:
    st.session_state["ga_picked"] = ()
    _keep(undo(_moves()))


# The end


def finale(game: Game, chosen: GameSettings) -> None:
    """The finished run beside the strategies' runs on the same board with the same luck.

    Raises:
        MiCoreError: a missing weight file.
    """
    rivals = {name: get_replay(_run_of(chosen, name)) for name in RIVALS}
    rows = [("You", "", score(game.trace))]
    rows += [(STRATEGIES[name].title, _knobs(name), score(run.trace)) for name, run in rivals.items()]
    st.subheader("You and the strategies, on this board with this luck", anchor=False)
    mine = rows[0][2]
    lost = f"{mine.clashes} clashes, {mine.together} of them made together" if mine.clashes else "no clash"
    st.markdown(f"You took **{mine.nfe} passes** in {mine.steps} steps, with {lost}.")
    st.dataframe(standings(rows), hide_index=True, width="stretch", key="ga_standings")
    titles = {STRATEGIES[name].title: name for name in RIVALS}
    against = st.selectbox("Replay your run beside", list(titles), key="ga_against", bind="query-params", width=240)
    mine_shown = Replay(game.trace, board_run(game.trace))
    replay.show(mine_shown, rivals[titles[against]], key="ga_replay")


def _run_of(chosen: GameSettings, name: str) -> RunSettings:
    return RunSettings(chosen.board, name, tuple(RIVALS[name].items()), "head", chosen.temperature, chosen.seed)


def _knobs(name: str) -> str:
    return ", ".join(f"{knob} {value:g}" for knob, value in RIVALS[name].items())
