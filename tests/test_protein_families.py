"""Alignments, their weights, their columns in structures, and the couplings that they show by themselves."""

import csv
import gzip
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_core.errors import FormatError, InputError, MiCoreError
from mi_core.proteins import contacts, dca, families, presets
from mi_core.proteins.structure import read_structure

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def family_of(text):
    return families.read_family(text.encode())


def rows_of(*texts):
    return family_of("".join(f">s{k}\n{text}\n" for k, text in enumerate(texts))).rows


# Reading


@pytest.mark.parametrize(
    "text",
    [
        ">one x\nAC-Y\n>two\nW-AC\n",
        ">one\nac.y\r\n>two\r\nw-\r\nac\r\n",
        ">one\nACk-Y\n>two\nW.-..A.C\n",  # A2M, insertions not padded
        "# STOCKHOLM 1.0\n#=GF ID x\none AC-Y\ntwo W-AC\n#=GC RF xxxx\n//\nthree AAAA\n",
        "# STOCKHOLM 1.0\none A\ntwo W\n\none C-Y\ntwo -AC\n//\n",
    ],
)
def test_the_same_alignment_in_every_form(text):
    found = family_of(text)
    assert found.names == ("one", "two") and len(found) == 2 and found.columns == 4
    assert [families.spell(row) for row in found.rows] == ["AC-Y", "W-AC"]
    assert found.rows.tolist() == [[0, 1, 20, 19], [18, 20, 0, 1]]
    assert found.sequences() == ("ACY", "WAC")
    assert torch.equal(families.read_family(gzip.compress(text.encode())).rows, found.rows)


def test_letters_that_are_no_single_amino_acid_are_gaps():
    assert rows_of("AXBZ", "JUO*").tolist() == [[0, 20, 20, 20], [20] * 4]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("hello", "no alignment in FASTA, A2M or Stockholm"),
        ("# STOCKHOLM 1.0\n//\n", "holds no sequences"),
        (">a\nACD\n>b\nAC\n", "not aligned: b has 2 columns, the first 3"),
        (">a\nAC1\n", "Character '1' in column 3 of a"),
        (">a\nACé\n", "in column 3 of a"),
        (">a\nA\n", "has 1 columns; 2 to 1024"),
        (">a\n>b\n", "has 0 columns"),
        (">a\n" + "A" * 1025, "has 1025 columns"),
        (">\nAA\n" * 200_001, "200,001 sequences"),
    ],
)
def test_what_is_refused_in_one_sentence(text, message):
    with pytest.raises((InputError, FormatError), match=message) as caught:
        family_of(text)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 160


def test_a_gzip_bomb_is_refused():
    with pytest.raises(InputError, match="at most 64 MB"):
        families.read_family(gzip.compress(b"\n" * (65 * 2**20), 1))


@given(st.text(alphabet=">#AC-x.\n 1", max_size=80))
def test_any_text_is_read_or_refused(text):
    try:
        found = family_of(text)
    except MiCoreError:
        return
    assert found.rows.shape == (len(found), found.columns) and int(found.rows.max()) <= 20


def test_rows_by_name():
    found = family_of(">a\nAC\n>b\nCC\n")
    assert found.row("b").tolist() == [1, 1]
    with pytest.raises(InputError, match="no sequence 'c'"):
        found.row("c")


# Weights


def test_weights_by_hand():
    """Of ten columns the second row differs from the first in two (alike), the third in three; the fourth is equal."""
    rows = rows_of("AAAAAAAAAA", "AAAAAAAACC", "DAAAAAAADD", "AAAAAAAAAA")
    assert families.weights(rows).tolist() == pytest.approx([1 / 3, 1 / 3, 1, 1 / 3])
    assert families.weights(rows, identity=1).tolist() == pytest.approx([1 / 2, 1, 1, 1 / 2])
    with pytest.raises(InputError, match="lies in"):
        families.weights(rows, identity=0)


@given(
    st.integers(0, 2**31), st.integers(1, 40), st.sampled_from([2, 5, 63, 64, 65, 130]), st.sampled_from([1, 7, 512])
)
@settings(max_examples=30)
def test_weights_against_plain_counting(seed, count, columns, tile):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(0, 21, (1, columns), generator=generator).repeat(count, 1)
    changed = torch.rand(count, columns, generator=generator) < 0.2
    rows = torch.where(changed, torch.randint(0, 21, (count, columns), generator=generator), rows).to(torch.uint8)
    same = (rows[:, None] == rows[None, :]).sum(-1)
    expected = 1 / (same >= math.ceil(0.8 * columns - 1e-9)).sum(1).double()
    assert torch.allclose(families.weights(rows, tile=tile), expected)


# Columns in a structure


def test_a_row_is_placed_by_its_letters():
    chain = presets.load_preset("crambin")
    rows = rows_of(f"-{chain.sequence[:10]}--{chain.sequence[12:]}")
    found = families.place_row(rows[0], chain)
    assert found.residues.tolist() == [-1, *range(10), -1, -1, *range(12, len(chain))] and found.identity == 1


def table(rows):
    return "\n".join(["msa_col_0based,ref_aa,pdb_resnum,pdb_aa", *rows]).encode()


def test_mappings_are_checked_against_the_chain():
    chain = presets.load_preset("bpti")  # RPDFC
    found = families.read_mapping(table(["0,F,4,F", "1,-,,", "2,C,5,C"]), chain, 4)
    assert found.residues.tolist() == [3, -1, 4, -1] and found.identity == 1
    indices = b"0\tF\t7\t4 A\t15\n2\tC\t9\t5 A\t3"
    assert families.read_mapping(indices, chain, 4).residues.tolist() == [3, -1, 4, -1]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (table(["0,F,4,G"]), "has G at residue 4, and the structure has F"),
        (table(["9,F,4,F"]), "column 9 on residue 4, and one"),
        (table(["0,F,400,F"]), "column 0 on residue 400"),
        (table(["x,F,4,F"]), "cannot be read"),
        (b"msa_col_0based\n1", "cannot be read"),
        (b"0\tF", "cannot be read"),
        (b"nonsense", "cannot be read"),
        (b"", "is empty"),
    ],
)
def test_mappings_that_are_refused(data, message):
    with pytest.raises((InputError, FormatError), match=message):
        families.read_mapping(data, presets.load_preset("bpti"), 4)


# Couplings


def test_covariance_mi_by_hand():
    """Two columns that copy each other share ln 2; an independent third shares nothing."""
    rows = rows_of("AAC", "AAD", "CCC", "CCD")
    found = dca.covariance_mi(rows, torch.ones(4, dtype=torch.float64))
    expected = torch.zeros(3, 3, dtype=torch.float64)
    expected[0, 1] = expected[1, 0] = math.log(2)
    assert torch.allclose(found, expected, atol=1e-7)


def test_weights_count_as_copies():
    rows = rows_of("AAC", "ACD", "CCC")
    twice = rows_of("AAC", "AAC", "ACD", "CCC")
    weighted = dca.covariance_mi(rows, torch.tensor([2.0, 1.0, 1.0], dtype=torch.float64))
    assert torch.allclose(weighted, dca.covariance_mi(twice, torch.ones(4, dtype=torch.float64)), atol=1e-6)


def test_frequencies_are_those_of_one_distribution():
    rows = rows_of("AC", "A-", "YC")
    single, pairs = dca.frequencies(rows, torch.ones(3, dtype=torch.float64), pseudocount=0.5)
    blocks = pairs.reshape(2, 21, 2, 21)
    assert torch.allclose(single.sum(1), torch.ones(2, dtype=torch.float64))
    assert torch.allclose(blocks.sum(3), single[:, :, None].expand(2, 21, 2).double())
    assert float(single[0, 0]) == pytest.approx(0.5 * 2 / 3 + 0.5 / 21)


def chain_of_copies(count, seed):
    """A Markov chain over 4 columns in 21 states, each a copy of the one before with probability .6."""
    generator = torch.Generator().manual_seed(seed)
    columns = [torch.randint(0, 21, (count,), generator=generator)]
    for _ in range(3):
        fresh = torch.randint(0, 21, (count,), generator=generator)
        columns.append(torch.where(torch.rand(count, generator=generator) < 0.6, columns[-1], fresh))
    return torch.stack(columns, dim=1).to(torch.uint8)


def test_couplings_tell_direct_from_indirect_and_mi_does_not():
    rows = chain_of_copies(20_000, seed=0)
    ones = torch.ones(len(rows), dtype=torch.float64)
    direct = dca.mean_field_dca(rows, ones, pseudocount=0.001)
    mi = dca.covariance_mi(rows, ones)
    neighbours = torch.tensor([[0, 1], [1, 2], [2, 3]]).T
    assert float(direct[0, 2]) < 0.15 * float(direct[tuple(neighbours)].min())
    assert float(mi[0, 2]) > 0.3 * float(mi[tuple(neighbours)].min())
    assert torch.allclose(direct, direct.T, atol=1e-9) and not direct.diagonal().any()


def test_couplings_are_minus_the_inverse_covariance():
    rows = chain_of_copies(200, seed=1)
    ones = torch.ones(len(rows), dtype=torch.float64)
    single, pairs = dca.frequencies(rows, ones, pseudocount=0.5)
    keep = [21 * i + a for i in range(4) for a in range(20)]
    covariance = (pairs - torch.outer(single.flatten(), single.flatten()))[keep][:, keep]
    couplings = dca.mean_field_couplings(rows, ones).permute(0, 2, 1, 3).reshape(80, 80)
    assert torch.allclose(-couplings @ covariance, torch.eye(80, dtype=torch.float64), atol=1e-8)


@pytest.mark.parametrize("pseudocount", [-0.1, 1.1, 0])
def test_pseudocounts_that_are_refused(pseudocount):
    with pytest.raises(InputError, match="pseudocount"):
        dca.mean_field_dca(rows_of("AC"), torch.ones(1, dtype=torch.float64), pseudocount=pseudocount)


def test_other_input_that_is_refused():
    with pytest.raises(InputError, match="One weight for each"):
        dca.covariance_mi(torch.zeros(0, 3, dtype=torch.uint8), torch.zeros(0, dtype=torch.float64))
    with pytest.raises(InputError, match="at most 300"):
        dca.covariance_mi(torch.zeros(1, 301, dtype=torch.uint8), torch.ones(1, dtype=torch.float64))


# Real families, against figures of an independent program (`../shared/data/README.md`)

KORTEMME = "pfam40/alignments/{}.align.80", "pfam40/structures/{}.pdb", "pfam40/indices/{}.indices"
REFERENCE = {  # precision at L/5, L/2, L of MI + APC and of mean-field DCA + APC, and chance
    "PF00018": ("2O9S_A", (1.00, 0.75, 0.60), (1.00, 0.75, 0.58), 0.106),
    "PF00076": ("2X1B_A", (0.79, 0.74, 0.65), (0.71, 0.77, 0.69), 0.062),
}


@pytest.mark.parametrize("name", REFERENCE)
def test_contact_recovery_as_an_independent_program_has_it(name):
    structure, by_mi, by_dca, chance = REFERENCE[name]
    paths = [DATA / form.format(text) for form, text in zip(KORTEMME, (name, structure, structure), strict=True)]
    if not all(path.exists() for path in paths):
        pytest.skip("The shared family alignments are not here.")
    family = families.read_family(paths[0])
    chain = read_structure(paths[1]).chain()
    place = families.read_mapping(paths[2], chain, family.columns)
    assert place.identity == 1
    truth = contacts.contact_map(chain, residues=place.residues)
    weights = families.weights(family.rows)
    for method, expected in ((dca.covariance_mi, by_mi), (dca.mean_field_dca, by_dca)):
        rows = [r for r in contacts.precisions(contacts.apc(method(family.rows, weights)), truth) if r.range == "all"]
        assert [row.precision for row in rows] == pytest.approx(expected, abs=0.006)  # stated to two decimals
        assert rows[0].chance == pytest.approx(chance, abs=0.001)


@pytest.mark.parametrize("path", sorted((DATA / "mappings").glob("PF*__*.csv")), ids=lambda path: path.stem)
def test_every_mapping_agrees_with_its_structure(path):
    pdb, chain_id = path.stem.split("__")[1].split("_")
    places = [DATA / "structures" / f"{pdb}.pdb", DATA / "pfam40" / "structures" / f"{pdb}_{chain_id}.pdb"]
    chain = next(read_structure(place).chain(chain_id) for place in places if place.exists())
    lines = list(csv.DictReader(path.read_text().splitlines()))
    found = families.read_mapping(path, chain, len(lines))
    assert found.aligned == sum(bool(line["pdb_resnum"]) for line in lines) and found.identity == 1
