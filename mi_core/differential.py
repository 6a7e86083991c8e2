"""What an update changed: a tuned model beside its reference, by differential information (arXiv 2505.23761).

The log-ratio r(x) = log p_tuned(x) - log p_ref(x) is the reward that the update amounts to, and the differential
information distribution q(y), proportional to exp r(y), is what the update alone says: tuned is proportional to ref q.
q knows nothing of how likely y is, KL(tuned || ref) does; both are shown. All values are in nats.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mi_core.errors import InputError, SettingError
from mi_core.information import entropy_of, kl_divergence
from mi_core.likelihood.question import Cancel, Meter, Progress, Question, check_same_vocabulary, of_other
from mi_core.likelihood.ratios import Part, Ratio, combine, model_log_ratio
from mi_core.likelihood.scan import given_the_rest
from mi_core.models.protocol import Model, check_tokens
from mi_core.probing import probe
from mi_core.results import MIResult
from mi_core.shapes import MaskRow, PairMatrix, Row

FLOOR = 1e-3  # a token less likely than this under both models is left out: ratios of tiny numbers would own q
LEAST_SAMPLES = 10  # effective, below which the entropy of sequences is refused

reward = model_log_ratio


def preference_margin(model: Model, reference: Model, winner: Question, loser: Row, **options: Any) -> Ratio:
    """r(winner) - r(loser), both sequences under both models on the same masks: DPO's implicit margin with beta = 1.

    Args:
        loser: (N,), equal to the winner at the context.
        options: as `mi_core.likelihood.ratios.combine`.

    Raises:
        InputError: other vocabularies, lengths or contexts, or a token of probability 0.
        UnknownName, SettingError, Cancelled: as `combine`.
    """
    check_same_vocabulary(model, reference)
    other = of_other(model, winner, loser)
    parts = [Part(1, model, winner), Part(-1, reference, winner), Part(-1, model, other), Part(1, reference, other)]
    return combine(parts, **options)


@dataclass(frozen=True, eq=False)
class TokenShift:
    """What the update says of each open position of a state, M of them."""

    positions: tuple[int, ...]
    tuned: Float[Tensor, "M V"]  # probabilities
    reference: Float[Tensor, "M V"]
    support: Bool[Tensor, "M V"]  # tokens that at least one model gives the floor
    q: Float[Tensor, "M V"]  # proportional to tuned/reference on the support, 0 elsewhere
    entropy: Float[Tensor, " M"]  # H(q) / ln |support|, 1 for a support of one token: 1 where nothing is preferred
    kl: Float[Tensor, " M"]  # KL(tuned || reference) over all tokens
    dropped: Float[Tensor, " M"]  # mass outside the support, the larger of both models

    def top(self, symbols: Sequence[str], count: int = 3) -> list[list[tuple[str, float]]]:
        """The symbols with the most of q at each position."""
        best = self.q.topk(min(count, self.q.shape[1]), dim=-1)
        pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        return [[(symbols[v], p) for v, p in zip(ids, values, strict=True) if p > 0] for ids, values in pairs]


def token_shift(model: Model, reference: Model, tokens: Row, *, floor: float = FLOOR) -> TokenShift:
    """q_i, its normalised entropy and KL(tuned_i || ref_i) at every open position; one pass a model.

    Args:
        tokens: (N,), the mask where open.
        floor: tokens that both models give less are left out of q, and their mass is reported.

    Raises:
        InputError: different vocabularies, or nothing open.
        SettingError: a floor outside 0..1/V, which would leave a position without tokens.
    """
    check_same_vocabulary(model, reference)
    for one in (model, reference):
        check_tokens(tokens, one.vocab, one.length)
    if not 0 <= floor <= 1 / model.vocab.size:
        raise SettingError(f"The floor must lie from 0 to 1/{model.vocab.size}, got {floor}.")
    at = (tokens == model.vocab.mask_id).nonzero()[:, 0]
    if not len(at):
        raise InputError("Nothing of this sequence is open; mask the positions whose beliefs are to be compared.")
    new, old = (m(tokens[None].to(m.device)).log_probs[0].cpu().double()[at] for m in (model, reference))
    return _shift(tuple(at.tolist()), new, old, floor)


def _shift(positions: tuple[int, ...], new: Tensor, old: Tensor, floor: float) -> TokenShift:
    support = (torch.maximum(new, old) >= math.log(floor)) if floor else (torch.maximum(new, old) > -torch.inf)
    difference = torch.where(support, new - old, -torch.inf)
    q = difference.clamp_max(700).softmax(-1)  # a token new to the tuned model has an infinite ratio
    size = support.sum(-1).double()
    normalised = torch.where(size > 1, entropy_of(q) / size.clamp_min(2).log(), 1.0)
    outside = torch.maximum((new.exp() * ~support).sum(-1), (old.exp() * ~support).sum(-1))
    return TokenShift(
        positions, new.exp(), old.exp(), support, q, normalised, kl_divergence(new.exp(), old.exp()), outside
    )


@dataclass(frozen=True, eq=False)
class MutantShift:
    """The update over an explicit finite support: a sequence and all its single mutants, 1 + T (V - 1) of them."""

    target: tuple[int, ...]
    tokens: Int[Tensor, " T"]  # of the sequence itself
    rewards: Float[Tensor, "T V"]  # r(mutant) - r(sequence); 0 at the sequence's own tokens
    q: Float[Tensor, "T V"]  # of each mutant; 0 at the sequence's own tokens
    q_self: float  # of the sequence itself
    entropy: float  # H(q) / ln |support|
    kl: float  # KL(tuned || reference), both renormalised over the support

    @property
    def size(self) -> int:
        """Sequences of the support."""
        return 1 + int(self.rewards.numel() - len(self.target))

    def top(self, count: int = 10) -> list[tuple[int, int, float]]:
        """Position, token and reward of the mutants that the update favours most."""
        values = self.rewards.clone()
        values[torch.arange(len(self.target)), self.tokens] = -torch.inf
        best = values.flatten().topk(min(count, self.size - 1)).indices.tolist()
        width = values.shape[1]
        return [(self.target[k // width], k % width, float(values[k // width, k % width])) for k in best]


def mutant_shift(
    model: Model,
    reference: Model,
    question: Question,
    *,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> MutantShift:
    """q over the single mutants of x_T given x_C, exact where the models are consistent; T passes a model.

    A mutant at i has log p(y)/p(x) = log p(y_i | rest)/p(x_i | rest), so q needs only the conditionals given all else.

    Raises:
        InputError: different vocabularies, or a token of the sequence or of a mutant with probability 0.
        Cancelled: `cancel` said so.
    """
    check_same_vocabulary(model, reference)
    meter = Meter(2 * len(question.target), progress, cancel)
    new, old = (given_the_rest(one, question, meter) for one in (model, reference))
    rows, own = torch.arange(len(question.target)), question.tokens[list(question.target)]
    to_new, to_old = new - new[rows, own][:, None], old - old[rows, own][:, None]
    rewards = to_new - to_old
    if not bool(rewards.isfinite().all()):
        raise InputError("A model gives one of the single mutants probability 0, so its reward is not finite.")
    mutants = torch.ones_like(rewards, dtype=torch.bool)
    mutants[rows, own] = False
    p, r, q = (_with_self(values, mutants).softmax(0) for values in (to_new, to_old, rewards))
    spread = torch.zeros_like(rewards)
    spread[mutants] = q[1:]
    return MutantShift(
        target=question.target,
        tokens=own,
        rewards=rewards,
        q=spread,
        q_self=float(q[0]),
        entropy=float(entropy_of(q)) / math.log(len(q)),
        kl=float(kl_divergence(p, r)),
    )


def _with_self(values: Float[Tensor, "T V"], mutants: Bool[Tensor, "T V"]) -> Float[Tensor, " K"]:
    """The sequence itself first (0), then its mutants."""
    return torch.cat([torch.zeros(1, dtype=torch.float64), values[mutants]])


@dataclass(frozen=True, eq=False)
class MIChange:
    """How the map of dependences moved: MI under the tuned model less MI under the reference."""

    difference: PairMatrix
    floor: PairMatrix  # sum of what either model's own inconsistency may feign
    tuned: MIResult
    reference: MIResult

    @property
    def real(self) -> Bool[Tensor, "N N"]:
        """Pairs that moved by more than both noise floors together."""
        return self.difference.abs() > self.floor

    @property
    def masked(self) -> MaskRow:
        """The open positions."""
        return self.tuned.masked

    def risen(self, count: int) -> list[tuple[int, int]]:
        """The `count` open pairs whose MI rose most."""
        pairs = self.tuned.pairs
        at = pairs.nonzero()
        order = self.difference[pairs].sort(descending=True, stable=True).indices[:count]
        return [(int(i), int(j)) for i, j in at[order].tolist()]

    def top_pairs(self, count: int) -> list[tuple[int, int, float, bool]]:
        """Pairs by size of the change, with whether it exceeds the floors."""
        changed = replace(self.tuned, mi=self.difference.abs())
        real = self.real
        pairs = changed.top_pairs(count)
        return [(i, j, float(self.difference[i, j]), bool(real[i, j])) for i, j, _ in pairs]


def mi_change(
    model: Model,
    reference: Model,
    tokens: Row,
    *,
    form: str = "averaged",
    mass: float = 0.99,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> MIChange:
    """Both models probed at the same state (N,), and the difference of the maps.

    Raises:
        InputError: different vocabularies.
        UnknownName, SettingError, InputError, Cancelled: as `mi_core.probing.probe`.
    """
    check_same_vocabulary(model, reference)

    def told(half: int) -> Progress:
        return lambda done, total: progress(half * total + done, 2 * total) if progress is not None else None

    new, old = (
        probe(one, tokens, form=form, mass=mass, progress=told(half), cancel=cancel)
        for half, one in enumerate((model, reference))
    )
    floors = [result.noise_floor for result in (new, old)]
    total = sum((floor.nan_to_num(nan=0.0) for floor in floors if floor is not None), torch.zeros_like(new.mi))
    return MIChange(new.mi - old.mi, total, new, old)


@dataclass(frozen=True)
class SequenceEntropy:
    """H(q) over all sequences, from samples of the tuned model."""

    entropy: float  # nats
    standard_error: float
    effective: float  # samples that the weights leave
    samples: int


def sequence_entropy(log_tuned: Float[Tensor, " K"], log_reference: Float[Tensor, " K"]) -> SequenceEntropy:
    """H(q) by self-normalised importance sampling: sequences drawn from the tuned model, weights 1/p_ref.

    H(q) = log E_tuned[1/p_ref] - E_q[r]. Noise in the log-ratios lowers it by about half its variance, so take them
    from chains.

    Args:
        log_tuned, log_reference: (K,) log-likelihoods of the same K samples, nats.

    Raises:
        InputError: not finite, or an effective sample size under 10, which would make the number meaningless.
    """
    if len(log_tuned) < 2 or not bool((log_tuned + log_reference).isfinite().all()):
        raise InputError("The entropy of sequences needs at least two samples with finite log-likelihoods.")
    weight = (-log_reference).double().softmax(0) * len(log_reference)  # mean 1
    effective = float(weight.sum() ** 2 / (weight**2).sum())
    if effective < LEAST_SAMPLES:
        raise InputError(
            f"{len(weight)} samples have an effective size of {effective:.1f}, under {LEAST_SAMPLES}: the entropy of "
            "sequences would be noise; draw more, or ask for the single mutants."
        )
    ratio = (log_tuned - log_reference).double()
    mean = float((weight * ratio).mean())
    log_mean = float((-log_reference).double().logsumexp(0)) - math.log(len(weight))
    influence = weight * (1 - (ratio - mean)) - 1
    return SequenceEntropy(log_mean - mean, float(influence.std() / math.sqrt(len(weight))), effective, len(weight))
