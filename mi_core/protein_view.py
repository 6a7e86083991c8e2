"""A protein as an explorer shows it: residue numbers, masks in those numbers, its strongest pairs, a trace to draw.

Positions are 0-based inside. A label is what stands on screen: the author's residue number where the sequence is that
of a structure, 1..N elsewhere.
"""

import hashlib
import re
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.errors import InputError
from mi_core.proteins.alignment import Placement, align, placement
from mi_core.proteins.contacts import ContactMap, apc, contact_map, eligible
from mi_core.proteins.files import read_text
from mi_core.proteins.sequence import MAX_LENGTH, MIN_LENGTH, VOCAB, Record, format_mask, parse, parse_mask
from mi_core.proteins.structure import BACKBONE, MAX_BYTES, UNKNOWN, Chain, Structure, read_structure
from mi_core.results import MIResult
from mi_core.shapes import MaskRow, PairMatrix, Row

_LABEL = r"-?\d{1,5}[A-Z]?"
LEAST_IDENTITY = 0.3  # below it an alignment of unrelated proteins looks no different (Rost 1999)


@dataclass(frozen=True, eq=False)
class Protein:
    """A sequence of N residues and, where there is one, the structure that it lies on."""

    name: str
    letters: str  # of the 20, and `_` where the residue is open from the start
    labels: tuple[str, ...]
    chain: Chain | None = None
    placed: Placement | None = None  # of the sequence on the chain
    note: str = ""  # one sentence where a choice was made for the reader

    def __len__(self) -> int:
        return len(self.letters)

    @property
    def tokens(self) -> Row:
        """Token ids and the mask, shape (N,)."""
        return VOCAB.encode(self.letters)

    @property
    def structure_key(self) -> str:
        """Tells structures apart, also those of one name; empty without one."""
        if self.chain is None:
            return ""
        return hashlib.sha256(self.chain.sequence.encode() + self.chain.backbone.numpy().tobytes()).hexdigest()[:16]

    @property
    def is_its_chain(self) -> bool:
        """Whether position i is residue i of the structure for all i: what a model of the backbone needs."""
        if self.chain is None or self.placed is None or len(self) != len(self.chain):
            return False
        return bool((self.placed.residues == torch.arange(len(self))).all())


def read_upload(data: bytes) -> Record | Structure:
    """What a file holds: a sequence (FASTA or letters alone) or a structure (PDB or mmCIF), gzip or not.

    Raises:
        InputError, FormatError: empty, more than 10 MB, damaged, or none of these.
    """
    text = read_text(data, limit=MAX_BYTES, what="protein")
    letters_alone = re.fullmatch(r"[A-Za-z_.?*\s]{1,20000}", text) and not text.startswith(
        ("ATOM  ", "HETATM", "data_")
    )
    if text.lstrip().startswith(">") or letters_alone:
        return parse(text)
    return read_structure(data)


def of_chain(chain: Chain, name: str) -> Protein:
    """The sequence that a structure shows; unknown residues are open.

    Raises:
        InputError: not 3 to 512 residues.
    """
    if not MIN_LENGTH <= len(chain) <= MAX_LENGTH:
        way_out = "cut out a domain" if len(chain) > MAX_LENGTH else "give a longer one"
        raise InputError(
            f"Chain {chain.id} has {len(chain)} residues; {MIN_LENGTH} to {MAX_LENGTH} can be used, so {way_out}."
        )
    letters = chain.sequence.replace(UNKNOWN, VOCAB.mask)
    return Protein(name, letters, _labels(chain), chain, placement(letters, chain, torch.arange(len(chain))))


def of_record(record: Record, chain: Chain | None = None) -> Protein:
    """A sequence that was given, aligned with a structure if there is one.

    Raises:
        InputError: sequence and structure are too long to align.
    """
    name, count = record.name or "Pasted sequence", len(record.letters)
    numbers = tuple(str(k) for k in range(1, count + 1))
    if chain is None:
        return Protein(name, record.letters, numbers, note=record.note)
    found = align(record.letters, chain)
    protein = Protein(name, record.letters, numbers, chain, found, record.note)
    return replace(protein, labels=_labels(chain)) if protein.is_its_chain else protein


def _labels(chain: Chain) -> tuple[str, ...]:
    """Author numbers; 1..N where they repeat or cannot be written in a pattern."""
    usable = len(set(chain.labels)) == len(chain) and all(re.fullmatch(_LABEL, text) for text in chain.labels)
    return chain.labels if usable else tuple(str(k) for k in range(1, len(chain) + 1))


def residue_name(protein: Protein, position: int) -> str:
    """`K48`; `48` where the residue is open from the start."""
    letter = protein.letters[position]
    return ("" if letter == VOCAB.mask else letter) + protein.labels[position]


# Masks in labels


def read_mask(pattern: str, protein: Protein, *, seed: int = 0) -> MaskRow:
    """As `parse_mask`, shape (N,), with the positions written as labels: `10-30,52A`, `all`, `none`, `ratio:.5`.

    Raises:
        InputError: no such pattern or residue.
    """
    numbered = all(label == str(k) for k, label in enumerate(protein.labels, start=1))
    text = "".join(pattern.split())
    if numbered or text.lower() in {"all", "none"} or text.lower().startswith("ratio:"):
        return parse_mask(text, len(protein), seed=seed)
    chosen = torch.zeros(len(protein), dtype=torch.bool)
    for part in text.split(","):
        first, last = _ends(part, protein)
        chosen[first : last + 1] = True
    return chosen


def _ends(part: str, protein: Protein) -> tuple[int, int]:
    """Positions of the first and last residue of `45` or `10-30`, numbers that may be negative."""
    found = re.fullmatch(rf"({_LABEL})(?:[-\u2013]({_LABEL}))?", part.upper())
    if not found:
        raise InputError(f"{part[:20]!r} names no residues; write '10-30,45', 'all', 'none' or 'ratio:.5'.")
    ends = [find_label(text, protein) for text in (found[1], found[2] or found[1])]
    if ends[0] > ends[1]:
        raise InputError(f"Residues {part} do not stand in this order in the sequence.")
    return ends[0], ends[1]


def find_label(label: str, protein: Protein) -> int:
    """Position of the first residue with this label.

    Raises:
        InputError: there is none.
    """
    if label not in protein.labels:
        raise InputError(
            f"There is no residue {label[:20]}; numbers run from {protein.labels[0]} to {protein.labels[-1]}."
        )
    return protein.labels.index(label)


def write_mask(masked: MaskRow, protein: Protein) -> str:
    """The shortest pattern that `read_mask` reads back. masked (N,)."""
    text = format_mask(masked)
    if text in {"all", "none"}:
        return text
    spans = [[protein.labels[int(end) - 1] for end in part.split("-")] for part in text.split(",")]
    return ",".join("-".join(span) for span in spans)


def mask_of(text: str) -> MaskRow:
    """A mask (N,) from N characters, 1 where masked."""
    return torch.tensor([character == "1" for character in text], dtype=torch.bool)


# Pairs


@dataclass(frozen=True)
class Pair:
    """Two positions i < j."""

    i: int
    j: int
    score: float  # nats; of the corrected map where that was asked for
    distance: float | None  # Å, None without a structure of both
    contact: bool | None


def pair_scores(result: MIResult, *, corrected: bool) -> PairMatrix:
    """MI (N, N) of the open pairs in nats, average-product corrected or not; NaN elsewhere and on the diagonal."""
    matrix = apc(result.mi, among=result.masked) if corrected else result.mi
    off = ~torch.eye(len(matrix), dtype=torch.bool)
    return matrix.masked_fill(~(result.masked[:, None] & result.masked[None, :] & off), torch.nan)


def known_contacts(protein: Protein, definition: str) -> ContactMap | None:
    """Contacts in the positions of the sequence; None without a structure.

    Raises:
        UnknownName: no such definition.
        InputError: the structure has too many residues.
    """
    if protein.chain is None or protein.placed is None:
        return None
    return contact_map(protein.chain, definition=definition, residues=protein.placed.residues)


def strongest(
    scores: PairMatrix, truth: ContactMap | None, count: int | None, *, span: str = "all", pin: int | None = None
) -> list[Pair]:
    """The `count` best pairs of a range (all if None), best first; of one position if `pin` is given.

    Only pairs at least 6 apart along the sequence count, and only those that the structure shows where there is one.

    Raises:
        UnknownName: no such range.
    """
    seen = truth if truth is not None else _nothing_known(len(scores))
    pairs = eligible(scores, seen, span=span)
    if pin is not None:
        near = torch.arange(len(scores)) == pin
        pairs &= near[:, None] | near[None, :]
    first, second = pairs.nonzero(as_tuple=True)
    values = scores[first, second]
    order = values.sort(descending=True, stable=True).indices[:count].tolist()
    return [_pair(int(first[k]), int(second[k]), float(values[k]), truth) for k in order]


def _pair(i: int, j: int, score: float, truth: ContactMap | None) -> Pair:
    if truth is None:
        return Pair(i, j, score, None, None)
    return Pair(i, j, score, float(truth.distances[i, j]), bool(truth.contacts[i, j]))


def _nothing_known(size: int) -> ContactMap:
    """Every pair counts and none touches: how a sequence without a structure is ranked."""
    empty = torch.zeros(size, size, dtype=torch.bool)
    return ContactMap(empty, torch.ones(size, dtype=torch.bool), torch.zeros(size, size), "none", 1)


# What a viewer draws


def principal_frame(chain: Chain) -> Float[Tensor, "N 4 3"]:
    """Backbone (N, CA, C, O) in Å, centred and turned so that the longest axis lies along x and the next along y."""
    alpha = chain.backbone[:, 1].double()
    centre = alpha.mean(0)
    _, _, axes = torch.linalg.svd(alpha - centre, full_matrices=False)
    turn = axes.T.clone()  # (3, K) columns are the axes, by falling spread
    turn[:, 2] = torch.linalg.cross(turn[:, 0], turn[:, 1])  # a rotation, never a mirror image
    turned: Tensor = (chain.backbone.double() - centre) @ turn
    return turned


def viewer_text(chain: Chain, frame: Float[Tensor, "N 4 3"]) -> str:
    """The backbone as PDB text for a viewer, made from numbers alone: chain A, residues 1..N in the chain's order."""
    lines: list[str] = []
    for i, residue in enumerate(frame.tolist()):
        for name, (x, y, z) in zip(BACKBONE, residue, strict=True):
            if x == x:
                lines.append(
                    f"ATOM  {len(lines) + 1:5d}  {name:<3} ALA A{i + 1:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00"
                    f"          {name[0]:>2}"
                )
    return "\n".join([*lines, "TER", "END", ""])


def state_of(protein: Protein, masked: MaskRow) -> str:
    """The letters with `_` where masked or open from the start; what a model is given."""
    return VOCAB.decode(protein.tokens.masked_fill(masked, VOCAB.mask_id))


def backbone_of(protein: Protein) -> Chain:
    """The structure for a model that designs for a backbone.

    Raises:
        InputError: there is none, or its residues are not those of the sequence.
    """
    if protein.chain is None:
        raise InputError("ProteinMPNN designs for a backbone: choose an example or upload a structure.")
    if not protein.is_its_chain:
        raise InputError(
            "ProteinMPNN designs for a backbone, and this sequence has other residues than the structure; remove the "
            "pasted sequence or choose another model."
        )
    return protein.chain
