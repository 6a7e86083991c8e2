"""Where two runs part, worked by hand."""

from dataclasses import replace

import pytest

from mi_core.comparison import OtherToken, divergence
from mi_core.errors import InputError
from tests.test_postmortem import GRID, R1C1, R1C2, R4C1, R9C9, run, step

CELLS = [R1C1, R1C2, R4C1, R9C9]
RIGHT = {cell: GRID[cell] for cell in CELLS}


def steps(*groups):
    return [step({cell: RIGHT[cell] for cell in group}) for group in groups]


def test_equal_runs_do_not_part():
    assert divergence(run(*steps([R1C1, R1C2], [R4C1, R9C9])), run(*steps([R1C1, R1C2], [R4C1, R9C9]))) is None


def test_the_first_other_choice_is_named_with_its_cells():
    parted = divergence(run(*steps([R1C1], [R1C2, R4C1], [R9C9])), run(*steps([R1C1], [R1C2, R9C9], [R4C1])))
    assert (parted.step, parted.only_first, parted.only_second, parted.token) == (1, (R4C1,), (R9C9,), None)


def test_the_first_other_token_is_the_one_committed_first_in_either_run():
    wrong = {R4C1: RIGHT[R4C1] % 9 + 1}
    early = run(*steps([R1C1], [R1C2]), step({R9C9: RIGHT[R9C9] % 9 + 1, R4C1: RIGHT[R4C1]}))
    late = run(*steps([R1C1, R9C9]), step(wrong), *steps([R1C2]))
    parted = divergence(early, late)
    assert parted.step == 0 and parted.only_second == (R9C9,)
    tokens = (early.tokens[R9C9], late.tokens[R9C9])
    assert parted.token == OtherToken(R9C9, tokens, (2, 0)), "r9c9 comes in step 1 of one run, r4c1 in step 2"


def test_one_run_going_on_is_a_divergence():
    longer = run(*steps([R1C1, R1C2, R4C1], [R9C9]))
    shorter = run(*steps([R1C1, R1C2, R4C1]), open_cells=CELLS)
    assert divergence(longer, shorter).only_first == (R9C9,) and divergence(longer, shorter).step == 1


def test_taking_back_is_a_divergence():
    plain = run(*steps([R1C1], [R1C2], [R1C1]), open_cells=CELLS)
    back = replace(plain, steps=(plain.steps[0], replace(plain.steps[1], revoked=(R1C1,)), plain.steps[2]))
    assert divergence(plain, back).step == 1


def test_runs_of_different_boards_cannot_be_compared():
    with pytest.raises(InputError, match="different boards"):
        divergence(run(*steps([R1C1])), run(*steps([R1C2])))
