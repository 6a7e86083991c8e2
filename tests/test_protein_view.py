"""Residue numbers, masks in those numbers, ranked pairs and the trace to draw."""

from pathlib import Path

import pytest
import torch

from mi_core.errors import FormatError, InputError
from mi_core.protein_view import (
    Protein,
    backbone_of,
    find_label,
    known_contacts,
    mask_of,
    of_chain,
    of_record,
    pair_scores,
    principal_frame,
    read_mask,
    read_upload,
    residue_name,
    state_of,
    strongest,
    viewer_text,
    write_mask,
)
from mi_core.proteins.presets import PRESETS, load_preset
from mi_core.proteins.sequence import Record, parse
from mi_core.proteins.structure import Structure, read_structure
from mi_core.results import MIResult


@pytest.fixture(scope="module")
def ubiquitin() -> Protein:
    return of_chain(load_preset("ubiquitin"), "Ubiquitin")


@pytest.fixture(scope="module")
def chew() -> Protein:
    """Its author numbers begin with 2."""
    return of_chain(load_preset("chew"), "CheW")


def result(protein: Protein, open_: list[int], pairs: dict[tuple[int, int], float]) -> MIResult:
    n = len(protein)
    mi, masked = torch.zeros(n, n, dtype=torch.float64), torch.zeros(n, dtype=torch.bool)
    masked[open_] = True
    for (i, j), value in pairs.items():
        mi[i, j] = mi[j, i] = value
    zeros = torch.zeros(n, dtype=torch.float64)
    log_probs = torch.full((n, 20), -3.0, dtype=torch.float64)
    return MIResult(mi, masked, zeros, log_probs, protein.tokens, "hand", "hand", "averaged", 1, 0.1)


@pytest.mark.parametrize("name", PRESETS)
def test_every_example_can_be_shown(name):
    protein = of_chain(load_preset(name), PRESETS[name].title)
    assert protein.is_its_chain and len(set(protein.labels)) == len(protein) == PRESETS[name].residues


def test_names_are_letters_and_author_numbers(chew):
    assert residue_name(chew, 0) == chew.letters[0] + "2"
    assert find_label("2", chew) == 0
    with pytest.raises(InputError, match=r"no residue 1;"):
        find_label("1", chew)


@pytest.mark.parametrize("pattern", ["2-11,40", "2", "all", "none"])
def test_masks_are_written_in_the_numbers_on_screen_and_read_back(chew, pattern):
    masked = read_mask(pattern, chew)
    assert write_mask(masked, chew) == pattern
    if pattern == "2-11,40":
        assert masked.nonzero()[:, 0].tolist() == [*range(10), find_label("40", chew)]


def test_a_ratio_is_drawn_from_all_residues(chew):
    assert int(read_mask("ratio:.5", chew).sum()) == len(chew) // 2


def test_negative_numbers_and_insertions():
    labels = ("-2", "-1", "1", "52", "52A", "53")
    protein = Protein("hand", "ACDEFG", labels)
    assert read_mask("-2--1,52-53", protein).tolist() == [True, True, False, True, True, True]
    assert write_mask(read_mask("-1,52a", protein), protein) == "-1,52A"


@pytest.mark.parametrize("pattern", ["", "1", "abc", "9-3", "2-400", "2,,3", "<script>"])
def test_a_bad_mask_is_one_sentence(chew, pattern):
    with pytest.raises(InputError) as caught:
        read_mask(pattern, chew)
    assert str(caught.value).count("\n") == 0 and str(caught.value).endswith(".")


def test_numbers_that_repeat_give_way_to_positions(ubiquitin):
    from dataclasses import replace

    chain = replace(ubiquitin.chain, numbers=(1,) * 76)
    assert of_chain(chain, "x").labels == tuple(str(k) for k in range(1, 77))


def test_a_chain_that_is_too_long_is_refused(ubiquitin):
    from dataclasses import replace

    chain = replace(ubiquitin.chain, sequence="A" * 600)
    with pytest.raises(InputError, match="600 residues"):
        of_chain(chain, "x")


def test_a_sequence_is_laid_on_a_structure(ubiquitin):
    part = of_record(parse(ubiquitin.letters[10:50].replace("K", "R", 1)), ubiquitin.chain)
    assert part.placed.residues.tolist() == list(range(10, 50))
    assert part.placed.identity == pytest.approx(39 / 40)
    assert not part.is_its_chain and part.labels[0] == "1"
    with pytest.raises(InputError, match="other residues"):
        backbone_of(part)
    assert known_contacts(part, "beta").resolved.all()
    assert of_record(parse(ubiquitin.letters), ubiquitin.chain).is_its_chain


def test_a_sequence_alone_has_no_contacts():
    alone = of_record(Record("mine", "ACDEF_GHI"))
    assert known_contacts(alone, "beta") is None and alone.structure_key == ""
    assert state_of(alone, mask_of("100000000")) == "_CDEF_GHI"
    with pytest.raises(InputError, match="backbone"):
        backbone_of(alone)


def test_pairs_are_ranked_and_told_apart(ubiquitin):
    contacts = known_contacts(ubiquitin, "beta")
    found = result(ubiquitin, [2, 4, 14, 16, 60], {(4, 14): 0.2, (2, 60): 0.5, (14, 16): 0.9, (2, 16): 0.1})
    pairs = strongest(pair_scores(found, corrected=False), contacts, 3)
    assert [(p.i, p.j) for p in pairs] == [(2, 60), (4, 14), (2, 16)], "14 and 16 are too near in sequence"
    assert [p.contact for p in pairs] == [bool(contacts.contacts[p.i, p.j]) for p in pairs]
    assert pairs[0].distance == pytest.approx(float(contacts.distances[2, 60]))
    assert all(14 in (p.i, p.j) for p in strongest(pair_scores(found, corrected=False), contacts, None, pin=14))


def test_without_a_structure_nothing_is_right_or_wrong(ubiquitin):
    found = result(ubiquitin, [2, 14, 60], {(2, 14): 0.2})
    (best,) = strongest(pair_scores(found, corrected=True), None, 1)
    assert (best.i, best.j, best.distance, best.contact) == (2, 14, None, None)


def test_scores_are_nan_where_there_is_no_pair(ubiquitin):
    scores = pair_scores(result(ubiquitin, [2, 14], {(2, 14): 0.2}), corrected=False)
    assert int((~scores.isnan()).sum()) == 2 and float(scores[2, 14]) == 0.2


def test_the_frame_is_a_rotation_with_the_longest_axis_first(ubiquitin):
    frame = principal_frame(ubiquitin.chain)
    spread = frame[:, 1].std(0)
    assert spread[0] >= spread[1] >= spread[2]
    before, after = (b[:, 1] - b[:, 0] for b in (ubiquitin.chain.backbone.double(), frame))
    volume = [torch.linalg.det(v[[0, 10, 20]]) for v in (before, after)]
    assert torch.allclose(*volume), "a mirror image would change the sign"


def test_the_viewer_reads_what_was_written(ubiquitin):
    frame = principal_frame(ubiquitin.chain)
    again = read_structure(viewer_text(ubiquitin.chain, frame).encode()).chain("A")
    assert again.numbers == tuple(range(1, 77))
    assert torch.allclose(again.backbone.double(), frame, atol=2e-3)


def test_uploads_are_recognised_by_what_they_hold():
    assert read_upload(b">x\nACDEFGHIK").letters == "ACDEFGHIK"
    assert read_upload(b"acdef ghik\n").letters == "ACDEFGHIK"
    assert isinstance(read_upload(Path(PRESETS["crambin"].path).read_bytes()), Structure)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "empty"),
        (b">x\n", "no sequence"),
        (b"ATOM  broken\n", "damaged"),
        (b"hello, world: 42\n", "neither"),
        (b"\x00\x01\x02", "text"),
        (b"A" * 11_000_000, "10 MB"),
    ],
    ids=["empty", "title only", "broken", "prose", "binary", "large"],
)
def test_a_bad_upload_is_one_sentence(data, told):
    with pytest.raises((InputError, FormatError), match=told) as caught:
        read_upload(data)
    assert "\n" not in str(caught.value)
