"""Which sequences belong to a family: those that its profile finds, as Pfam assigns them, with HMMER by pyhmmer.

A profile hidden Markov model of the alignment (Eddy 1998) sees relatives that comparing two sequences often misses.
"""

from collections.abc import Sequence

from pyhmmer.easel import Alphabet, DigitalSequenceBlock, TextMSA, TextSequence
from pyhmmer.hmmer import hmmsearch
from pyhmmer.plan7 import Background, Builder

from mi_core.errors import InputError
from mi_core.proteins.families import GAP, Family, spell

LONGEST = 100_000  # residues that HMMER takes
EVALUE = 10.0  # HMMER's own limit of what it reports: what may be a relative counts as one


def relatives(sequences: Sequence[str], families: Sequence[Family], *, evalue: float = EVALUE) -> frozenset[int]:
    """The places in `sequences` of those that the profile of one of `families` finds.

    Args:
        sequences: letters of amino acids.
        evalue: chance hits to expect among all of `sequences`, at most; large is strict.

    Raises:
        InputError: a sequence of more than `LONGEST` residues, or a family of gaps alone.
    """
    if not sequences:
        return frozenset()
    longest = max(map(len, sequences))
    if longest > LONGEST:
        raise InputError(f"A sequence has {longest:,} residues; profiles search those of at most {LONGEST:,}.")
    alphabet: Alphabet = Alphabet.amino()
    digital = DigitalSequenceBlock(alphabet, [text.digitize(alphabet) for text in _named(sequences)])
    found: set[int] = set()
    for family in families:
        full = [spell(row) for row in family.rows[(family.rows != GAP).any(1)]]
        if not full:
            raise InputError("This alignment holds no residues to make a profile of.")
        rows = TextMSA(name=b"family", sequences=_named(full)).digitize(alphabet)
        profile, _, _ = Builder(alphabet).build_msa(rows, Background(alphabet))
        for hits in hmmsearch(profile, digital, cpus=1, E=evalue):
            found |= {int(hit.name) for hit in hits}
    return frozenset(found)


def _named(texts: Sequence[str]) -> list[TextSequence]:
    """Sequences that are called by their places."""
    return [TextSequence(name=str(k).encode(), sequence=text) for k, text in enumerate(texts)]
