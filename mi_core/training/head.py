"""`train head`: the MI head on probed labels, the model frozen.

Loss: squared error over the open pairs (the paper's Frobenius loss). The pairs of a state are weighted so that a state
with few open cells counts for something beside one with three thousand pairs.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import pad

from mi_core.errors import InputError, SettingError
from mi_core.head import KIND, MarginalsHead, MIHead, build_head, check_fit, config_for, load_head_file, rows_of
from mi_core.models.protocol import Lazily, Model, ModelOutput, each
from mi_core.training.labels import PAD, LabelSet
from mi_core.training.loop import Losses, Run, Schedule
from mi_core.training.progress import Cancel, Report
from mi_core.weights import WeightsHeader, read_header, save_weights


@dataclass(frozen=True)
class HeadTraining:
    """Settings of one run."""

    variant: str = "marginals"
    epochs: int = 30
    steps: int | None = None  # instead of epochs
    minutes: float | None = None
    batch: int = 16
    rate: float = 2e-3  # of AdamW; Muon's is half as much again
    weight_decay: float = 0.01
    seed: int = 3
    checkpoint_every: int = 500  # steps; R² on the held-out states is taken then
    start: str | None = None  # a head to go on from, of the same variant
    rounds: int | None = None  # path updates, if not those of `config_for` or of the head to go on from
    log_targets: bool = False  # squared error of log(1 + MI), which cares less about the strongest pairs


Augment = Callable[[np.random.Generator, Tensor, Tensor], tuple[Tensor, Tensor]]
_HELD_OUT = 256  # states at most


def train_head(
    model: Model,
    labels: LabelSet,
    out: Path,
    settings: HeadTraining,
    *,
    augment: Augment | None = None,
    report: Report = print,
    cancel: Cancel = lambda: False,
    origin: dict[str, Any] | None = None,
) -> MIHead:
    """Train a head and write it to `out`; a tenth of the states is held out and its R² reported.

    A run keeps its state in `out` + `.run/`; the same command picks it up.

    Args:
        augment: other states with known labels, made from those of a batch; each batch is passed through it.
        origin: what the header says of the labels.

    Raises:
        InputError: the head to start from is of another size or variant or has more path updates; the run kept there
            is another one.
        SettingError: path updates for a head that has none.
    """
    torch.manual_seed(settings.seed)
    head = _first_head(settings, model, features_of(model, labels.tokens[:1])).to(model.device)
    trained = {**asdict(settings), "states": len(labels), **(origin or {})}
    if settings.start is not None:  # keep the history, not where it lay
        start = Path(settings.start)
        trained |= {"start": start.name, "before": read_header(start, KIND).training}

    def write(average: MIHead, steps: int, score: float) -> None:
        training = {**trained, "steps_done": steps}
        header = WeightsHeader(KIND, head.config.to_dict(), training=training, metrics={"held_out_r2": round(score, 4)})
        save_weights(out, {name: value.half() for name, value in average.state_dict().items()}, header)

    folder = out.with_name(out.name + ".run")
    hooks: dict[str, Any] = {"augment": augment, "report": report, "cancel": cancel}
    fit_head(head, model, labels, settings, folder=folder, about=trained, write=write, **hooks)
    return load_head_file(out).to(model.device)  # what ships, in half precision


def fit_head(
    head: MIHead,
    model: Model,
    labels: LabelSet,
    settings: HeadTraining,
    *,
    folder: Path | None = None,
    about: dict[str, Any] | None = None,
    write: Callable[[MIHead, int, float], None] = lambda average, steps, score: None,
    augment: Augment | None = None,
    report: Report = print,
    cancel: Cancel = lambda: False,
) -> tuple[MIHead, int, float]:
    """Train a head; its averaged weights, the steps it took, and their R² on the tenth of the states that is held out.

    Args:
        folder: where the run keeps its state, if anywhere.
        about: what a run must share with the one kept there to go on with it.
        write: stores the three at every checkpoint and at the end.
    """
    held = min(_HELD_OUT, max(1, len(labels) // 10))
    train = np.arange(held, len(labels))
    steps = settings.steps or settings.epochs * -(-len(train) // settings.batch)
    schedule = Schedule(
        steps=steps,
        minutes=settings.minutes,
        rate_muon=1.5 * settings.rate,
        rate_adamw=settings.rate,
        weight_decay=settings.weight_decay,
        warmup=min(100, 1 + steps // 10),
        seed=settings.seed,
        checkpoint_every=settings.checkpoint_every,
    )
    run = Run(folder, head, head.blocks(), schedule, about)
    average: MIHead = run.average.module  # type: ignore[assignment]
    open_count = (labels.tokens == model.vocab.mask_id).sum(1).numpy()
    batches = like_sized(open_count, train, settings.batch, run.rng)
    score = float("nan")

    def loss_of(forward: nn.Module, rng: np.random.Generator) -> tuple[Tensor, Losses]:
        at = next(batches)
        tokens, target = labels.tokens[at], labels.mi[at].float()
        if augment is not None:
            tokens, target = augment(rng, tokens, target)
        features = features_of(model, tokens)
        masked, target = (tokens == model.vocab.mask_id).to(model.device), target.to(model.device)
        with torch.autocast(model.device.type, dtype=torch.bfloat16):
            predicted = forward(features, masked)
        predicted = predicted.float()
        if settings.log_targets:
            predicted, target = predicted.log1p(), target.log1p()
        loss = _loss(predicted, target, masked)
        return loss, {"loss": loss.item()}

    def checkpoint() -> None:
        nonlocal score
        score = _r2(average, model, labels, torch.arange(held))
        report(f"step {run.step}  held-out R2 {score:.4f}")
        write(average, run.step, score)

    run.descend(loss_of, checkpoint, report=report, cancel=cancel)
    return average, run.step, score


def _first_head(settings: HeadTraining, model: Model, output: ModelOutput) -> MIHead:
    """A new head for a model that answers like `output`, or the one to go on from.

    Raises:
        InputError: that one is of another variant, belongs to a model of another size or has more path updates.
        SettingError: path updates for a head that has none.
    """
    if settings.rounds is not None and settings.variant != "marginals":
        raise SettingError(f"A {settings.variant} head has no path updates; leave their number out.")
    if settings.start is None:
        config = config_for(settings.variant, output)
        return build_head(config if settings.rounds is None else replace(config, rounds=settings.rounds))
    head = load_head_file(Path(settings.start))
    if head.config.variant != settings.variant:
        raise InputError(f"{Path(settings.start).name} is a {head.config.variant} head, not a {settings.variant} one.")
    check_fit(head, model, output)
    return (head if settings.rounds is None else grown(head, settings.rounds)).train().requires_grad_(True)


def grown(head: MIHead, rounds: int) -> MIHead:
    """The same head with path updates behind its own that change nothing yet: it answers as before, with room to learn.

    Raises:
        InputError: it has more than `rounds`.
    """
    have = head.config.rounds
    if rounds < have:
        raise InputError(
            f"The head to start from has {have} path updates; it can get more, but not the {rounds} asked for."
        )
    larger = build_head(replace(head.config, rounds=rounds))
    larger.load_state_dict(head.state_dict(), strict=False)
    if isinstance(larger, MarginalsHead):
        for update in larger.rounds[have:]:
            for silent in update.back.parameters():  # type: ignore[union-attr]
                nn.init.zeros_(silent)
    return larger


def like_sized(
    open_count: NDArray[np.int64], rows: NDArray[np.int64], size: int, rng: np.random.Generator
) -> Iterator[Tensor]:
    """Batches without end, each epoch in a new order, of states with about equally many open positions.

    A head works on the open positions alone, so that a batch costs what its fullest state costs.
    """
    while True:
        order = rng.permutation(rows)
        made = []
        for pool in np.array_split(order, -(-len(order) // (16 * size))):
            pool = pool[np.argsort(open_count[pool], kind="stable")]
            made += np.array_split(pool, -(-len(pool) // size))
        yield from (torch.from_numpy(made[k]) for k in rng.permutation(len(made)))


def features_of(model: Model, tokens: Tensor) -> ModelOutput:
    """One pass for each length among `tokens` (B, N), whose ends may be padded; zeros behind the end of a sequence.

    Clones: what a frozen model computes in inference mode may not enter autograd.
    """
    lengths = (tokens != PAD).sum(1)
    if bool((lengths == tokens.shape[1]).all()):
        return _cloned(model(tokens))
    parts, order = [], []
    for length in sorted(set(lengths.tolist())):
        at = (lengths == length).nonzero()[:, 0]
        parts.append(_with_room(model(tokens[at, :length]), tokens.shape[1] - length))
        order.append(at)
    return rows_of(_joined(parts), torch.cat(order).argsort())


def _cloned(o: ModelOutput) -> ModelOutput:
    return ModelOutput(
        o.log_probs.clone(),
        o.hidden.clone(),
        tuple(layer.clone() for layer in o.layers),
        each(o.attention, torch.clone),
    )


def _with_room(o: ModelOutput, room: int) -> ModelOutput:
    """A pass as if its sequences had `room` more positions, of zeros: nobody's marginals, and nobody looks at them."""
    along = (0, 0, 0, room)
    return ModelOutput(
        pad(o.log_probs, along),
        pad(o.hidden, along),
        tuple(pad(layer, along) for layer in o.layers),
        each(o.attention, lambda weights: pad(weights, (0, room, 0, room))),
    )


def _joined(parts: list[ModelOutput]) -> ModelOutput:
    return ModelOutput(
        torch.cat([o.log_probs for o in parts]),
        torch.cat([o.hidden for o in parts]),
        tuple(torch.cat(layers) for layers in zip(*(o.layers for o in parts), strict=True)),
        Lazily(
            [
                lambda k=k: torch.cat([o.attention[k] for o in parts])  # type: ignore[misc]
                for k in range(len(parts[0].attention))
            ]
        ),
    )


def labelled(target: Tensor, masked: Tensor) -> Tensor:
    """Open pairs i < j that carry a label, (B, N, N)."""
    return (~target.isnan() & masked[:, :, None] & masked[:, None, :]).triu(diagonal=1)


def _loss(predicted: Tensor, target: Tensor, masked: Tensor) -> Tensor:
    pairs = labelled(target, masked)
    count = pairs.sum((1, 2)).clamp_min(1).sqrt()
    error = ((predicted - target.nan_to_num(nan=0.0)) ** 2 * pairs).sum((1, 2))
    return (error / count).mean()


@torch.no_grad()
def _r2(head: MIHead, model: Model, labels: LabelSet, at: Tensor) -> float:
    """R² over all labelled open pairs of the states `at`, pooled."""
    truth, guess = [], []
    for k in range(0, len(at), 16):
        part = at[k : k + 16]
        tokens, target = labels.tokens[part], labels.mi[part].float()
        masked = tokens == model.vocab.mask_id
        pairs = labelled(target, masked)
        masked, pairs, target = (part.to(model.device) for part in (masked, pairs, target))
        guess.append(head(features_of(model, tokens), masked)[pairs].double())
        truth.append(target[pairs].double())
    y, f = torch.cat(truth), torch.cat(guess)
    return float(1 - ((y - f) ** 2).sum() / ((y - y.mean()) ** 2).sum())
