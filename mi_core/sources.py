"""Where a decoding strategy's pair matrix comes from.

The head, attention and couplings cost no extra pass, probing counts every probe, a fixed structure is known beforehand.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.errors import InputError
from mi_core.head import MIHead, predict
from mi_core.information import mutual_information_of
from mi_core.models.protocol import Additive, Model, ModelOutput
from mi_core.pointwise import PointwiseHead, predict_pmi, predict_variation
from mi_core.probing import conditionals, probe
from mi_core.results import MIResult, mean_of_directions
from mi_core.selection import RULED_OUT
from mi_core.shapes import LogProbRow, MaskRow, PairBatch, PairMatrix, Row, Tokens


@dataclass(frozen=True, eq=False)
class HeadSource:
    """The neural estimate on the hidden states of the pass that decoding makes anyway."""

    head: MIHead
    kind: str = "mi"

    @property
    def name(self) -> str:
        """How traces and tables call it."""
        return self.head.title

    def __call__(
        self, model: Model, tokens: Tokens, output: ModelOutput, drawn: Tokens | None = None
    ) -> tuple[PairBatch, list[int]]:
        """MI of B sequences and 0 extra passes for each."""
        return predict(self.head, model, tokens, output), [0] * len(tokens)


@dataclass(frozen=True)
class ProbingSource:
    """Conditional probing of every state met: the oracle, at up to N V extra passes a step."""

    form: str = "averaged"
    mass: float = 0.99
    name: str = "probing"
    kind: str = "mi"

    def __call__(
        self, model: Model, tokens: Tokens, output: ModelOutput, drawn: Tokens | None = None
    ) -> tuple[PairBatch, list[int]]:
        """MI of B sequences and the probe passes of each; the base pass is the one already made."""
        results = [
            probe(model, row, form=self.form, mass=self.mass, base=output.log_probs[b]) for b, row in enumerate(tokens)
        ]
        return torch.stack([r.mi for r in results]), [r.passes for r in results]


@dataclass(frozen=True)
class CouplingSource:
    """Exact MI of a model whose probes all follow from the pass that decoding makes anyway."""

    name: str = "couplings"
    kind: str = "mi"

    def __call__(
        self, model: Model, tokens: Tokens, output: ModelOutput, drawn: Tokens | None = None
    ) -> tuple[PairBatch, list[int]]:
        """MI of B sequences and 0 extra passes for each.

        Raises:
            InputError: the model's logits are no sums.
        """
        if not isinstance(model, Additive):
            raise InputError(f"Model {model.name} is no sum of couplings; take its MI from probing.")
        additions = model.additions()
        is_open = tokens == model.vocab.mask_id
        rows = [additive_mi(additions, output.log_probs[b], is_open[b]) for b in range(len(tokens))]
        return torch.stack(rows), [0] * len(tokens)


def additive_mi(additions: Float[Tensor, "N V N V"], log_probs: LogProbRow, is_open: MaskRow) -> PairMatrix:
    """What probing with every token finds (averaged form): p(x_i = u) softmax(log p_j + additions[i, u, j]), both
    orders' mean, and the MI of that joint."""
    at = is_open.nonzero()[:, 0]
    own = log_probs[at]  # (M, V)
    told = (own + additions[at][:, :, at].to(own)).log_softmax(-1)  # (M, V, M, V): of j, once i is u
    joint = (own[:, :, None, None] + told).exp().permute(0, 2, 1, 3)  # (M, M, V, V)
    both = (joint + joint.permute(1, 0, 3, 2)) / 2
    found = torch.zeros(len(log_probs), len(log_probs), dtype=torch.float64)
    found[at[:, None], at] = mutual_information_of(both).clamp_min(0.0)
    return found.fill_diagonal_(0.0)


@dataclass(frozen=True)
class GapSource:
    """Probed MI + gap, both directions' mean: the KL between decoding one after the other and both at once.

    THEORY: sum_u p_i(u) KL(p_j(. | x_i=u) || p_j) = MI_ij + KL(m_ij || p_j).
    """

    mass: float = 0.99
    name: str = "probing-gap"
    kind: str = "mi"

    def __call__(
        self, model: Model, tokens: Tokens, output: ModelOutput, drawn: Tokens | None = None
    ) -> tuple[PairBatch, list[int]]:
        """MI + gap of B sequences and the probe passes of each."""
        matrices, passes = [], []
        for b, row in enumerate(tokens):
            result = probe(model, row, form="mixture", mass=self.mass, base=output.log_probs[b])
            matrices.append(with_gap(result))
            passes.append(result.passes)
        return torch.stack(matrices), passes


def with_gap(result: MIResult) -> PairMatrix:
    """MI + gap of a probed state, both directions' mean; 0 where neither was probed."""
    assert result.probes is not None
    both = mean_of_directions(result.probes.mixture + result.probes.gap).nan_to_num(nan=0.0)
    return both * (result.masked[:, None] & result.masked[None, :])


@dataclass(frozen=True)
class TVSource:
    """Probed total variation, both directions' mean: how far p_j moves on average once i is known (DEMASK).

    sum_u p_i(u) TV(p_j(. | x_i=u), p_j) = TV(p_i p_j|i, p_i p_j), in [0, 1] and symmetric for a consistent model.
    """

    mass: float = 0.99
    name: str = "probing-tv"
    kind: str = "tv"

    def __call__(
        self, model: Model, tokens: Tokens, output: ModelOutput, drawn: Tokens | None = None
    ) -> tuple[PairBatch, list[int]]:
        """Total variation of B sequences and the probe passes of each."""
        both = [expected_variation(model, row, output.log_probs[b], self.mass) for b, row in enumerate(tokens)]
        return torch.stack([matrix for matrix, _ in both]), [passes for _, passes in both]


def expected_variation(model: Model, tokens: Row, log_probs: LogProbRow, mass: float) -> tuple[PairMatrix, int]:
    """Mean of both directions of sum_u p_i(u) TV(p_j(. | x_i=u), p_j), and the passes that it took.

    A position whose likeliest token carries `mass` < 1 is not probed: its pairs take the other direction, or 0.
    """
    base = log_probs.exp().cpu()
    is_open = (tokens == model.vocab.mask_id).cpu()
    directed = torch.full((len(tokens), len(tokens)), torch.nan, dtype=torch.float64)
    passes = 0
    for i in is_open.nonzero()[:, 0].tolist():
        if float(base[i].max()) >= mass and mass < 1:
            continue
        moved = (conditionals(model, tokens, i).exp() - base).abs().sum(-1) / 2  # (V, N)
        directed[i] = base[i] @ moved
        passes += model.vocab.size
    both = mean_of_directions(directed.fill_diagonal_(0.0)).nan_to_num(nan=0.0)
    return both * (is_open[:, None] & is_open[None, :]), passes


@dataclass(frozen=True, eq=False)
class HeadTVSource:
    """Expected total variation from what the pointwise head says that each token would tell, at no extra pass."""

    head: PointwiseHead
    name: str = "head-tv"
    kind: str = "tv"

    def __call__(
        self, model: Model, tokens: Tokens, output: ModelOutput, drawn: Tokens | None = None
    ) -> tuple[PairBatch, list[int]]:
        """Total variation of B sequences and 0 extra passes for each."""
        return predict_variation(self.head, model, tokens, output), [0] * len(tokens)


@dataclass(frozen=True, eq=False)
class PointwiseSource:
    """What each pair of drawn tokens loses, from the hidden states of the pass that decoding makes anyway.

    Where the pointwise head says that two tokens all but cannot be together, -PMI: what this very draw loses. Elsewhere
    the MI of the pair: what the average draw loses, since small PMIs are estimated less well than their mean.
    """

    head: PointwiseHead
    average: MIHead
    name: str = "head-pointwise"
    kind: str = "loss"

    def __call__(self, model: Model, tokens: Tokens, output: ModelOutput, drawn: Tokens) -> tuple[PairBatch, list[int]]:
        """Losses of B sequences, nats, and 0 extra passes for each."""
        pmi = predict_pmi(self.head, model, tokens, drawn, output)
        mi = predict(self.average, model, tokens, output)
        return torch.where(pmi < -RULED_OUT, -pmi, mi), [0] * len(tokens)


@dataclass(frozen=True)
class ProbingPointwiseSource:
    """max(0, -PMI) of the drawn tokens by probing: one extra pass for each open position, not V of them."""

    name: str = "probing-pointwise"
    kind: str = "loss"

    def __call__(self, model: Model, tokens: Tokens, output: ModelOutput, drawn: Tokens) -> tuple[PairBatch, list[int]]:
        """Losses of B sequences, nats, and the passes of each."""
        found = [probed_pmi(model, row, drawn[b], output.log_probs[b]) for b, row in enumerate(tokens)]
        return torch.stack([(-pmi).clamp_min(0.0) for pmi, _ in found]), [passes for _, passes in found]


def probed_pmi(model: Model, tokens: Row, drawn: Row, log_probs: LogProbRow) -> tuple[PairMatrix, int]:
    """ln p(x_i, x_j) / p(x_i) p(x_j) of the drawn tokens, both directions' mean, nats, and the passes that it took.

    0 on the diagonal and where a position is revealed. A token that the other one rules out gives `LOWEST`.
    """
    at = (tokens == model.vocab.mask_id).nonzero()[:, 0]
    probes = tokens.repeat(len(at), 1)
    probes[torch.arange(len(at)), at] = drawn[at]
    token = drawn[at].to(log_probs.device)
    after = model(probes).log_probs[:, at].gather(2, token[None, :, None].expand(len(at), -1, 1))[..., 0]
    told = (after - log_probs[at].gather(1, token[:, None])[:, 0]).clamp_min(LOWEST).cpu()  # [i, j]: of i about j
    pmi = log_probs.new_zeros(len(tokens), len(tokens)).cpu()
    pmi[at[:, None], at] = ((told + told.T) / 2).fill_diagonal_(0.0)
    return pmi, len(at)


LOWEST = -30.0  # nats; what a pair that cannot occur is given for minus infinity


@dataclass(frozen=True)
class AttentionSource:
    """Attention weights, both directions' mean over all heads of the last blocks (DAPD, arXiv 2603.12996)."""

    share: float = 0.3  # of the blocks, the last ones
    name: str = "attention"
    kind: str = "attention"

    def __call__(
        self, model: Model, tokens: Tokens, output: ModelOutput, drawn: Tokens | None = None
    ) -> tuple[PairBatch, list[int]]:
        """Weights of B sequences, (B, N, N), and no extra pass.

        Raises:
            InputError: the model does not show its attention.
        """
        if not output.attention:
            raise InputError(f"Model {model.name} does not show its attention weights; choose a rule that needs none.")
        blocks = max(1, round(self.share * len(output.attention)))
        mean = torch.stack([weights.mean(1) for weights in output.attention[-blocks:]]).mean(0)
        both = ((mean + mean.transpose(1, 2)) / 2).double()
        return both * (1 - torch.eye(tokens.shape[1], dtype=torch.float64, device=both.device)), [0] * len(tokens)


@dataclass(frozen=True, eq=False)
class StructureSource:
    """A graph that is known beforehand, such as the units of Sudoku."""

    joined: PairMatrix  # (N, N) 1 where joined
    name: str = "structure"
    kind: str = "structure"

    def __call__(
        self, model: Model, tokens: Tokens, output: ModelOutput, drawn: Tokens | None = None
    ) -> tuple[PairBatch, list[int]]:
        """The same graph for every sequence, and no extra pass.

        Raises:
            InputError: a graph of another size.
        """
        if len(self.joined) != tokens.shape[1]:
            raise InputError(f"This structure joins {len(self.joined)} positions; the sequence has {tokens.shape[1]}.")
        return self.joined.expand(len(tokens), -1, -1), [0] * len(tokens)
