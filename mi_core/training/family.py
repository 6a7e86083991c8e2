"""`train family`: the linear model of one alignment, in a minute on one core.

Descent on the cross-entropy of the hidden residues of rows drawn by weight, of which a share drawn from U[0, 1] is
hidden; couplings decay, which is what keeps a family of a thousand sequences from being learned by heart.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from mi_core.errors import InputError
from mi_core.models.family import FamilyModel, linear_logits, save_family
from mi_core.proteins.families import GAP, STATES, encode_rows, read_family
from mi_core.training.progress import Report, cosine_with_warmup
from mi_core.training.protein_data import family_name, split

MOST_COLUMNS = 300  # 38 million couplings
_HELD_OUT = 1_000  # rows at most


@dataclass(frozen=True)
class FamilyTraining:
    """Settings of one fit."""

    steps: int = 300
    batch: int = 512  # rows
    rate: float = 0.01
    decay: float = 0.01  # of the couplings, a step at full rate
    seed: int = 1


def train_family(out: Path, alignment: Path, settings: FamilyTraining, *, report: Report = print) -> FamilyModel:
    """Fit the model of an alignment and write it to `out`; 5 % of the rows are held out, as `corpus_of` does.

    Raises:
        InputError, FormatError: an alignment that cannot be read, or one with more than 300 columns.
    """
    columns = read_family(alignment).columns
    if columns > MOST_COLUMNS:
        raise InputError(f"{alignment.name} has {columns} columns; a family model can have {MOST_COLUMNS}.")
    ((name, _, mine, aside),) = split([alignment], (), np.random.default_rng(settings.seed))
    if not mine or not aside:
        raise InputError(f"{alignment.name} holds too few sequences to train on and to hold some out.")
    rows, weights = encode_rows([row for row, _ in mine]), torch.tensor([weight for _, weight in mine])
    report(f"{len(rows):,} rows of {columns} columns, as many as {float(weights.sum()):,.0f} that are not alike")
    model = fit_family(rows, weights.double(), settings, name=name, report=report)
    held = encode_rows([row for row, _ in aside[:_HELD_OUT]])
    metrics = {"held_out_loss": round(held_out_loss(model, held), 4)}
    report(f"held-out loss {metrics['held_out_loss']}")
    data = {"family": family_name(alignment), "rows": len(rows), "effective": round(float(weights.sum()))}
    save_family(out, model, training={**asdict(settings), "data": data}, metrics={**metrics})
    return model


def fit_family(
    rows: UInt8[Tensor, "M N"],
    weights: Float[Tensor, " M"],
    settings: FamilyTraining,
    *,
    name: str = "family",
    report: Report = lambda line: None,
) -> FamilyModel:
    """The model of rows in 21 states that are drawn by weight."""
    generator = torch.Generator().manual_seed(settings.seed)
    count = rows.shape[1]
    fields = torch.zeros(count, GAP, requires_grad=True)
    couplings = torch.zeros(count * STATES, count * GAP, requires_grad=True)
    optimiser = torch.optim.Adam([fields, couplings], betas=(0.9, 0.99))
    cumulative = weights.cumsum(0)
    for step in range(settings.steps):
        factor = cosine_with_warmup(step / settings.steps, step, warmup=10)
        optimiser.param_groups[0]["lr"] = settings.rate * factor
        drawn = torch.rand(settings.batch, generator=generator, dtype=torch.float64) * cumulative[-1]
        chosen = rows[torch.searchsorted(cumulative, drawn).clamp(max=len(rows) - 1)].long()
        hidden = hide(chosen, generator)
        shown = F.one_hot(chosen, STATES) * ~hidden[..., None]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            said = shown.flatten(1).to(couplings) @ couplings
        logits = fields + said.float().reshape(-1, count, GAP)
        loss = F.cross_entropy(logits[hidden], chosen[hidden])
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        optimiser.zero_grad()
        with torch.no_grad():
            couplings *= 1 - settings.decay * factor
        if (step + 1) % 50 == 0:
            report(f"step {step + 1} of {settings.steps}  loss {loss.item():.4f}")
    return FamilyModel(fields.detach(), couplings.detach(), name=name)


def hide(rows: Tensor, generator: torch.Generator) -> Bool[Tensor, "B N"]:
    """What to hide of rows (B, N) in 21 states: a share from U[0, 1] of each, never a gap."""
    share = torch.rand(len(rows), 1, generator=generator)
    return (torch.rand(rows.shape, generator=generator) < share) & (rows != GAP)


def held_out_loss(model: FamilyModel, rows: UInt8[Tensor, "M N"], *, seed: int = 0) -> float:
    """Mean negative log-likelihood of a hidden residue, nats, each row hidden once with a ratio from U[0, 1]."""
    states = rows.long()
    hidden = hide(states, torch.Generator().manual_seed(seed))
    logits = linear_logits(model.fields, model.couplings, states, hidden)
    return float(F.cross_entropy(logits[hidden], states[hidden]))
