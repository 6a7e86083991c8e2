"""Clashes and their causes, on runs made by hand from one complete grid."""

import copy
from dataclasses import replace

import pytest

from mi_core.decoding import DecodeStep, DecodeTrace
from mi_core.errors import FormatError
from mi_core.postmortem import check_sudoku_trace, outcome, post_mortem
from mi_core.sudoku.board import VOCAB, from_digits
from mi_core.sudoku.presets import PRESETS
from mi_core.sudoku.solver import Solver

GRID = [(3 * (r % 3) + r // 3 + c) % 9 + 1 for r in range(9) for c in range(9)]
R1C1, R1C2, R1C3, R4C1, R9C9 = 0, 1, 2, 27, 80


def step(cells, *, pair_mi=(), passes=1):
    """A step that commits `cells`, cell -> digit."""
    return DecodeStep(
        positions=tuple(cells),
        tokens=tuple(digit - 1 for digit in cells.values()),
        entropy=(0.5,) * 81,
        confidence=(0.5,) * len(cells),
        pair_mi=tuple(pair_mi),
        reason="By hand.",
        spent=None,
        budget=None,
        passes=passes,
    )


def run(*steps, open_cells=None, grid=GRID):
    """A trace from `grid` with the cells of the steps (or `open_cells`) opened."""
    cells = set(open_cells or [cell for s in steps for cell in s.positions])
    start = tuple(VOCAB.mask_id if cell in cells else digit - 1 for cell, digit in enumerate(grid))
    return DecodeTrace(
        start, tuple(steps), VOCAB.symbols, VOCAB.mask, "hand", "threshold", {"tau": 0.5}, "head-paper", 0, 1.0
    )


def test_a_clash_committed_together_names_step_unit_and_mi():
    right = GRID[R1C1]
    trace = run(step({R9C9: GRID[R9C9]}), step({R1C2: right, R1C1: right}, pair_mi=[(R1C1, R1C2, 0.42)]))
    (cause,) = [c for c in post_mortem(trace) if c.together]
    assert (cause.first, cause.second, cause.digit, cause.unit) == (R1C1, R1C2, right, "row 1 and box 1")
    assert (cause.step_first, cause.step_second, cause.step) == (1, 1, 1)
    assert cause.mi == 0.42


def test_mi_is_found_whatever_the_order_of_the_pair_and_none_where_not_recorded():
    cells = {R1C1: GRID[R1C2], R1C2: GRID[R1C1]}  # swapped: each clashes with givens, not with each other
    both = {R1C1: 7, R1C2: 7}
    assert all(cause.mi is None for cause in post_mortem(run(step(cells))))
    (cause,) = [c for c in post_mortem(run(step(both, pair_mi=[(R1C2, R1C1, 0.3)]))) if c.together]
    assert cause.mi == 0.3
    (cause,) = [c for c in post_mortem(run(step(both))) if c.together]
    assert cause.mi is None


def test_different_steps_are_not_together():
    trace = run(step({R1C2: GRID[R1C1]}), step({R1C1: GRID[R1C1]}))
    (cause,) = [c for c in post_mortem(trace) if (c.first, c.second) == (R1C1, R1C2)]
    assert not cause.together and cause.mi is None
    assert (cause.step_first, cause.step_second, cause.step) == (1, 0, 1)


def test_a_given_digit_has_no_step():
    trace = run(step({R1C1: GRID[R1C3]}))
    causes = {(c.first, c.second): c for c in post_mortem(trace)}
    cause = causes[R1C1, R1C3]
    assert (cause.step_first, cause.step_second, cause.step, cause.together) == (0, None, 0, False)


def test_clashes_among_givens_come_first():
    grid = list(GRID)
    grid[R1C2] = grid[R1C1]
    causes = post_mortem(run(step({R9C9: GRID[R4C1]}), grid=grid))
    assert causes[0].step is None and not causes[0].together
    assert causes[-1].step == 0


def test_a_right_run_has_no_clash_and_is_solved():
    trace = run(step({R1C1: GRID[R1C1]}), step({R9C9: GRID[R9C9], R4C1: GRID[R4C1]}))
    assert post_mortem(trace) == ()
    end = outcome(trace)
    assert end.valid and end.solved and end.solutions == 1 and end.lost_at is None and end.wrong == ()


def test_the_step_that_lost_the_last_solution():
    wrong = GRID[R1C1] % 9 + 1
    end = outcome(run(step({R9C9: GRID[R9C9]}), step({R1C1: wrong}), step({R4C1: GRID[R4C1]})))
    assert not end.valid and end.solved is False
    assert end.lost_at == 1 and end.wrong == (R1C1,)


def test_several_solutions_have_no_single_right_one():
    solution = Solver().solve([int(c) if c != "." else 0 for c in PRESETS["rectangle"].text])
    one, nine, other_nine, other_one = corners = (32, 35, 41, 44)  # r4c6 r4c9 r5c6 r5c9: 1 and 9, crosswise
    assert [solution[cell] for cell in corners] in ([1, 9, 9, 1], [9, 1, 1, 9])
    swapped = {cell: 10 - solution[cell] for cell in corners}
    end = outcome(run(step(swapped), grid=solution))
    assert end.valid and end.solutions == 2 and end.solved is None and end.wrong == () and end.lost_at is None
    mixed = {one: 1, nine: 1, other_nine: 9, other_one: 1}
    trace = run(step(mixed, pair_mi=[(one, nine, 0.69)]), grid=solution)
    end = outcome(trace)
    assert not end.valid and end.lost_at == 0
    together = {(c.first, c.second): c.mi for c in post_mortem(trace)}
    assert together == {(one, nine): 0.69, (nine, other_one): None}


GOOD = run(step({R1C1: GRID[R1C1]}), step({R9C9: GRID[R9C9]}))


def broken(record, **fields):
    """A copy with other fields, past the constructor: what a hostile file makes of it."""
    made = copy.copy(record)
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    return made


def changed(**fields):
    """GOOD with fields of its first step replaced."""
    return broken(GOOD, steps=(broken(GOOD.steps[0], **fields), GOOD.steps[1]))


@pytest.mark.parametrize(
    "trace",
    [
        broken(GOOD, symbols=("0", "1")),
        broken(GOOD, start=GOOD.start[:80]),
        broken(GOOD, start=(10, *GOOD.start[1:])),
        broken(GOOD, start="x" * 81),
        broken(GOOD, settings=[1]),
        broken(GOOD, temperature="hot"),
        broken(GOOD, settings={"tau": 10**400}),
        broken(GOOD, steps=(GOOD.steps[0], GOOD.steps[0])),  # one cell twice
        changed(positions=(81,)),
        changed(positions=(R1C2,)),  # given
        changed(positions=()),
        changed(positions=5),
        changed(tokens=(9,)),
        changed(tokens=(True,)),
        changed(confidence=()),
        changed(confidence=(float("nan"),)),
        changed(entropy=(0.0,)),
        changed(marginals=((0.1,),)),
        changed(pair_mi=((0, 5, 0.1),)),
        changed(pair_mi=((0, 1),)),
        changed(reason=None),
        changed(spent="all"),
        changed(passes=-1),
    ],
)
def test_a_trace_that_cannot_be_is_refused_in_one_sentence(trace):
    with pytest.raises(FormatError, match=r"^This trace is") as caught:
        check_sudoku_trace(trace)
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


def test_the_solver_agrees_that_the_grid_is_one():
    assert Solver().count(GRID, limit=2) == 1
    assert len(from_digits(GRID)) == 81


def test_what_was_taken_back_is_judged_by_what_stands_in_the_end():
    """r1c1 first repeats a digit of its row, is taken back and mended: no clash, and a solution was there again."""
    wrong, right = GRID[R1C3], GRID[R1C1]
    trace = run(step({R1C1: wrong}), replace(step({R9C9: GRID[R9C9]}), revoked=(R1C1,)), step({R1C1: right}))
    assert post_mortem(trace) == () and outcome(trace).valid and outcome(trace).lost_at is None
    spoilt = run(step({R1C1: right}), replace(step({R9C9: GRID[R9C9]}), revoked=(R1C1,)), step({R1C1: wrong}))
    assert outcome(spoilt).lost_at == 2 and all(cause.step == 2 for cause in post_mortem(spoilt))


@pytest.mark.parametrize("revoked", [(R1C3,), (R9C9,), (R1C1, R1C1)])
def test_only_what_was_committed_can_be_taken_back(revoked):
    trace = run(step({R1C1: 7}), replace(step({R9C9: 3}), revoked=revoked), open_cells=[R1C1, R9C9])
    with pytest.raises(FormatError, match="step 2 commits cells or digits that cannot be"):
        check_sudoku_trace(trace)
