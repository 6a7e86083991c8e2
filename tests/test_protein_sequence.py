"""Pasted sequences, FASTA, and mask patterns."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mi_core.errors import InputError
from mi_core.proteins import sequence as seq

LETTERS = st.text(alphabet=seq.AMINO_ACIDS + "_", min_size=3, max_size=60)


def test_symbols_are_the_twenty_in_order_and_the_mask():
    assert seq.VOCAB.size == 20 and seq.VOCAB.mask == "_" and seq.VOCAB.mask_id == 20
    assert "".join(sorted(seq.AMINO_ACIDS)) == seq.AMINO_ACIDS == "ACDEFGHIKLMNPQRSTVWY"


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("ACD", "ACD"),
        (" acd\n efg \r\n", "ACDEFG"),
        ("A.C_D?E<mask>F<MASK>", "A_C_D_E_F_"),
        ("MKV*", "MKV"),
        ("\ufeff>x\nMKV", "MKV"),
        (">one long title\nMK\nVL\n", "MKVL"),
        ("  >one\r\nMKVL\r\n", "MKVL"),
    ],
)
def test_what_is_read(text, letters):
    assert seq.parse(text).letters == letters


def test_tokens_are_positions_in_the_alphabet():
    assert seq.parse("ACY_").tokens.tolist() == [0, 1, 19, 20]


def test_several_records():
    text = ">one\nMKV\n>two first\nACDE\n"
    assert (seq.parse(text).name, seq.parse(text).letters) == ("one", "MKV")
    assert seq.parse(text).note == "The text holds 2 sequences; the first, one, is shown."
    assert seq.parse(text, name="two").letters == "ACDE" and not seq.parse(text, name="two").note
    assert [record.name for record in seq.parse_all(text)] == ["one", "two"]
    with pytest.raises(InputError, match=r"no record 'three'.*one, two"):
        seq.parse(text, name="three")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        (" \n\t", "is empty"),
        ("*", "is empty"),
        ("MK", "has 2 residues; 3 to 512"),
        ("M" * 513, "has 513 residues; 3 to 512.*cut out a domain"),
        ("MKXV", "Letter 'X' at position 3 is no amino acid: an unknown residue"),
        ("MK-V", "Letter '-' at position 3.*gaps"),
        ("MKV1", "Letter '1' at position 4"),
        ("MK**", "Letter '\\*' at position 3"),
        ("MKé", "Letter 'É' at position 3"),
        (">a", "record 'a' has no sequence"),
        (">a\n>b\nMKV", "record 'a' has no sequence"),
        (">\nMKZV", "Letter 'Z' at position 3"),
        ("MKV\n>b\nMKV", "begins otherwise"),
        ("MKV>b", "begins otherwise"),
        (">a\nMKV\n>b\nMBV", None),
        ("A" * 200_001, "has 200001 characters"),
    ],
)
def test_what_is_refused_in_one_sentence(text, message):
    if message is None:  # only the chosen record has to be right
        assert seq.parse(text).letters == "MKV"
        with pytest.raises(InputError, match="Letter 'B' at position 2 of b"):
            seq.parse_all(text)
        return
    with pytest.raises(InputError, match=message) as caught:
        seq.parse(text)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


@given(LETTERS)
def test_parsing_inverts_writing(letters):
    assert seq.VOCAB.decode(seq.parse(letters).tokens) == letters
    assert seq.parse(f">x\n{letters.lower()}").letters == letters


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    try:
        record = seq.parse(text)
    except InputError:
        return
    assert set(record.letters) <= set(seq.AMINO_ACIDS + "_") and 3 <= len(record.letters) <= 512


@pytest.mark.parametrize(
    ("pattern", "positions"),
    [
        ("1", [0]),
        ("2-4,6", [1, 2, 3, 5]),
        (" 2 - 4 , 3-5 ", [1, 2, 3, 4]),
        ("2\u20133", [1, 2]),
        ("all", list(range(8))),
        ("ALL", list(range(8))),
        ("none", []),
        ("ratio:0", []),
        ("ratio:1", list(range(8))),
    ],
)
def test_patterns(pattern, positions):
    assert seq.parse_mask(pattern, 8).nonzero().flatten().tolist() == positions


REFUSED = ["", "0", "9", "4-2", "1-9", "1,,2", "-3", "a", "1;2", "9" * 400, "²", "ratio:" + "9" * 5000]


@pytest.mark.parametrize("pattern", [*REFUSED, "ratio:", "ratio:2", "ratio:nan", "ratio:-.1", "ratio:1e-1"])
def test_patterns_that_are_refused(pattern):
    with pytest.raises(InputError):
        seq.parse_mask(pattern, 8)


@given(st.integers(1, 300), st.integers(0, 100), st.integers(0, 9))
def test_a_ratio_masks_its_share_and_repeats_itself(length, percent, seed):
    chosen = seq.parse_mask(f"ratio:{percent / 100}", length, seed=seed)
    assert abs(int(chosen.sum()) - percent / 100 * length) <= 0.5 + 1e-9
    assert torch.equal(chosen, seq.parse_mask(f"ratio:{percent / 100}", length, seed=seed))


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_a_mask_is_written_so_that_it_reads_back(flags):
    masked = torch.tensor(flags)
    assert torch.equal(seq.parse_mask(seq.format_mask(masked), len(flags)), masked)


def test_masks_are_written_short():
    masked = torch.zeros(50, dtype=torch.bool)
    masked[9:30] = masked[44] = True
    assert seq.format_mask(masked) == "10-30,45"


def test_masking():
    tokens = seq.parse("MK_V").tokens
    assert seq.VOCAB.decode(seq.apply_mask(tokens, seq.parse_mask("1", 4))) == "_K_V"
    assert seq.VOCAB.decode(tokens) == "MK_V"
