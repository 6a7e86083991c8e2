"""`train esmc-mini` and `train family`: a small ESM-C on protein families, on a CPU in under an hour.

Loss: cross-entropy of the true residue at every masked position, averaged over the masked positions of the batch; the
share that is masked is drawn from U[0, 1] for each sequence, so that the model is a masked diffusion model and not only
a masked language model at 15 %. Several sequences share a row of fixed length; ESM-C keeps them apart by their number.

A second loss asks the middle of the network which column of its alignment each residue lies in. ESM-C knows relative
positions only; on Kunitz alone it spends its first thousands of steps on finding out where in the fold it is, and
couplings come after that. Told the columns, it is there after a few hundred. The layer that answers is thrown away.
What the residues say of each other is taught by a linear model of the same alignment, `mi_core.training.teacher`.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from mi_core.errors import SettingError
from mi_core.models.esmc import KIND, EsmcModel, attention_logits, build_esmc, load_esmc_file
from mi_core.models.low_rank import restrict, update_of, write_update
from mi_core.models.tuned import ESMC_KIND as ESMC_UPDATE_KIND
from mi_core.proteins.families import GAP, encode_rows
from mi_core.proteins.sequence import VOCAB
from mi_core.training.corpus import NOT_PREDICTED, Corpus
from mi_core.training.family import FamilyTraining, fit_family
from mi_core.training.loop import Losses, Run, Schedule
from mi_core.training.progress import Cancel, Report
from mi_core.training.teacher import Lesson, load_teachers, save_teachers
from mi_core.weights import WeightsHeader, read_header, save_weights

_GUIDED = 0.7  # of the run; the network then looks where it likes
_GUIDED_ROWS = 3  # one row in so many is guided, which costs time


@dataclass(frozen=True)
class ProteinTraining(Schedule):
    """Settings of one run. The defaults give a model of 1.1M parameters."""

    warmup: int = 100
    average: float = 0.995  # short runs: a longer memory would keep the first, random weights
    checkpoint_every: int = 500
    rows: int = 8  # rows of a batch
    row: int = 256  # tokens of a row; longer sequences are cut to a random window
    d_model: int = 128
    n_heads: int = 4
    n_layers: int = 4
    column_loss: float = 0.5  # weight of the second loss
    teaching: float = 0.5  # share of the first loss that is held against the teacher instead of the residue; 0: none
    guidance: float = 0.5  # weight, at the start, of looking where the teacher's partners are
    start: str | None = None  # a weight file to start from instead of random weights
    rank: int = 0  # of the update of each matrix, which alone is then written; 0: every weight moves freely

    def __post_init__(self) -> None:
        if self.rank and self.start is None:
            raise SettingError("An update of low rank adds to weights; name them as the start.")


def train_protein_model(
    out: Path,
    corpus: Corpus,
    held_out: Sequence[str],
    settings: ProteinTraining,
    *,
    report: Report = print,
    cancel: Cancel = lambda: False,
) -> Path:
    """Train, or go on with the run found beside `out`, and write the averaged weights to `out`.

    Args:
        held_out: sequences that are not in `corpus`, for the loss that the header reports.

    Returns:
        `out`. A run keeps its state in `out` + `.run/`; the same command picks it up.
    """
    network = _first_network(settings)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    untuned = None
    if settings.rank and settings.start is not None:
        base = load_esmc_file(Path(settings.start), name="base")
        untuned = round(held_out_loss(base, held_out), 4)
        restrict(network.transformer, settings.rank)
    network.columns = nn.Linear(settings.d_model, corpus.column_count)
    folder = out.with_name(out.name + ".run")
    run = Run(folder, network, network.transformer, settings)
    packer = Packer(network.tokenizer, settings.rows, settings.row)
    report(f"{run.parameters:,} parameters; {len(corpus.sequences):,} sequences; starting at step {run.step}")
    upper = range(max(1, settings.n_layers // 2), settings.n_layers)  # none in a network of one layer
    lesson = _lesson(folder / "teachers.pt", corpus, settings, len(upper) * settings.n_heads, report)

    def loss_of(forward: nn.Module, rng: np.random.Generator) -> tuple[Tensor, Losses]:
        tokens, target, numbers, columns = packer.batch(corpus, rng)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output = forward(sequence_tokens=tokens, sequence_id=numbers)
            places = network.columns(output.hidden_states[upper.start - 1])
        loss, extra = _mean_loss(output.sequence_logits, target), _mean_loss(places, columns)
        total, shown = loss + settings.column_loss * extra, {"loss": loss.item(), "columns": extra.item()}
        if lesson is not None:
            hidden = target != NOT_PREDICTED
            told, partners = lesson(packer.states(torch.where(hidden, target, tokens)), hidden, numbers, columns)
            log_probs = output.sequence_logits.float().log_softmax(-1)[..., packer.residues]
            soft = -(told * log_probs).sum() / (told.sum() + 1)
            total = total + settings.teaching * (soft - loss)
            shown |= {"taught": soft.item(), "looks": math.nan}
            weight = settings.guidance * max(0.0, 1 - run.clock.fraction(run.step) / _GUIDED)
            if weight > 0 and upper:
                some = slice(max(1, settings.rows // _GUIDED_ROWS))
                blocks = network.transformer.blocks
                with torch.autocast("cpu", dtype=torch.bfloat16):
                    looks = [attention_logits(blocks[b], output.hidden_states[b - 1][some]) for b in upper]
                apart = numbers[some][:, None, :, None] != numbers[some][:, None, None, :]  # two sequences of a row
                wanted = partners[some].movedim(-1, 1)  # (R, heads, T), as the looks are
                seen = torch.cat(looks, dim=1).masked_fill(apart, -torch.inf)
                guided = _mean_loss(seen.flatten(0, 1), wanted.flatten(0, 1))
                total, shown["looks"] = total + weight * guided, guided.item()
        return total, shown

    def write() -> None:
        averaged = EsmcModel(run.average.module, name="check")
        metrics: dict[str, Any] = {"held_out_loss": round(held_out_loss(averaged, held_out), 4)}
        trained = {**asdict(settings), **run.origin(), "data": corpus.origin}
        if settings.start is not None:  # keep the history, not where it lay
            start = Path(settings.start)
            trained |= {"start": start.name, "before": read_header(start, KIND).training}
        if untuned is not None and settings.start is not None:
            metrics["held_out_loss_of_base"] = untuned
            update = update_of(run.average.module, before)
            write_update(out, ESMC_UPDATE_KIND, update, Path(settings.start), training=trained, metrics=metrics)
            report(f"held-out loss {metrics['held_out_loss']} (base {untuned})")
            return
        size = {name: getattr(settings, name) for name in ("d_model", "n_heads", "n_layers")}
        kept = (item for item in run.average.module.state_dict().items() if not item[0].startswith("columns."))
        tensors = {name: value.half() for name, value in kept}
        save_weights(out, tensors, WeightsHeader(KIND, size, training=trained, metrics=metrics))
        report(f"held-out loss {metrics['held_out_loss']}")

    run.descend(loss_of, write, report=report, cancel=cancel)
    return out


def _lesson(path: Path, corpus: Corpus, settings: ProteinTraining, heads: int, report: Report) -> Lesson | None:
    """The teachers of the corpus' alignments, fitted or read."""
    firsts = sorted(set(corpus.columns[corpus.columns >= 0].tolist()))
    if settings.teaching == 0 or not firsts:
        return None
    if path.is_file():
        return Lesson(load_teachers(path), heads)
    teachers = {}
    for first in firsts:
        members = (corpus.columns == first).nonzero()[0]
        rows = encode_rows([corpus.sequences[k] for k in members])
        drawn = torch.from_numpy(corpus.weights[members])
        teachers[first] = fit_family(rows, drawn, FamilyTraining(seed=settings.seed))
        report(f"teacher of {rows.shape[1]} columns fitted to {len(rows):,} rows")
    save_teachers(path, teachers)
    return Lesson(teachers, heads)


def _mean_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Mean cross-entropy of what is to be predicted, nats; 0 where that is nothing."""
    total = F.cross_entropy(logits.float().flatten(0, 1), target.flatten(), ignore_index=NOT_PREDICTED, reduction="sum")
    return total / (target != NOT_PREDICTED).sum().clamp(min=1)


def _first_network(settings: ProteinTraining) -> Any:
    torch.manual_seed(settings.seed)  # of the initial weights; everything later draws from the run's generator
    if settings.start is not None:
        return load_esmc_file(Path(settings.start), name="start").network.train().requires_grad_(True)
    network = build_esmc(d_model=settings.d_model, n_heads=settings.n_heads, n_layers=settings.n_layers)
    for block in network.transformer.blocks:  # a new network is the identity: it trains from the first step
        nn.init.zeros_(block.attn.out_proj.weight)
        nn.init.zeros_(block.ffn[-1].weight)
    return network


class Packer:
    """Turns sequences into batches of whole rows."""

    def __init__(self, tokenizer: Any, rows: int, row: int) -> None:
        self.rows, self.row = rows, row
        ids = np.full(128, -1, dtype=np.int64)
        letters = [*VOCAB.symbols, "-"]
        ids[[ord(s) for s in letters]] = tokenizer.convert_tokens_to_ids(letters)
        self.ids, self.mask, self.pad, self.gap = ids, tokenizer.mask_token_id, tokenizer.pad_token_id, ids[ord("-")]
        self.residues = torch.from_numpy(ids[[ord(s) for s in VOCAB.symbols]])
        self._states = torch.full((int(ids.max()) + 1,), GAP)
        self._states[self.residues] = torch.arange(VOCAB.size)
        self.first, self.last = tokenizer.cls_token_id, tokenizer.eos_token_id

    def states(self, tokens: Tensor) -> Tensor:
        """The 21 states of an alignment, of ids of residues and gaps; the gap's for anything else."""
        return self._states[tokens.clamp(max=len(self._states) - 1)]

    def batch(self, corpus: Corpus, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Tokens with masks, the residues to predict, sequence numbers, and columns, each (rows, row).

        `NOT_PREDICTED` where there is no residue to predict, or no column.
        """
        shape = (self.rows, self.row)
        tokens, numbers = np.full(shape, self.pad), np.zeros(shape, dtype=np.int64)
        target, places = np.full(shape, NOT_PREDICTED), np.full(shape, NOT_PREDICTED)
        part, columns = self._window(*corpus.draw(rng), rng)
        for r in range(self.rows):
            at, number = 0, 1
            while part.size + 2 <= self.row - at:  # what does not fit opens the next row: long ones are not passed over
                inside = slice(at + 1, at + 1 + part.size)
                residues = (part != self.gap).nonzero()[0]  # gaps are always shown and never predicted
                masked = np.zeros(part.size, dtype=bool)
                masked[residues] = rng.random(residues.size) < rng.random()
                masked[rng.choice(residues)] = True
                tokens[r, at], tokens[r, inside.stop] = self.first, self.last
                tokens[r, inside] = np.where(masked, self.mask, part)
                places[r, inside] = columns
                target[r, inside] = np.where(masked, part, NOT_PREDICTED)
                numbers[r, at : inside.stop + 1] = number
                at, number = inside.stop + 1, number + 1
                part, columns = self._window(*corpus.draw(rng), rng)
        whole = (tokens, target, numbers, places)
        return tuple(torch.from_numpy(array) for array in whole)  # type: ignore[return-value]

    def _window(
        self, sequence: str, columns: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Ids and columns of a sequence, cut to what a row holds at a random place."""
        room = self.row - 2
        start = rng.integers(len(sequence) - room + 1) if len(sequence) > room else 0
        cut = slice(start, start + room)
        return self.ids[np.frombuffer(sequence[cut].encode(), dtype=np.uint8)], columns[cut]


@torch.no_grad()
def held_out_loss(model: EsmcModel, sequences: Sequence[str], *, seed: int = 0) -> float:
    """Mean negative log-likelihood of a masked residue, nats, each sequence masked once with a ratio from U[0, 1]."""
    training = model.network.training
    model.network.eval()
    rng, losses = np.random.default_rng(seed), []
    for sequence in sequences:
        tokens = VOCAB.encode(sequence)
        masked = torch.from_numpy(rng.random(len(tokens)) < rng.random())
        masked[rng.integers(len(tokens))] = True
        log_probs = model(tokens.masked_fill(masked, VOCAB.mask_id)[None]).log_probs[0]
        losses.append(-log_probs.gather(-1, tokens[:, None])[:, 0][masked.to(log_probs.device)])
    model.network.train(training)
    return float(torch.cat(losses).mean())
