"""Where a decoding strategy's MI comes from: the head (no extra pass) or probing (every probe is counted)."""

from dataclasses import dataclass

import torch

from mi_core.head import MIHead, predict
from mi_core.models.protocol import Model, ModelOutput
from mi_core.probing import probe
from mi_core.shapes import PairBatch, Tokens


@dataclass(frozen=True, eq=False)
class HeadSource:
    """The neural estimate on the hidden states of the pass that decoding makes anyway."""

    head: MIHead

    @property
    def name(self) -> str:
        """How traces and tables call it."""
        return f"head-{self.head.config.variant}"

    def __call__(self, model: Model, tokens: Tokens, output: ModelOutput) -> tuple[PairBatch, list[int]]:
        """MI of B sequences and 0 extra passes for each."""
        return predict(self.head, model, tokens, output), [0] * len(tokens)


@dataclass(frozen=True)
class ProbingSource:
    """Conditional probing of every state met: the oracle, at up to N V extra passes a step."""

    form: str = "averaged"
    mass: float = 0.99
    name: str = "probing"

    def __call__(self, model: Model, tokens: Tokens, output: ModelOutput) -> tuple[PairBatch, list[int]]:
        """MI of B sequences and the probe passes of each; the base pass is the one already made."""
        results = [
            probe(model, row, form=self.form, mass=self.mass, base=output.log_probs[b]) for b, row in enumerate(tokens)
        ]
        return torch.stack([r.mi for r in results]), [r.passes for r in results]
