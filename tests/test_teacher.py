"""The linear teacher: what it learns of columns that are copies, and what it says of the tokens of a batch."""

from pathlib import Path

import pytest
import torch

from mi_core.training.teacher import (
    NOT_PREDICTED,
    Lesson,
    Teacher,
    fit_teacher,
    load_teachers,
    save_teachers,
)

COLUMNS = 12


@pytest.fixture(scope="module")
def taught() -> Teacher:
    """Columns 0 and 8, and 2 and 10, are copies of a fair bit; all others are fair bits of their own."""
    rows = torch.randint(0, 2, (500, COLUMNS), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    rows[:, 8], rows[:, 10] = rows[:, 0], rows[:, 2]
    return fit_teacher(rows, torch.ones(500, dtype=torch.float64))


def test_a_copy_is_told_when_its_partner_is_seen_and_not_before(taught: Teacher) -> None:
    rows = torch.zeros(2, COLUMNS, dtype=torch.int64)
    rows[1, 8] = 1
    hidden = torch.zeros(2, COLUMNS, dtype=torch.bool)
    hidden[:, 0] = True
    probs = taught(rows, hidden).exp()
    torch.testing.assert_close(probs.sum(-1), torch.ones(2, COLUMNS))
    assert probs[0, 0, 0] > 0.7 and probs[1, 0, 1] > 0.7
    alone = taught(rows, torch.ones_like(hidden)).exp()
    torch.testing.assert_close(alone[0], alone[1], msg="what is hidden says nothing")
    assert float(alone[0, 0, :2].min()) > 0.2, "either letter, and some of the eighteen that never occur"


def test_partners_are_the_copies_and_not_neighbours(taught: Teacher) -> None:
    partners = taught.partners(2)
    assert partners[[0, 8, 2, 10], 0].tolist() == [8, 0, 10, 2]
    assert int((partners - torch.arange(COLUMNS)[:, None]).abs().min()) >= 4


def test_a_lesson_lies_on_the_tokens_of_the_batch(taught: Teacher) -> None:
    """A row of two sequences, the second without its first two columns; and one that has no columns at all."""
    other = Teacher(torch.zeros(COLUMNS, 20), torch.zeros(COLUMNS * 21, COLUMNS * 20))
    lesson = Lesson({COLUMNS: other, 0: taught}, heads=1)
    columns = torch.full((2, 24), NOT_PREDICTED)
    numbers = torch.zeros(2, 24, dtype=torch.int64)
    numbers[0, :12], columns[0, 1:11] = 1, torch.arange(COLUMNS + 2, 2 * COLUMNS)  # of the other family
    numbers[0, 12:24], columns[0, 13:23] = 2, torch.arange(2, COLUMNS)
    numbers[1, :12] = 1
    states = torch.zeros(2, 24, dtype=torch.int64)
    hidden = torch.zeros(2, 24, dtype=torch.bool)
    hidden[0, [3, 13]] = hidden[1, 5] = True  # columns 4 of the other family and 2 of the first
    told, partners = lesson(states, hidden, numbers, columns)
    assert told[0, 3].tolist() == pytest.approx([0.05] * 20), "a teacher that knows nothing"
    assert told[0, 13, 0] > 0.7 and float(told[0, 13].sum()) == pytest.approx(1)
    assert float(told.sum()) == pytest.approx(2), "nothing is told where nothing is hidden or no teacher is"
    assert partners[0, 13, 0] == 21 and partners[0, 21, 0] == 13, "columns 2 and 10 lie at tokens 13 and 21"
    assert partners[0, 19, 0] == NOT_PREDICTED, "column 8 has its partner, column 0, in front of the sequence"
    assert bool((partners[1] == NOT_PREDICTED).all()) and partners[0, 12, 0] == NOT_PREDICTED


def test_teachers_are_kept_beside_a_run(taught: Teacher, tmp_path: Path) -> None:
    save_teachers(tmp_path / "teachers.pt", {7: taught})
    (first, again), *others = load_teachers(tmp_path / "teachers.pt").items()
    assert first == 7 and not others and torch.equal(again.couplings, taught.couplings)
