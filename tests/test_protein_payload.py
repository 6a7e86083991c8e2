"""What the bench, tables and files of the Protein page are given."""

import base64
import csv
import io
import json
import struct

import pytest
import torch

from mi_core.protein_view import Protein, known_contacts, mask_of, of_chain, of_record
from mi_core.proteins.presets import load_preset
from mi_core.proteins.sequence import Record, apply_mask
from mi_core.results import MIResult
from pages.ui import protein_payload as payload
from pages.ui.protein_payload import Look, Shown

RAW = Look(corrected=False, count=3)


@pytest.fixture(scope="module")
def ubiquitin() -> Protein:
    return of_chain(load_preset("ubiquitin"), "Ubiquitin")


def shown(protein: Protein, at: list[int], pairs: dict[tuple[int, int], float]) -> Shown:
    """A state with positions `at` masked whose MI is written by hand."""
    n = len(protein)
    masked = mask_of("".join("1" if i in at else "0" for i in range(n)))
    mi = torch.zeros(n, n, dtype=torch.float64)
    for (i, j), value in pairs.items():
        mi[i, j] = mi[j, i] = value
    log_probs = torch.full((n, 20), 0.05, dtype=torch.float64).log()
    tokens, zeros = apply_mask(protein.tokens, masked), torch.zeros(n, dtype=torch.float64)
    truth = MIResult(mi, masked, zeros, log_probs, tokens, "hand", "hand", "averaged", 5, 0.1)
    return Shown(protein, masked, known_contacts(protein, "beta"), log_probs, None, truth)


def numbers(packed: str) -> list[int]:
    raw = base64.b64decode(packed)
    return list(struct.unpack(f"<{len(raw) // 2}H", raw))


def test_the_triangle_runs_over_the_masked_residues_and_reads_back(ubiquitin):
    data = payload.bench(shown(ubiquitin, [2, 14, 60], {(2, 14): 0.2, (2, 60): 0.1, (14, 60): 0.4}), RAW)
    packed = data["truth"]
    values = [packed["low"] + packed["step"] * k for k in numbers(packed["values"])]
    assert values == pytest.approx([0.2, 0.1, 0.4], abs=1e-5)
    assert [i for i, c in enumerate(data["open"]) if c == "1"] == [2, 14, 60]
    assert data["estimate"] is None


def test_beliefs_are_those_of_the_masked_residues(ubiquitin):
    data = payload.bench(shown(ubiquitin, [2, 14], {}), RAW)
    assert len(numbers(data["marginals"])) == 40
    assert numbers(data["marginals"])[0] / 65535 == pytest.approx(0.05, abs=1e-4)


def test_distances_and_contacts_are_those_of_the_structure(ubiquitin):
    state = shown(ubiquitin, [2, 14], {})
    data = payload.bench(state, RAW)["contacts"]
    first = numbers(data["distances"]["values"])[0] * data["distances"]["step"]
    assert first == pytest.approx(float(state.contacts.distances[0, 1]), abs=0.01)
    i, j = divmod(data["pairs"][0], 76)
    assert i < j and bool(state.contacts.contacts[i, j])


def test_top_pairs_say_right_or_wrong(ubiquitin):
    data = payload.bench(shown(ubiquitin, [2, 14, 60], {(2, 14): 0.2, (2, 60): 0.4}), RAW)
    contacts = known_contacts(ubiquitin, "beta").contacts
    assert data["top"][:2] == [[2, 60, 0.4, int(contacts[2, 60])], [2, 14, 0.2, int(contacts[2, 14])]]


def test_nothing_masked_and_nothing_known_is_still_json(ubiquitin):
    for state in (shown(ubiquitin, [], {}), Shown(of_record(Record("", "ACDEFGH")), mask_of("1111111"))):
        data = payload.bench(state, Look())
        json.dumps(data, allow_nan=False)
        assert data["top"] == []
        assert payload.precision_rows(state, Look()) == [] or state.contacts is not None


def test_a_long_protein_stays_small_enough_to_send():
    protein = of_record(Record("long", "ACDEFGHIKLMNPQRSTVWY" * 25 + "ACDEFGHIKLMN"))
    state = shown(protein, list(range(512)), {(1, 500): 0.3})
    assert len(json.dumps(payload.bench(state, Look(count=150)), allow_nan=False)) < 800_000


def test_colour_limits_are_fixed_unless_asked_otherwise(ubiquitin):
    weak, strong = (shown(ubiquitin, [2, 14], {(2, 14): value}) for value in (0.1, 0.4))
    for name in ("small", "middle", "ln2"):
        look = Look(scale=name, corrected=False)
        assert payload.scale(weak, look) == payload.scale(strong, look)
    assert payload.scale(strong, Look(scale="own", corrected=False))["high"] == pytest.approx(0.4)
    rounded = [payload.scale(s, Look(corrected=False))["high"] for s in (weak, strong, shown(ubiquitin, [2, 14], {}))]
    assert rounded == [0.1, 0.5, 0.001]


def test_the_structure_maps_residues_to_positions(ubiquitin):
    part = of_record(Record("part", ubiquitin.letters[10:40]), ubiquitin.chain)
    found = payload.structure(part)
    assert found["positions"][9:12] == [-1, 0, 1] and len(found["trace"]) == 30
    assert found["pdb"].count(" CA ") == 76
    assert payload.structure(of_record(Record("", "ACDEF"))) is None


def test_precision_is_counted_over_the_masked_residues(ubiquitin):
    contacts = known_contacts(ubiquitin, "beta").contacts
    i, j = next((i, j) for i, j in contacts.nonzero().tolist() if j - i >= 24)
    state = shown(ubiquitin, [i, j, *range(30, 38)], {(i, j): 0.9})
    rows = payload.precision_rows(state, RAW)
    assert payload.counted(state) == 10 and rows[0]["Range"].startswith("All")
    curve = payload.curve(state, RAW)
    values, chance, marks = curve.map, curve.chance, curve.marks
    assert values[0] == 1 and 0 < chance < 1 and marks == {"L/5": 2, "L/2": 5, "L": 10}


def test_rows_of_a_pinned_residue_name_it_first(ubiquitin):
    rows = payload.pair_rows(shown(ubiquitin, [2, 14, 60], {(2, 14): 0.2, (2, 60): 0.4}), RAW, 5, pin=60)
    assert rows[0]["Residues"].startswith(f"{ubiquitin.letters[60]}61 · ")
    assert len(rows) == 2 and rows[0]["MI"] == pytest.approx(0.4)


def test_files_hold_author_numbers_and_both_scores(ubiquitin):
    state = shown(ubiquitin, [2, 14, 60], {(2, 14): 0.2, (2, 60): 0.4})
    rows = list(csv.DictReader(io.StringIO(payload.pairs_csv(state, RAW))))
    assert (rows[0]["residue_1"], rows[0]["residue_2"], rows[0]["position_2"]) == ("I3", "I61", "61")
    assert rows[0]["mi"] == "0.400000" == rows[0]["score"] and rows[0]["contact"] in {"0", "1"}
    top = json.loads(payload.pairs_json(state, RAW, "hand"))
    assert top["pairs"][0]["positions"] == [3, 61] and top["model"] == "hand" and top["range"] == "all"
