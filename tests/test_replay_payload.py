"""What the replay component and the downloads get."""

import csv
import dataclasses
import io
import json

import pytest

from mi_core.decoding import DecodeTrace
from mi_core.errors import FormatError
from mi_core.postmortem import post_mortem
from pages.ui.replay_board import board_run, clash_text
from pages.ui.replay_payload import describe, one_run, standalone_html, steps_csv, two_runs
from tests.test_postmortem import GRID, R1C1, R1C2, R4C1, R9C9, run, step

CLASHING = run(
    step({R9C9: GRID[R9C9]}, passes=1),
    step({R1C1: 7, R1C2: 7}, pair_mi=[(R1C1, R1C2, 0.42)], passes=3),
)


def test_frames_and_passes_add_up():
    shown = board_run(CLASHING)
    assert [s["positions"] for s in shown["steps"]] == [[R9C9], [R1C1, R1C2]]
    assert [s["symbols"] for s in shown["steps"]] == [[str(GRID[R9C9])], ["7", "7"]]
    assert [s["passes_so_far"] for s in shown["steps"]] == [1, 4]
    assert shown["nfe"] == 4 and shown["sequential"] == 3
    assert [state.count(".") for state in shown["states"]] == [3, 2, 0]
    assert shown["states"][-1][:2] == "77"
    assert shown["mi_max"] == 0.42
    assert shown["title"] == "Confidence threshold"


def test_pairs_that_are_no_mi_are_not_shown_as_mi():
    for source, says in [
        (None, "This run recorded no MI. Choose an MI source to see it."),
        ("head-pointwise", "something else than MI: loss of drawn pairs from the heads."),
        ("attention", "something else than MI: joined by attention."),
    ]:
        shown = board_run(dataclasses.replace(CLASHING, mi_source=source))
        assert shown["mi_source"] is None and shown["no_mi"].endswith(says)
    assert board_run(dataclasses.replace(CLASHING, mi_source="probing"))["mi_source"] == "probing"


def test_the_payload_is_plain_json_and_names_its_run():
    shown = board_run(CLASHING)
    data = two_runs((CLASHING, CLASHING), (shown, shown), step=2)
    assert json.loads(json.dumps(data)) == data
    assert data["step"] == 2 and len(data["runs"]) == 2 and data["sync"] == "committed"
    assert data["divergence"] is None, "a run does not part from itself"
    other = run(step({R9C9: GRID[R9C9]}))
    assert board_run(other)["id"] != data["runs"][0]["id"]


def test_marginals_travel_as_thousandths():
    row = (0.5, 0.25, 0.2504, *(6 * [0.0]))
    one = dataclasses.replace(CLASHING.steps[0], marginals=(row,) * 81)
    shown = board_run(dataclasses.replace(CLASHING, steps=(one, CLASHING.steps[1])))
    assert shown["steps"][0]["marginals"][0] == [500, 250, 250, 0, 0, 0, 0, 0, 0]
    assert shown["steps"][1]["marginals"] == []


def test_the_words_for_each_kind_of_clash():
    together = next(c for c in post_mortem(CLASHING) if c.together)
    assert clash_text(together) == (
        "r1c1 and r1c2 both 7 (row 1 and box 1): committed together in step 2; their MI then was 0.420 nats."
    )
    apart = next(c for c in post_mortem(run(step({R1C2: 7}), step({R1C1: 7}))) if c.step_first and not c.together)
    assert "committed in different steps (1 and 2)" in clash_text(apart) and "model itself erred" in clash_text(apart)
    given = next(c for c in post_mortem(run(step({R1C1: GRID[R1C2]}))) if c.second == R1C2)
    assert "step 1 contradicts a given digit" in clash_text(given)


def test_verdicts():
    def verdict(shown):
        return dict((name, note) for name, _, note in shown["facts"])["Board"]

    assert verdict(board_run(run(step({R1C1: GRID[R1C1]})))) == "Equal to the only solution."
    shown = board_run(CLASHING)
    assert verdict(shown).startswith(f"{len(shown['clashes'])} clashes; ")
    assert shown["lost_at"] == 1
    unfinished = run(step({R1C1: GRID[R1C1]}), open_cells=[R1C1, R4C1])
    assert verdict(board_run(unfinished)).startswith("Not complete")


def test_settings_in_one_line():
    assert describe(CLASHING) == "tau 0.5, MI from the paper head, sampled, temperature 1, seed 0"


def test_csv_has_a_line_for_each_cell():
    rows = list(csv.DictReader(io.StringIO(steps_csv(CLASHING, board_run(CLASHING)))))
    assert [(r["step"], r["cell"], r["digit"]) for r in rows] == [
        ("1", "r9c9", str(GRID[R9C9])),
        ("2", "r1c1", "7"),
        ("2", "r1c2", "7"),
    ]
    assert rows[2]["passes_so_far"] == "4" and float(rows[2]["sum_mi_of_step"]) == 0.42
    assert rows[0]["spent"] == ""


def test_the_standalone_page_cannot_be_broken_out_of():
    hostile = dataclasses.replace(CLASHING.steps[0], reason="</script><img src=x onerror=alert(1)>")
    data = one_run(board_run(dataclasses.replace(CLASHING, steps=(hostile, CLASHING.steps[1]))))
    page = standalone_html(data, "export default function (component) {}\n", ".rp{}")
    assert page.count("</script>") == 1 and "<img" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert "export default" not in page


def test_a_trace_of_another_game_is_refused():
    text = CLASHING.to_json().replace('"symbols": ["1"', '"symbols": ["A"')
    with pytest.raises(FormatError, match="not one of a Sudoku board"):
        board_run(DecodeTrace.from_json(text))


def test_a_trace_comes_back_from_json_the_same():
    assert board_run(DecodeTrace.from_json(CLASHING.to_json())) == board_run(CLASHING)


def test_two_runs_say_where_they_part():
    other = run(step({R1C1: 7, R9C9: GRID[R9C9]}), step({R1C2: GRID[R1C2]}))
    data = two_runs((CLASHING, other), (board_run(CLASHING), board_run(other)), sync="passes")
    assert data["divergence"]["choice"] == {"steps": [0, 0], "text": "Only B commits r1c1."}
    assert data["divergence"]["token"]["steps"] == [1, 1]
    assert data["divergence"]["token"]["text"] == f"r1c2 ends as 7 in A (step 2) and as {GRID[R1C2]} in B (step 2)."
    first, second = (shown["parted"] for shown in data["runs"])
    assert first == {"step": 0, "positions": [], "token": {"position": R1C2, "step": 1}}
    assert second["positions"] == [R1C1] and data["sync"] == "passes"


def test_many_cells_are_counted_not_listed():
    wide = run(step({cell: GRID[cell] for cell in range(9)}))
    slow = run(step({0: GRID[0]}), step({cell: GRID[cell] for cell in range(1, 9)}))
    data = two_runs((wide, slow), (board_run(wide), board_run(slow)))
    assert data["divergence"] == {
        "choice": {"steps": [0, 0], "text": "Only A commits r1c2, r1c3, r1c4, r1c5 and 4 more."},
        "token": None,
    }


def test_what_is_taken_back_travels():
    back = dataclasses.replace(step({R1C1: GRID[R1C1]}), revoked=(R9C9,))
    shown = board_run(run(step({R9C9: 3}), back, step({R9C9: GRID[R9C9]})))
    assert [s["revoked"] for s in shown["steps"]] == [[], [R9C9], []]
    assert shown["states"][2][R9C9] == "."
