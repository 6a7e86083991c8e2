"""What the bench, tables and files of the Protein page are given, as plain JSON values. No Streamlit."""

import base64
import csv
import io
import json
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mi_core.benchmarks.coevolution import FamilyScores
from mi_core.information import entropy, max_entropy
from mi_core.protein_view import (
    Pair,
    Protein,
    pair_scores,
    principal_frame,
    residue_name,
    state_of,
    strongest,
    viewer_text,
)
from mi_core.proteins.contacts import DEFINITIONS, FRACTIONS, SEPARATION, ContactMap, precision_curve, precisions
from mi_core.proteins.sequence import VOCAB
from mi_core.results import MIResult
from mi_core.shapes import MaskRow

VIEWS = {"contacts": "MI and contacts", "estimate": "Truth and estimate"}
SCALES = {"steps": "Round, as it fits", "small": "0.01", "middle": "0.05", "ln2": "ln 2", "own": "This map"}
ROUND = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # nats; models differ by powers of ten
SPANS = {"all": "All, 6 and more", "short": "Short, 6 to 11", "medium": "Medium, 12 to 23", "long": "Long, 24 and more"}
MOST_LINES = 150  # more of them make the 3D view slow
STEPS = 65535
CURVE_POINTS = 400


@dataclass(frozen=True)
class Look:
    """How maps and pairs are shown; keys of VIEWS, SCALES and SPANS."""

    view: str = "contacts"
    scale: str = "steps"
    span: str = "all"
    definition: str = "beta"
    corrected: bool = True
    count: int = 30  # strongest pairs drawn


@dataclass(frozen=True, eq=False)
class Shown:
    """One protein, what is masked of it, and what is known of the state."""

    protein: Protein
    masked: MaskRow  # (N,)
    contacts: ContactMap | None = None
    log_probs: Tensor | None = None  # (N, 20) of the base pass
    estimate: MIResult | None = None
    truth: MIResult | None = None
    family: FamilyScores | None = None

    @property
    def ranking(self) -> MIResult | None:
        """The route that ranks the pairs: the truth, else the estimate."""
        return self.truth or self.estimate

    def scores(self, corrected: bool) -> Tensor | None:
        """Scores (N, N) of the ranking route, None without one."""
        return None if self.ranking is None else pair_scores(self.ranking, corrected=corrected)

    def pairs(self, look: Look, count: int | None, *, pin: int | None = None) -> list[Pair]:
        """The strongest pairs of the look's range."""
        scores = self.scores(look.corrected)
        return [] if scores is None else strongest(scores, self.contacts, count, span=look.span, pin=pin)


def bench(shown: Shown, look: Look, *, pins: tuple[int, ...] = (), absent: str = "", seen: int = 0) -> dict[str, Any]:
    """What the bench draws.

    Args:
        pins: no, one or two positions.
        absent: what stands over the empty triangle while there is no MI.
        seen: stamp of the latest event of the bench that this answers.
    """
    protein = shown.protein
    state = state_of(protein, shown.masked)
    return {
        "seen": seen,
        "key": f"{protein.letters}|{protein.structure_key}",
        "letters": protein.letters,
        "labels": list(protein.labels),
        "open": "".join("1" if letter == VOCAB.mask else "0" for letter in state),
        "pins": list(pins),
        "view": look.view,
        "corrected": look.corrected,
        "separation": SEPARATION,
        "absent": absent,
        "truth": _condensed(shown.truth, look),
        "estimate": _condensed(shown.estimate, look),
        "scale": scale(shown, look),
        "top": [[p.i, p.j, round(p.score, 5), _sign(p)] for p in _drawn(shown, look)],
        "contacts": None if shown.contacts is None else _contacts(shown.contacts),
        "structure": structure(protein),
        **_beliefs(shown.log_probs, state),
    }


def _drawn(shown: Shown, look: Look) -> list[Pair]:
    return shown.pairs(look, min(look.count, MOST_LINES))


def _sign(pair: Pair) -> int:
    """1 in contact, 0 apart, -1 unknown."""
    return -1 if pair.contact is None else int(pair.contact)


def _beliefs(log_probs: Tensor | None, state: str) -> dict[str, Any]:
    if log_probs is None:
        return {"marginals": None, "entropy": None}
    at = [i for i, letter in enumerate(state) if letter == VOCAB.mask]
    return {
        "marginals": _packed(log_probs[at].exp().flatten(), 0.0, 1 / STEPS),
        "entropy": [round(value, 4) + 0.0 for value in entropy(log_probs).tolist()],
    }


def _condensed(result: MIResult | None, look: Look) -> dict[str, Any] | None:
    """Upper triangle over the open positions, row by row, in steps of a 65,535th of its range."""
    if result is None:
        return None
    values = pair_scores(result, corrected=look.corrected)[result.pairs]
    if not len(values):
        return {"values": "", "low": 0.0, "step": 1.0}
    low = float(values.min())
    step = max(float(values.max()) - low, 1e-9) / STEPS
    return {"values": _packed(values, low, step), "low": low, "step": step}


def _packed(values: Tensor, low: float, step: float) -> str:
    """Base64 of little-endian 16-bit numbers, (value - low) / step."""
    whole = ((values.double() - low) / step).round().clamp(0, STEPS)
    return base64.b64encode(whole.numpy().astype("<u2").tobytes()).decode()


def _contacts(found: ContactMap) -> dict[str, Any]:
    size = len(found.resolved)
    first, second = found.contacts.triu(diagonal=1).nonzero(as_tuple=True)
    upper = found.distances[~found.contacts.new_ones(size, size).tril()]
    step = 200.0 / STEPS  # Å; 0 stands for what the structure does not show
    return {
        "pairs": (size * first + second).tolist(),
        "distances": {"values": _packed(upper.nan_to_num(nan=0.0), 0.0, step), "low": 0.0, "step": step},
        "title": DEFINITIONS[found.definition].title,
    }


def structure(protein: Protein) -> dict[str, Any] | None:
    """The chain for the viewer: text, Cα of each position in the same frame, and the position of each residue."""
    if protein.chain is None or protein.placed is None:
        return None
    frame = principal_frame(protein.chain)
    residues = protein.placed.residues.tolist()
    positions = [-1] * len(protein.chain)
    for position, residue in enumerate(residues):
        if residue >= 0:
            positions[residue] = position
    alpha = [[round(x, 2) for x in atoms[1]] for atoms in frame.tolist()]
    return {
        "key": f"{protein.structure_key}|{len(protein)}",
        "pdb": viewer_text(protein.chain, frame),
        "trace": [alpha[residue] if residue >= 0 else None for residue in residues],
        "positions": positions,
    }


def scale(shown: Shown, look: Look) -> dict[str, Any]:
    """The upper colour limit, nats, and what it says."""
    what = "MI in nats, APC" if look.corrected else "MI in nats"
    fixed = {"small": 0.01, "middle": 0.05, "ln2": max_entropy(2)}
    if look.scale in fixed:
        return {"high": fixed[look.scale], "label": f"{what}; fixed limit"}
    tops = [pair_scores(r, corrected=look.corrected)[r.pairs] for r in (shown.truth, shown.estimate) if r is not None]
    high = max([ROUND[0], *(float(values.max()) for values in tops if len(values))])
    if look.scale == "steps":
        limit = next(step for step in ROUND if step >= high)  # no MI of 20 symbols is above 3 nats
        return {"high": limit, "label": f"{what}; a round limit"}
    return {"high": high, "label": f"{what}; up to this map's maximum"}


# Tables and files


def pair_rows(shown: Shown, look: Look, count: int = 15, *, pin: int | None = None) -> list[dict[str, Any]]:
    """The strongest pairs as table rows; the pinned residue's own if there is one."""
    rows = []
    for rank, pair in enumerate(shown.pairs(look, count, pin=pin), start=1):
        i, j = (pair.j, pair.i) if pin == pair.j else (pair.i, pair.j)
        rows.append(
            {
                "#": rank,
                "Residues": f"{residue_name(shown.protein, i)} · {residue_name(shown.protein, j)}",
                "MI": pair.score,
                "Distance": pair.distance,
                "Contact": None if pair.contact is None else "yes" if pair.contact else "no",
                "Apart": pair.j - pair.i,
            }
        )
    return rows


def precision_rows(shown: Shown, look: Look) -> list[dict[str, Any]]:
    """Precision at L/5, L/2 and L by range, L the masked residues that the structure shows; none without both."""
    scores = shown.scores(look.corrected)
    if scores is None or shown.contacts is None:
        return []
    found = precisions(scores, shown.contacts, length=counted(shown))
    rows = []
    for span, title in SPANS.items():
        of = [p for p in found if p.range == span]
        rows.append(
            {"Range": title, **{p.label: p.precision for p in of}, "Chance": of[0].chance, "Contacts": of[0].contacts}
        )
    return rows


def counted(shown: Shown) -> int:
    """L: masked residues that the structure shows."""
    assert shown.contacts is not None and shown.ranking is not None
    return int((shown.contacts.resolved & shown.ranking.masked).sum())


@dataclass(frozen=True)
class Curve:
    """Precision of the k best pairs, k = 1, 2, ..."""

    map: list[float]
    family: list[float]  # of direct coupling analysis on the same pairs, empty without it
    chance: float
    marks: dict[str, int]  # k at L/5, L/2 and L


def curve(shown: Shown, look: Look) -> Curve | None:
    """The curve of the look's range; None where it is not defined."""
    scores = shown.scores(look.corrected)
    if scores is None or shown.contacts is None:
        return None
    found = precision_curve(scores, shown.contacts, span=look.span).tolist()
    if not found:
        return None
    size = counted(shown)
    shown_pairs = min(CURVE_POINTS, max(2 * size, 10))
    family: list[float] = []
    if shown.family is not None and shown.protein.placed is not None:
        couplings = shown.family.over_positions(shown.protein.placed.residues).masked_fill(scores.isnan(), torch.nan)
        family = precision_curve(couplings, shown.contacts, span=look.span).tolist()
    marks = {label: max(size // divisor, 1) for label, divisor in FRACTIONS.items()}
    return Curve(found[:shown_pairs], family[:shown_pairs], found[-1], marks)


def pairs_csv(shown: Shown, look: Look) -> str:
    """All pairs that count, strongest first: author numbers, MI in nats, distance in Å."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow("rank residue_1 residue_2 position_1 position_2 mi score distance contact".split())
    for rank, pair in enumerate(shown.pairs(look, None), start=1):
        assert shown.ranking is not None
        names = [residue_name(shown.protein, k) for k in (pair.i, pair.j)]
        known = ["", ""] if pair.contact is None else [f"{pair.distance:.2f}", int(pair.contact)]
        raw = float(shown.ranking.mi[pair.i, pair.j])
        writer.writerow([rank, *names, pair.i + 1, pair.j + 1, f"{raw:.6f}", f"{pair.score:.6f}", *known])
    return text.getvalue()


def pairs_json(shown: Shown, look: Look, model: str) -> str:
    """The pairs that are drawn, with what is needed to make them again."""
    ranking = shown.ranking
    assert ranking is not None
    return json.dumps(
        {
            "protein": shown.protein.name,
            "sequence": shown.protein.letters,
            "state": state_of(shown.protein, shown.masked),
            "model": model,
            "estimator": ranking.estimator,
            "form": ranking.form,
            "passes": ranking.passes,
            "settings": ranking.settings,
            "apc": look.corrected,
            "range": look.span,
            "separation": SEPARATION,
            "contact": look.definition if shown.contacts is not None else None,
            "pairs": [
                {
                    "residues": [residue_name(shown.protein, p.i), residue_name(shown.protein, p.j)],
                    "positions": [p.i + 1, p.j + 1],
                    "score": round(p.score, 6),
                    "distance": None if p.distance is None else round(p.distance, 2),
                    "contact": p.contact,
                }
                for p in _drawn(shown, look)
            ],
        },
        indent=1,
    )
