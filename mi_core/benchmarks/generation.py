"""Generation benchmark: proteins designed from nothing, and how far their statistics lie from natural ones.

Divergences are Jensen-Shannon, in nats, of three distributions: amino acids; pairs of them at given distances along the
chain; and the model's own likelihood. Half of the natural sequences are what all is held against. Samples have the
lengths of the other half, so that a model of several families is asked for each as often as nature shows it; that half
is measured as well: no generator can be expected to lie nearer.
"""

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.benchmarks.evaluation import Contestant, Row, SourceOf, Tick, quiet, row_of, run_contestant
from mi_core.decoding import DecodeTrace
from mi_core.errors import InputError
from mi_core.information import js_divergence
from mi_core.models.protocol import Model
from mi_core.proteins.sequence import VOCAB

DISTANCES = (1, 2, 3, 4, 8, 16, 24, 32)  # along the chain
BINS = 20  # of the likelihood, each with as many sequences of the reference
_HALVES_SEED = 17
_LEAST = 40  # natural sequences


def bench_generation(
    model: Model,
    reference: Sequence[str],
    contestants: Sequence[Contestant],
    *,
    samples: int,
    lengths: tuple[int, int],
    source_of: SourceOf,
    seed: int = 0,
    temperature: float = 1.0,
    min_p: float = 0.0,
    tick: Tick = quiet,
    cancel: Callable[[], bool] | None = None,
) -> list[Row]:
    """Passes and divergences of each strategy; the first row is natural sequences in the place of samples.

    Args:
        reference: natural sequences of the 20 amino acids, in any order; those of other lengths are left out.
        samples: of each strategy.
        lengths: shortest and longest.

    Raises:
        InputError: fewer than 40 sequences have such a length.
        Cancelled: `cancel` said so.
    """
    fitting = [VOCAB.encode(letters) for letters in reference if lengths[0] <= len(letters) <= lengths[1]]
    if len(fitting) < _LEAST:
        raise InputError(
            f"At least {_LEAST} natural sequences of {lengths[0]} to {lengths[1]} residues are needed; "
            f"there are {len(fitting)}."
        )
    order = torch.randperm(len(fitting), generator=torch.Generator().manual_seed(seed)).tolist()
    half = len(order) // 2
    natural, against = [fitting[k] for k in order[:half]], [fitting[k] for k in order[half:]]
    like = [natural[k % half] for k in range(samples)]
    truth = Statistics(model, against)
    rows = [{"strategy": None, "nfe": None, "n": half, **truth.divergence(Statistics(model, natural))}]
    for contestant in contestants:
        traces, seconds = _generate(model, like, contestant, source_of, seed, (temperature, min_p), tick, cancel)
        made = Statistics(model, [torch.tensor(trace.tokens) for trace in traces])
        distinct = len({trace.tokens for trace in traces})
        rows.append(row_of(contestant, traces, seconds) | truth.divergence(made) | {"distinct": distinct})
    drawing = {"temperature": temperature, "min_p": min_p}
    shared = drawing | {"model": model.name, "reference": len(against), "lengths": list(lengths)}
    return [{**row, **shared} for row in rows]


def _generate(
    model: Model, like: Sequence[Tensor], contestant: Contestant, source_of: SourceOf, *rest: Any
) -> tuple[list[DecodeTrace], float]:
    """One sample as long as each sequence of `like`, all of one length at once."""
    seed, drawing, tick, cancel = rest
    counts: dict[int, int] = {}
    for sequence in like:
        counts[len(sequence)] = counts.get(len(sequence), 0) + 1
    traces: list[DecodeTrace] = []
    seconds = 0.0
    for length, count in sorted(counts.items()):
        start = torch.full((count, length), VOCAB.mask_id)
        more, took = run_contestant(model, start, contestant, source_of, seed, drawing, quiet, cancel)
        traces, seconds = traces + more, seconds + took
        tick(len(traces), len(like), contestant.label)
    return traces, seconds


class Statistics:
    """What is compared of a set of sequences."""

    def __init__(self, model: Model, sequences: Sequence[Tensor]) -> None:
        self.letters = _frequencies(sequences)
        self.pairs = {
            d: _frequencies([s[:-d] * VOCAB.size + s[d:] for s in sequences if len(s) > d], VOCAB.size**2)
            for d in DISTANCES
            if any(len(s) > d for s in sequences)
        }
        self.likelihood = likelihoods(model, sequences)

    def divergence(self, other: "Statistics") -> Row:
        """Jensen-Shannon divergences to another set, nats; `jsd_pairs` is the mean over the distances."""
        pairs = {d: float(js_divergence(own, other.pairs[d])) for d, own in self.pairs.items() if d in other.pairs}
        edges = self.likelihood.quantile(torch.linspace(0, 1, BINS + 1, dtype=torch.float64))[1:-1]
        histograms = [_frequencies([torch.bucketize(s.likelihood, edges)], BINS) for s in (self, other)]
        return {
            "jsd_letters": round(float(js_divergence(self.letters, other.letters)), 5),
            "jsd_pairs": round(fmean(pairs.values()), 5),
            "jsd_pairs_at": {str(d): round(value, 5) for d, value in pairs.items()},
            "jsd_likelihood": round(float(js_divergence(*histograms)), 5),
            "likelihood": round(float(other.likelihood.mean()), 4),
        }


def _frequencies(parts: Sequence[Tensor], size: int = VOCAB.size) -> Float[Tensor, " K"]:
    """Relative frequencies of the ids 0..size-1 in all parts together."""
    counts = sum((torch.bincount(part, minlength=size) for part in parts), torch.zeros(size))
    return counts.double() / counts.sum()


def likelihoods(model: Model, sequences: Sequence[Tensor]) -> Float[Tensor, " S"]:
    """Mean log-probability of a residue, nats, each half of a sequence given the other half; two passes each.

    The halves are random and depend on the length alone, so that equal sequences have equal values.
    """
    found = torch.zeros(len(sequences), dtype=torch.float64)
    by_length: dict[int, list[int]] = {}
    for k, sequence in enumerate(sequences):
        by_length.setdefault(len(sequence), []).append(k)
    for length, members in by_length.items():
        half = torch.randperm(length, generator=torch.Generator().manual_seed(_HALVES_SEED)) < length // 2
        tokens = torch.stack([sequences[k] for k in members])
        for hidden in (half, ~half):
            log_probs = model(tokens.masked_fill(hidden, VOCAB.mask_id)).log_probs.cpu()
            own = log_probs.gather(-1, tokens[..., None])[..., 0][:, hidden]
            found[members] += own.double().sum(1) / length
    return found
