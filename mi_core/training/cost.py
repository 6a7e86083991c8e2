"""`bench cost`: what labels and a head of an ESM-C of some size cost on this machine, from one timed pass.

The weights may be random: neither floating-point operations nor seconds depend on them.
"""

import time
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from mi_core.errors import SettingError
from mi_core.head import build_head, config_for
from mi_core.models.esmc import HEAD_WIDTH, EsmcModel, build_esmc
from mi_core.proteins.sequence import VOCAB
from mi_core.training.labels import PROBED

SIZES = {"300m": (960, 30), "600m": (1152, 36)}
"""Width and blocks of the published ESM-C (Hayes et al. 2024)."""


@dataclass(frozen=True)
class Job:
    """How many labels are made, and how often a head sees them."""

    states: int = 10_000  # the paper's (arXiv 2605.20187): one of each of 10,000 proteins, 5 epochs
    residues: int = 100
    positions: int = PROBED  # probed in each state
    epochs: int = 5

    def __post_init__(self) -> None:
        if min(self.states, self.residues, self.positions, self.epochs) < 1:
            raise SettingError("States, residues, positions and epochs must all be at least 1.")

    @property
    def passes_a_state(self) -> int:
        """At most: every token of every probed position, and one pass without."""
        return 1 + min(self.positions, self.residues) * VOCAB.size


def measure(width: int, blocks: int, job: Job, *, batch: int = 8, repeats: int = 3) -> dict[str, Any]:
    """Operations and seconds of a pass, and what the job comes to at that rate; `hours_at` does it for another rate."""
    network = build_esmc(d_model=width, n_heads=max(1, width // HEAD_WIDTH), n_layers=blocks)
    model = EsmcModel(network.to("cuda" if torch.cuda.is_available() else "cpu"), name="size")
    tokens = torch.full((batch, job.residues), VOCAB.mask_id)
    with FlopCounterMode(display=False) as counter:
        output = model(tokens[:1])
    flops = counter.get_total_flops()
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        model(tokens).log_probs.sum().item()  # waits for a GPU
        found.append((time.perf_counter() - start) / batch)
    head = build_head(config_for("paper", output))
    rate = flops / min(found)
    return {
        "width": width,
        "blocks": blocks,
        "parameters": sum(p.numel() for p in network.parameters()),
        "head_parameters": sum(p.numel() for p in head.parameters()),
        "states": job.states,
        "residues": job.residues,
        "positions": job.positions,
        "epochs": job.epochs,
        "passes_a_state": job.passes_a_state,
        "passes": job.states * job.passes_a_state,
        "flops_a_pass": flops,
        "seconds_a_pass": min(found),
        "flops_a_second": rate,
        "hours": hours_at(rate, flops, job),
        "hours_all_positions": hours_at(rate, flops, Job(job.states, job.residues, job.residues, job.epochs)),
        "threads": torch.get_num_threads(),
        "device": str(model.device),
    }


def hours_at(rate: float, flops: int, job: Job) -> float:
    """Labels and one pass a state and epoch of head training, at `rate` floating-point operations a second."""
    return job.states * (job.passes_a_state + job.epochs) * flops / rate / 3600
