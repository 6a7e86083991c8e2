"""Boards: text in and out, clashes, relations, orders."""

from itertools import combinations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mi_core.errors import InputError
from mi_core.sudoku import board

PUZZLE = "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79"
SOLUTION = "534678912672195348198342567859761423426853791713924856961537284287419635345286179"
EMPTY = "." * 81

digits = st.lists(st.integers(0, 9), min_size=81, max_size=81)


@given(digits)
def test_text_and_digits_round_trip(values: list[int]) -> None:
    tokens = board.from_digits(values)
    assert tokens.dtype == torch.int64
    assert board.to_digits(tokens) == values
    assert torch.equal(board.parse(board.format_line(tokens), check=False), tokens)
    assert torch.equal(board.parse(board.format_grid(tokens), check=False), tokens)


def test_tokens_are_digits_less_one_and_the_mask_is_nine() -> None:
    tokens = board.parse(PUZZLE)
    assert tokens.tolist()[:5] == [4, 2, 9, 9, 6]
    assert board.format_grid(tokens).splitlines()[:4] == [
        "5 3 . | . 7 . | . . .",
        "6 . . | 1 9 5 | . . .",
        ". 9 8 | . . . | . 6 .",
        "------+-------+------",
    ]


@pytest.mark.parametrize("mark", list(".0_*"))
def test_every_open_mark_reads_alike(mark: str) -> None:
    assert torch.equal(board.parse(PUZZLE.replace(".", mark)), board.parse(PUZZLE))


def test_separators_are_never_cells() -> None:
    rows = [PUZZLE[9 * r : 9 * r + 9] for r in range(9)]
    framed = "+---+---+---+\r\n" + "".join(f"| {row[:3]} | {row[3:6]} | {row[6:]} |\r\n" for row in rows) + "+-----+"
    boxed = "╔═══╦═══╦═══╗\n" + "".join(f"║{row[:3]}│{row[3:6]}┃{row[6:]}║\n" for row in rows) + "╚═══╩═══╩═══╝"
    for text in (framed, boxed, "\ufeff" + "\n".join(rows), "\t".join(PUZZLE)):
        assert board.format_line(board.parse(text)) == PUZZLE
    with pytest.raises(InputError, match=r"^30 cells were found"):
        board.parse(PUZZLE.replace(".", "-"))


@pytest.mark.parametrize("found", [0, 80, 82])
def test_wrong_length_says_how_many_cells_were_found(found: int) -> None:
    with pytest.raises(InputError, match=f"^{found} cells were found, and a board needs 81"):
        board.parse("." * found)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("12x" + "." * 78, "'x' at position 3"),
        ("1........\r\n.2....\u0663..", "'\u0663' at line 2, column 7"),
        ("<b>", "'<' at position 1"),
        ("." * 80 + "\x00", r"'\\x00' at position 81"),
    ],
)
def test_bad_characters_are_named_with_their_place(text: str, place: str) -> None:
    with pytest.raises(InputError, match=f"^Character {place} is no digit"):
        board.parse(text)


def test_long_text_is_refused() -> None:
    assert board.parse(EMPTY + " " * 1919).shape == (81,)
    with pytest.raises(InputError, match="2001 characters; at most 2000"):
        board.parse(EMPTY + " " * 1920)


@pytest.mark.parametrize(
    ("cells", "unit", "names"),
    [
        ((18, 24), "row 3", "r3c1 and r3c7"),
        ((4, 76), "column 5", "r1c5 and r9c5"),
        ((60, 80), "box 9", "r7c7 and r9c9"),
        ((0, 2), "row 1 and box 1", "r1c1 and r1c3"),
    ],
)
def test_a_clash_is_named_by_unit_and_cells(cells: tuple[int, int], unit: str, names: str) -> None:
    text = "".join("5" if cell in cells else "." for cell in range(81))
    with pytest.raises(InputError, match=rf"^Digit 5 stands twice in {unit} \({names}\); change"):
        board.parse(text)
    assert board.clashes(board.parse(text, check=False)) == [board.Clash(5, *cells, unit)]


@given(digits)
def test_clashes_are_the_peers_that_agree_each_once(values: list[int]) -> None:
    found = board.clashes(board.from_digits(values))
    agreeing = {pair for pair in board.PEER_PAIRS if values[pair[0]] == values[pair[1]] != 0}
    assert len(found) == len(agreeing)
    assert {(clash.first, clash.second) for clash in found} == agreeing


@pytest.mark.parametrize("values", [[0] * 80, [0] * 80 + [10], [-1] + [0] * 80])
def test_bad_digits_are_refused(values: list[int]) -> None:
    with pytest.raises(InputError):
        board.from_digits(values)


def test_bad_tokens_are_refused() -> None:
    with pytest.raises(InputError, match=r"ids lie in 0\.\.9"):
        board.to_digits(torch.full((81,), 10))
    with pytest.raises(InputError, match="shape"):
        board.to_digits(torch.zeros(80, dtype=torch.int64))


def test_valid_solutions_are_complete_and_without_clash() -> None:
    assert board.is_valid_solution(board.parse(SOLUTION))
    assert not board.is_valid_solution(board.parse(PUZZLE))
    swapped = SOLUTION[1] + SOLUTION[0] + SOLUTION[2:]
    assert not board.is_valid_solution(board.parse(swapped, check=False))


def test_relations_name_what_two_cells_share() -> None:
    asked = {(0, 8): "same row", (0, 1): "same row and box", (0, 72): "same column", (0, 9): "same column and box"}
    asked |= {(0, 10): "same box", (0, 40): "not peers"}
    for (i, j), words in asked.items():
        assert board.relation(i, j) == board.relation(j, i) == words
    peers = sum(board.relation(i, j) != "not peers" for i, j in combinations(range(81), 2))
    assert peers == len(board.PEER_PAIRS) == 810


def test_orders_are_permutations_in_reading_order() -> None:
    assert all(sorted(order) == list(range(81)) for order in board.ORDERS.values())
    assert board.ORDERS["row"][:3] == [0, 1, 2]
    assert board.ORDERS["column"][:3] == [0, 9, 18]
    assert board.ORDERS["box"][:4] == [0, 1, 2, 9]
    assert board.cell_name(board.ORDERS["box"][9]) == "r1c4"
