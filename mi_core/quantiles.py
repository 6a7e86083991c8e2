"""A head that says how sure it is: quantiles of the MI of every pair, in the same single pass.

After MIST (arXiv 2511.18945): the pinball loss on probed MI makes the spread express what the pass cannot tell. Here
the quantiles cannot cross: each is the one below it plus a softplus. The head stands on a trained `marginals` head,
whose view of each pair it reads and does not change, so that its own file is small.
"""

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mi_core.errors import FormatError, InputError, SettingError
from mi_core.head import MarginalsHead, MIHead, Pairs, check_fit, open_part, pack, unpack
from mi_core.information import entropy
from mi_core.models.protocol import Model, ModelOutput
from mi_core.results import MIResult
from mi_core.shapes import Masked, Row
from mi_core.weights import fill_network, load_weights

KIND = "mi-quantiles"
LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
MEDIAN, UPPER = 0.5, 0.9
_MOST = 1.25  # of the smaller entropy: what an inconsistent model's probes may exceed it by
_SMALL = 1e-3  # nats, added before a logarithm


@dataclass(frozen=True)
class QuantileConfig:
    """What rebuilds the part above the marginals head."""

    pair: int  # features of a pair that the marginals head gives
    trunk: str  # fingerprint of that head
    hidden: int = 64
    levels: tuple[float, ...] = LEVELS

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in zip(self.levels, self.levels[1:], strict=False))
        if not rising or MEDIAN not in self.levels or not 0 < self.levels[0] < self.levels[-1] < 1:
            raise SettingError("Levels of quantiles must rise within (0, 1) and hold 0.5.")


class QuantileTop(nn.Module):
    """From what is known of a pair to its quantiles."""

    def __init__(self, config: QuantileConfig) -> None:
        super().__init__()
        self.config = config
        self.norm = nn.LayerNorm(config.pair)
        self.layers = nn.Sequential(
            nn.Linear(config.pair + 3, 2 * config.hidden),
            nn.GELU(),
            nn.Linear(2 * config.hidden, config.hidden),
            nn.GELU(),
            nn.Linear(config.hidden, len(config.levels)),
        )

    def forward(self, z: Tensor, share: Tensor, smaller: Tensor, larger: Tensor) -> Tensor:
        """Quantiles (..., K), nats, never falling along K; z (..., pair), the rest (...)."""
        scale = [(h + _SMALL).log() / 4 for h in (smaller, larger)]
        raw = self.layers(torch.cat([self.norm(z), torch.stack([share / 4, *scale], dim=-1)], dim=-1))
        middle = self.config.levels.index(MEDIAN)
        above = F.softplus(raw[..., middle + 1 :]).cumsum(-1)
        below = F.softplus(raw[..., :middle]).flip(-1).cumsum(-1).flip(-1)
        centre = (share + raw[..., middle])[..., None]
        return _MOST * smaller[..., None] * torch.sigmoid(torch.cat([centre - below, centre, centre + above], dim=-1))


class QuantileHead(MIHead):
    """As `MIHead`, answering with one of the quantiles; `quantiles` gives all of them."""

    def __init__(self, trunk: MarginalsHead, top: QuantileTop, level: float = MEDIAN) -> None:
        super().__init__(trunk.config)
        if level not in top.config.levels:
            known = ", ".join(f"{known:g}" for known in top.config.levels)
            raise SettingError(f"This head has no quantile {level:g}; it has {known}.")
        self.trunk, self.top, self.level = trunk, top, level

    @property
    def title(self) -> str:
        """`head-quantiles` for the median, `head-upper` above it."""
        return "head-quantiles" if self.level == MEDIAN else "head-upper" if self.level > MEDIAN else "head-lower"

    def at(self, level: float) -> "QuantileHead":
        """The same head, answering with another quantile.

        Raises:
            SettingError: none of its levels.
        """
        return QuantileHead(self.trunk, self.top, level).eval().requires_grad_(False)

    def pairs(self, output: ModelOutput, is_open: Masked) -> Tensor:
        return self._of_pairs(output, is_open)[..., self.top.config.levels.index(self.level)]

    def quantiles(self, output: ModelOutput, masked: Masked) -> Tensor:
        """Every quantile of every pair, (B, K, N, N)."""
        at, is_open = pack(masked)
        found = self._of_pairs(open_part(output, at), is_open).unbind(-1)
        return torch.stack([unpack(part, at, is_open, masked.shape[1]) for part in found], dim=1)

    def _of_pairs(self, output: ModelOutput, is_open: Masked) -> Tensor:
        z, smaller = self.trunk.features(output, is_open)
        h = entropy(output.log_probs).float()
        larger = torch.maximum(*Pairs(h.shape[1], h.device).ends(h))
        found: Tensor = self.top(z, self.trunk.share(z), smaller, larger)
        return found


@torch.inference_mode()
def estimate_quantiles(model: Model, head: QuantileHead, tokens: Row) -> MIResult:
    """The median of every pair and all its quantiles, one forward pass.

    Raises:
        InputError: the head belongs to another model.
    """
    start = time.perf_counter()
    output = model(tokens[None])
    check_fit(head, model, output)
    head = head.to(output.hidden.device)
    masked = tokens.to(output.hidden.device) == model.vocab.mask_id
    found = head.quantiles(output, masked[None])[0].double().cpu()  # (K, N, N)
    return MIResult(
        mi=found[head.top.config.levels.index(head.level)],
        masked=masked.cpu(),
        entropy=entropy(output.log_probs[0]).cpu(),
        log_probs=output.log_probs[0].cpu(),
        tokens=tokens.cpu(),
        model=model.name,
        estimator=head.title,
        form="averaged",
        passes=1,
        seconds=time.perf_counter() - start,
        settings={"levels": list(head.top.config.levels)},
        quantiles=found,
    )


def fingerprint(trunk: MIHead) -> str:
    """Tells one marginals head from another: SHA-256 of its weights in half precision."""
    digest = hashlib.sha256()
    for name, tensor in sorted(trunk.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().half().numpy().tobytes())
    return digest.hexdigest()[:16]


def marginals_trunk(head: MIHead) -> MarginalsHead:
    """The head as one that quantiles can stand on.

    Raises:
        InputError: it is of another variant.
    """
    if not isinstance(head, MarginalsHead):
        raise InputError(f"Quantiles stand on a marginals head; {head.title} is none.")
    return head


def load_quantiles(path: Path, trunk: MIHead) -> QuantileHead:
    """A trained head from its weight file and the marginals head that it was trained on.

    Raises:
        InputError, FormatError: see `mi_core.weights`; or it was trained on another marginals head.
    """
    header, tensors = load_weights(path, KIND)
    try:
        values: dict[str, Any] = {**header.config, "levels": tuple(header.config["levels"])}
        top = QuantileTop(QuantileConfig(**values))
    except (TypeError, KeyError) as error:
        raise FormatError(f"The header of {path.name} does not describe a head with quantiles.") from error
    if top.config.trunk != fingerprint(trunk):
        raise FormatError(
            f"{path.name} was trained on another marginals head; train it again with `train head --variant quantiles`."
        )
    fill_network(top, tensors, path)
    return QuantileHead(marginals_trunk(trunk), top).eval().requires_grad_(False)
