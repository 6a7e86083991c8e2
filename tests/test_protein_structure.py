"""Structures: what is read, what is refused, what ships; contacts and placement on them."""

import gzip
import math
from io import StringIO

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_core.errors import FormatError, InputError, MiCoreError, UnknownName
from mi_core.proteins import alignment, contacts, presets, structure


def atom(serial, name, residue, number, xyz=(0.0, 0.0, 0.0), *, alt=" ", chain="A", code=" ", occ=1.0, hetero=False):
    x, y, z = xyz
    record = "HETATM" if hetero else "ATOM  "
    return (
        f"{record}{serial:5d}  {name:<3}{alt}{residue} {chain}{number:4d}{code}   "
        f"{x:8.3f}{y:8.3f}{z:8.3f}{occ:6.2f}  0.00           {name[0]}"
    )


def trace(*residues, start=1, chain="A"):
    """Cα atoms 3.8 Å apart on a line."""
    return [atom(k, "CA", r, start + k, (3.8 * k, 0, 0), chain=chain) for k, r in enumerate(residues)]


def read(lines):
    return structure.read_structure("\n".join([*lines, "END", ""]).encode())


def test_one_chain_by_hand():
    chain = read(trace("GLY", "ALA", "TRP")).chain()
    assert (chain.id, chain.sequence, chain.labels, len(chain)) == ("A", "GAW", ("1", "2", "3"), 3)
    assert chain.tokens.tolist() == [5, 0, 18]
    assert chain.beta.tolist() == [[0, 0, 0], pytest.approx([3.8, 0, 0]), pytest.approx([7.6, 0, 0])]
    assert chain.backbone.isnan().sum(1).tolist() == [[3, 3, 3]] * 3  # N, C and O are missing
    assert chain.breaks == (0, 1)


def test_insertion_codes_and_negative_numbers():
    lines = [atom(1, "CA", "ALA", -1), atom(2, "CA", "GLY", 52), atom(3, "CA", "SER", 52, code="A")]
    chain = read(lines).chain("A")
    assert chain.labels == ("-1", "52", "52A")
    assert chain.find(52, "A") == 2
    with pytest.raises(InputError, match="no residue 52B"):
        chain.find(52, "B")


def test_the_location_with_the_highest_occupancy_counts_for_the_whole_residue():
    lines = [
        atom(1, "CA", "ALA", 1),
        atom(2, "CA", "SER", 2, (1, 0, 0), alt="A", occ=0.4),
        atom(3, "CA", "SER", 2, (2, 0, 0), alt="B", occ=0.6),
        atom(4, "CB", "SER", 2, (3, 0, 0), alt="A", occ=0.4),
        atom(5, "CB", "SER", 2, (4, 0, 0), alt="B", occ=0.6),
    ]
    chain = read(lines).chain()
    assert chain.atoms[:, 0].tolist() == [0, 2, 4] and chain.owners.tolist() == [0, 1, 1]


def test_a_position_that_two_amino_acids_share_is_one_residue():
    lines = [
        atom(1, "CA", "ALA", 1),
        atom(2, "CA", "PRO", 2, alt="A", occ=0.3),
        atom(3, "CA", "SER", 2, alt="B", occ=0.7),
    ]
    assert read(lines).chain().sequence == "AS"


def test_modified_residues_stand_as_their_parent_and_ligands_are_left_out():
    lines = [
        *trace("MET", "HIE"),
        atom(5, "CA", "MSE", 3, hetero=True),
        atom(6, "CA", "SEP", 4, hetero=True),
        atom(7, "CA", "UNK", 5),
        atom(8, "CA", "GLU", 90, hetero=True),  # a free amino acid
        atom(9, "CA", " CA", 91, hetero=True),  # calcium
        atom(10, "O", "HOH", 92, hetero=True),
    ]
    chain = read(lines).chain()
    assert chain.sequence == "MHMSX" and chain.tokens.tolist()[-1] == 20
    assert chain.modified == (("2", "HIE"), ("3", "MSE"), ("4", "SEP"), ("5", "UNK"))


def test_chains_models_and_the_deposited_sequence():
    seqres = "SEQRES   1 A    4  GLY ALA MSE TRP"
    lines = [seqres, "MODEL        1", *trace("ALA", "TRP"), *trace("GLY", "GLY", chain="B"), "ENDMDL"]
    found = read([*lines, "MODEL        2", *trace("ALA", "TRP"), "ENDMDL"])
    assert [chain.id for chain in found.chains] == ["A", "B"] and found.models == 2
    assert found.chain("B").sequence == "GG" and found.chain("A").deposited == "GAMW"
    with pytest.raises(UnknownName, match=r"chain 'C'.*A, B"):
        found.chain("C")


def test_a_missing_beta_carbon_is_built_where_it_belongs():
    chain = presets.load_preset("protein-g")
    has = [k for k, letter in enumerate(chain.sequence) if letter != "G"]
    off = (structure.ideal_beta(chain.backbone) - chain.beta)[has].norm(dim=-1)
    assert float(off.max()) < 0.3  # Å; real side chains bend by a few degrees


def test_mmcif_reads_as_pdb_does(tmp_path):
    from biotite.structure.io.pdb import PDBFile
    from biotite.structure.io.pdbx import CIFFile, set_structure

    text = gzip.decompress(presets.PRESETS["crambin"].path.read_bytes()).decode()
    file = CIFFile()
    set_structure(file, PDBFile.read(StringIO(text)).get_structure(model=1), data_block="X")
    written = StringIO()
    file.write(written)
    path = tmp_path / "x.cif"
    path.write_bytes(b"# a comment\n" + written.getvalue().encode())
    there, here = structure.read_structure(path).chain(), presets.load_preset("crambin")
    assert there.sequence == here.sequence and there.labels == here.labels
    assert torch.allclose(there.atoms, here.atoms)


def test_the_viewer_text_reads_back_and_holds_nothing_of_the_files_text():
    evil = ["REMARK <script>alert(1)</script>", atom(1, "CA", "ALA", 1, chain="<"), atom(2, "CA", "GLY", 2, chain="<")]
    text = read(evil).chain().pdb
    assert not set("<>&\"'`\\") & set(text) and {line[:4].strip() for line in text.splitlines()} == {
        "ATOM",
        "TER",
        "END",
    }
    chain = presets.load_preset("bpti")
    again = structure.read_structure(chain.pdb.encode()).chain()
    assert again.sequence == chain.sequence and torch.equal(again.atoms, chain.atoms)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b"hello", "neither a PDB file"),
        (b"\0\1\2", "not a text file"),
        (b"\x1f\x8b\x08broken", "gzip file is damaged"),
        (gzip.compress(b"ATOM", mtime=0)[:-6], "gzip file is damaged"),
        (b"A" * (10 * 2**20 + 1), "at most 10 MB"),
        (gzip.compress(b"\n" * (100 * 2**20), 1, mtime=0), "at most 10 MB"),
        (b"data_x\n", "no atom_site|cannot be read"),
        (b"data_x\nloop_\n_atom_site.id\n", "no protein|cannot be read"),
        (b"ATOM  broken", "damaged|no protein"),
        (b"ATOM      1  CA  ALA A   1      xx.xxx   0.000   0.000", "damaged"),
        ("\n".join([atom(1, "CA", " DA", 1), atom(2, "CA", "HOH", 2)]).encode(), "holds no protein"),
        ("\n".join(trace("ALA")).encode(), "holds no protein"),
    ],
    ids=lambda value: None if isinstance(value, str) else str(value[:12]),
)
def test_what_is_refused_in_one_sentence(data, message):
    with pytest.raises((InputError, FormatError), match=message) as caught:
        structure.read_structure(data)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 160


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="no structure file at"):
        structure.read_structure(tmp_path / "x.pdb")


def test_coordinates_that_are_none_are_left_out():
    lines = [line.replace("   0.000   0.000", "     nan     inf") for line in trace("ALA", "GLY")]
    with pytest.raises(MiCoreError):
        read(lines)


@given(st.binary(max_size=60), st.integers(0, 700))
@settings(max_examples=40)
def test_damage_anywhere_is_read_or_refused(noise, place):
    lines = "\n".join([*trace("ALA", "GLY", "MSE"), *trace("TRP", "GLY", chain="B"), "END", ""]).encode()
    try:
        found = structure.read_structure(lines[:place] + noise + lines[place:])
    except MiCoreError:
        return
    assert all(len(chain) > 1 for chain in found.chains)


@pytest.mark.parametrize("preset", presets.PRESETS.values(), ids=lambda preset: preset.name)
def test_presets_are_what_they_say(preset):
    chain = presets.load_preset(preset.name)
    assert len(chain) == preset.residues and chain.id == preset.chain and "X" not in chain.sequence
    assert not chain.backbone[:, :3].isnan().any()
    assert preset.why.endswith(".") and preset.source.startswith(("PyPI ", "Debian "))


def test_presets_are_small_and_named():
    assert sum(path.stat().st_size for path in presets.STRUCTURES.iterdir()) < 600_000
    with pytest.raises(UnknownName, match="Known: bpti"):
        presets.load_preset("nothing")


# Contacts


def test_distances_against_numpy():
    chain = presets.load_preset("crambin")
    beta = chain.beta.numpy()
    expected = np.sqrt(((beta[:, None] - beta[None]) ** 2).sum(-1))
    np.testing.assert_allclose(contacts.beta_distances(chain).numpy(), expected, atol=1e-9)
    heavy = contacts.heavy_distances(chain)
    parts = [chain.atoms[chain.owners == i].numpy() for i in range(len(chain))]
    for i, j in [(0, 1), (2, 39), (15, 25), (45, 0)]:
        least = min(math.dist(a, b) for a in parts[i] for b in parts[j])
        assert float(heavy[i, j]) == pytest.approx(least, abs=1e-9)
    assert torch.equal(heavy, heavy.T) and float(heavy.diagonal().abs().max()) == 0


def test_the_disulfides_of_bpti_are_contacts_by_both_definitions():
    chain = presets.load_preset("bpti")
    for name in contacts.DEFINITIONS:
        found = contacts.contact_map(chain, definition=name).contacts
        assert all(found[chain.find(a), chain.find(b)] for a, b in [(5, 55), (14, 38), (30, 51)])
        assert torch.equal(found, found.T) and not found.diagonal().any()


def test_the_threshold_is_exclusive_and_unmapped_positions_are_unresolved():
    chain = read([atom(k, "CA", "GLY", k + 1, (8.0 * k, 0, 0)) for k in range(3)]).chain()
    assert not contacts.contact_map(chain).contacts.any()
    found = contacts.contact_map(chain, threshold=8.01, residues=torch.tensor([0, -1, 1, 2]))
    assert found.contacts.nonzero().tolist() == [[0, 2], [2, 0], [2, 3], [3, 2]]
    assert found.resolved.tolist() == [True, False, True, True] and bool(found.distances[1].isnan().all())
    with pytest.raises(UnknownName):
        contacts.contact_map(chain, definition="alpha")
    with pytest.raises(InputError, match="more than 0"):
        contacts.contact_map(chain, threshold=0)
    with pytest.raises(InputError, match="Residue 3"):
        contacts.contact_map(chain, residues=torch.tensor([3]))


def truth_of(touching, resolved=None):
    n = len(touching)
    known = torch.ones(n, dtype=torch.bool) if resolved is None else resolved
    return contacts.ContactMap(touching, known, torch.zeros(n, n), "beta", 8.0)


def symmetric(n, entries):
    matrix = torch.zeros(n, n)
    for (i, j), value in entries.items():
        matrix[i, j] = matrix[j, i] = value
    return matrix


def test_precision_by_hand():
    """Eight positions, pairs at least six apart: (0,6), (0,7), (1,7)."""
    truth = truth_of(symmetric(8, {(0, 6): 1, (1, 7): 1}).bool())
    scores = symmetric(8, {(0, 6): 3.0, (0, 7): 2.0, (1, 7): 1.0, (0, 1): 99.0})
    assert contacts.precision_curve(scores, truth).tolist() == pytest.approx([1, 1 / 2, 2 / 3])
    rows = {(row.range, row.label): row for row in contacts.precisions(scores, truth)}
    assert rows["all", "L/5"].precision == 1 and rows["all", "L/5"].k == 1
    assert (rows["all", "L"].k, rows["all", "L"].used, rows["all", "L"].pairs) == (8, 3, 3)
    assert rows["all", "L"].chance == pytest.approx(2 / 3) == rows["all", "L"].precision
    assert (rows["short", "L"].pairs, rows["short", "L"].contacts, rows["medium", "L"].pairs) == (3, 2, 0)
    assert (
        rows["long", "L"].pairs == 0
        and math.isnan(rows["long", "L"].precision)
        and math.isnan(rows["long", "L"].chance)
    )
    assert contacts.top_pairs(scores, truth, 2) == [(0, 6, 3.0, True), (0, 7, 2.0, False)]
    assert contacts.precision_at(scores, truth, 2) == 0.5 and math.isnan(contacts.precision_at(scores, truth, 0))


def test_unresolved_and_unscored_pairs_do_not_count():
    touching = symmetric(8, {(0, 6): 1}).bool()
    resolved = torch.ones(8, dtype=torch.bool)
    resolved[7] = False
    assert contacts.eligible(torch.zeros(8, 8), truth_of(touching, resolved)).nonzero().tolist() == [[0, 6]]
    scores = torch.full((8, 8), math.nan)
    assert len(contacts.precision_curve(scores, truth_of(touching))) == 0
    with pytest.raises(UnknownName):
        contacts.eligible(scores, truth_of(touching), span="far")


@given(st.integers(0, 2**31), st.integers(8, 40))
def test_scores_without_information_reach_chance_and_the_truth_reaches_one(seed, n):
    generator = torch.Generator().manual_seed(seed)
    upper = (torch.rand(n, n, generator=generator) < 0.2).triu(1)
    truth = truth_of(upper | upper.T)
    for row in contacts.precisions(torch.ones(n, n), truth):
        assert not row.pairs or row.precision == pytest.approx(row.chance)
    for row in contacts.precisions(truth.contacts.float(), truth):
        assert not row.pairs or row.precision == pytest.approx(min(1, row.contacts / row.used))
    ranks = torch.rand(n, n, generator=generator)
    assert torch.equal(contacts.precision_curve(ranks, truth), contacts.precision_curve(3 * ranks + 1, truth))


def test_apc_by_hand_and_on_a_pure_background():
    matrix = symmetric(3, {(0, 1): 1.0, (0, 2): 2.0, (1, 2): 3.0})
    # means: row 0 1.5, row 1 2, row 2 2.5; all 2
    assert torch.allclose(contacts.apc(matrix), symmetric(3, {(0, 1): -0.5, (0, 2): 0.125, (1, 2): 0.5}))
    assert float(contacts.apc(torch.ones(5, 5)).abs().max()) < 1e-6
    assert not contacts.apc(torch.zeros(4, 4)).any()
    among = torch.tensor([True, True, True, False])
    wide = torch.full((4, 4), 7.0)
    wide[:3, :3] = matrix
    assert torch.allclose(contacts.apc(wide, among=among)[:3, :3], contacts.apc(matrix))
    assert not contacts.apc(wide, among=among)[3].any()


# Placement


def test_a_sequence_is_placed_on_a_chain_with_gaps_and_a_mutation():
    chain = presets.load_preset("ubiquitin")
    letters = "GS" + chain.sequence[:30] + chain.sequence[35:50] + "W" + chain.sequence[51:]
    found = alignment.align(letters, chain)
    assert found.residues.tolist() == [-1, -1, *range(30), *range(35, 76)]
    assert found.mismatches == ((47, "W", chain.sequence[50]),)
    assert found.identity == pytest.approx(70 / 71) and found.aligned == 71
    assert str(found) == "71 of 73 positions lie on residues of the structure, identity 99%"


def test_open_positions_do_not_count_in_the_identity():
    chain = presets.load_preset("crambin")
    found = alignment.align("_" * len(chain), chain)
    assert found.residues.tolist() == list(range(len(chain))) and math.isnan(found.identity)
    half = chain.sequence[:20] + "_" * (len(chain) - 20)
    assert alignment.align(half, chain).identity == 1
    with pytest.raises(InputError, match="empty"):
        alignment.align("", chain)
