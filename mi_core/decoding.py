"""The decoding loop: a model, a strategy and a seed give a trace.

The loop owns the passes, the randomness and the record; the strategy owns the choice (`mi_core.selection`).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from mi_core.errors import Cancelled, FormatError, InputError, SettingError
from mi_core.information import drawn_from, entropy
from mi_core.models.protocol import Model, ModelOutput
from mi_core.selection import PAIRS, History, Look
from mi_core.shapes import LogProbRow, LogProbs, PairBatch, PairMatrix, Row, Tokens
from mi_core.strategies import Selection, StepView, Strategy, get_strategy

SCHEMA = 2
MOST_STEPS = 1024  # at least; a run with more open positions may take as many steps as it has, and some more


@runtime_checkable
class MISource(Protocol):
    """Where a strategy's pair matrix comes from."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> str:
        """What the matrix holds, one of `mi_core.selection.PAIRS`."""
        ...

    def __call__(self, model: Model, tokens: Tokens, output: ModelOutput, drawn: Tokens) -> tuple[PairBatch, list[int]]:
        """The matrix of each sequence and the extra forward passes that it took.

        Args:
            drawn: (B, N), the token that each position gets if it is committed now; a loss is of these.
        """
        ...


@dataclass(frozen=True)
class DecodeStep:
    """One step: what was known, what was committed, why."""

    positions: tuple[int, ...]  # committed together
    tokens: tuple[int, ...]  # their symbols, parallel to `positions`
    entropy: tuple[float, ...]  # (N,) nats before the step, 0 where revealed
    confidence: tuple[float, ...]  # of the committed symbols, parallel to `positions`
    pair_mi: tuple[tuple[int, int, float], ...]  # MI among the committed, strongest first; empty without MI
    reason: str
    spent: float | None
    budget: float | None
    passes: int  # forward passes of this step, probes included
    marginals: tuple[tuple[float, ...], ...] = ()  # (N, V) where asked for
    revoked: tuple[int, ...] = ()  # committed earlier, open again after this step


@dataclass(frozen=True)
class DecodeTrace:
    """One decoding run of one sequence."""

    start: tuple[int, ...]  # token ids, mask where open
    steps: tuple[DecodeStep, ...]
    symbols: tuple[str, ...]
    mask: str
    model: str
    strategy: str
    settings: dict[str, int | float]
    mi_source: str | None
    seed: int
    temperature: float
    min_p: float = 0.0

    @property
    def nfe(self) -> int:
        """Forward passes in all; every pass counts, probes too."""
        return sum(step.passes for step in self.steps)

    @property
    def tokens(self) -> tuple[int, ...]:
        """The finished sequence, token ids."""
        return self.states[-1]

    @property
    def states(self) -> tuple[tuple[int, ...], ...]:
        """Token ids before the first step and after each one, T+1 states."""
        states = [self.start]
        for step in self.steps:
            state = list(states[-1])
            for position in step.revoked:
                state[position] = len(self.symbols)
            for position, token in zip(step.positions, step.tokens, strict=True):
                state[position] = token
            states.append(tuple(state))
        return tuple(states)

    @property
    def output(self) -> str:
        """The finished sequence as text."""
        return self.text(self.tokens)

    def text(self, tokens: Sequence[int]) -> str:
        """Token ids as text."""
        return "".join((*self.symbols, self.mask)[t] for t in tokens)

    def committed_at(self) -> tuple[int | None, ...]:
        """The step in which each position got the token it ends with, None where it was given."""
        at: list[int | None] = [None] * len(self.start)
        for index, step in enumerate(self.steps):
            for position in step.positions:
                at[position] = index
        return tuple(at)

    def to_json(self) -> str:
        """The whole trace as JSON text, version and all."""
        values = {k: v for k, v in self.__dict__.items() if k != "steps"}
        steps = [dict(step.__dict__) for step in self.steps]
        extra = {"nfe": self.nfe, "output": self.output}
        return json.dumps({"kind": "decode-trace", "schema": SCHEMA, **extra, **values, "steps": steps})

    @classmethod
    def from_json(cls, text: str) -> "DecodeTrace":
        """Read what `to_json` wrote.

        Raises:
            FormatError: not a trace, or one of another version.
        """
        try:
            values = json.loads(text)
            kind, schema = values.pop("kind"), values.pop("schema")
        except (json.JSONDecodeError, KeyError, AttributeError, TypeError) as error:
            raise FormatError("This file is not a decoding trace (JSON written by `decode --trace`).") from error
        if (kind, schema) != ("decode-trace", SCHEMA):
            raise FormatError(f"This file holds {kind} version {schema}; expected decode-trace version {SCHEMA}.")
        values.pop("nfe", None), values.pop("output", None)
        try:
            steps = tuple(DecodeStep(**{k: _tuples(v) for k, v in step.items()}) for step in values.pop("steps"))
            fixed = {k: _tuples(v) for k, v in values.items()}
            return cls(**fixed, steps=steps)
        except (TypeError, KeyError, AttributeError) as error:
            raise FormatError("This decoding trace is damaged: a field is missing or of another kind.") from error


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value


@dataclass
class _Run:
    """One sequence under way."""

    tokens: Tensor  # (N,)
    generator: torch.Generator
    start: tuple[int, ...]
    luck: torch.Generator  # for rules that draw; apart, so that equal seeds give equal tokens under every rule
    steps: list[DecodeStep] = field(default_factory=list)
    earlier: History = ()
    surety: Tensor = field(default_factory=lambda: torch.zeros(0))  # (N,) of each token when it was committed


def decode(
    model: Model,
    tokens: Tokens,
    strategy: str | Strategy,
    settings: Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
    temperature: float = 0.0,
    min_p: float = 0.0,
    mi_source: MISource | None = None,
    record_marginals: bool = False,
    batch_size: int = 256,
    progress: Callable[[int, int], None] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> list[DecodeTrace]:
    """Decode B sequences until nothing is open.

    Args:
        tokens: (B, N) ids, the mask where open.
        strategy: a registered name or a strategy.
        settings: its parameters; defaults where left out.
        seed: draws of sequence b depend on (seed, b) alone, not on the batch around it.
        temperature: 0 commits the likeliest symbol, else symbols are drawn from p^(1/temperature).
        min_p: symbols below this share of the likeliest one's probability are never drawn (arXiv 2407.01082).
        mi_source: where MI comes from. Given to a strategy that needs none, it is only recorded.
        record_marginals: keep p(x_i | revealed) of every step in the trace.
        progress: called after every step with the positions committed so far and in all.
        cancel: asked before every step.

    Returns:
        One trace for each sequence, in order.

    Raises:
        UnknownName, SettingError: an unknown strategy, a bad parameter, a negative temperature, min_p outside [0, 1].
        InputError: the strategy needs MI and there is no source, it commits nothing, or it revokes without end.
        Cancelled: `cancel` said so.
    """
    rule = get_strategy(strategy) if isinstance(strategy, str) else strategy
    chosen_settings = rule.settings(settings)
    if not 0 <= temperature < float("inf"):
        raise SettingError(f"temperature must be at least 0, got {temperature}.")
    if not 0 <= min_p <= 1:
        raise SettingError(f"min_p must lie between 0 and 1, got {min_p}.")
    if rule.pairs and mi_source is not None and mi_source.kind not in rule.pairs:
        wanted = " or ".join(PAIRS[kind] for kind in rule.pairs)
        raise SettingError(
            f"Strategy {rule.name} works on {wanted}, and {mi_source.name} gives {PAIRS[mi_source.kind]}."
        )
    runs = [
        _Run(row.clone(), _generator(seed, b), tuple(row.tolist()), _generator(seed + 1, -1 - b), surety=_none(row))
        for b, row in enumerate(tokens.cpu())
    ]
    total, done = int((tokens == model.vocab.mask_id).sum()), 0
    while active := [run for run in runs if bool((run.tokens == model.vocab.mask_id).any())]:
        if cancel is not None and cancel():
            raise Cancelled(f"Decoding was cancelled with {done} of {total} positions committed.")
        for part in range(0, len(active), batch_size):
            group = active[part : part + batch_size]
            done += _step(model, group, rule, chosen_settings, (temperature, min_p), mi_source, record_marginals)
        if progress is not None:
            progress(done, total)
    source = mi_source.name if mi_source is not None else None
    return [
        DecodeTrace(
            run.start, tuple(run.steps), model.vocab.symbols, model.vocab.mask, model.name, rule.name,
            chosen_settings, source, seed, temperature, min_p,
        )
        for run in runs
    ]  # fmt: skip


def _none(row: Tensor) -> Tensor:
    return torch.zeros(len(row), dtype=torch.float64)


def _generator(seed: int, row: int) -> torch.Generator:
    return torch.Generator().manual_seed((seed * 1_000_003 + row) % 2**63)


def _step(
    model: Model,
    group: list[_Run],
    rule: Strategy,
    settings: Mapping[str, int | float],
    drawing: tuple[float, float],
    mi_source: MISource | None,
    record_marginals: bool,
) -> int:
    """One step of every run in `group`; by how many the open positions became fewer."""
    tokens = torch.stack([run.tokens for run in group])
    output = model(tokens)
    log_probs = output.log_probs.cpu()
    drawn = torch.stack([_draw(row, *drawing, run.generator) for row, run in zip(log_probs, group, strict=True)])
    mi, extra = mi_source(model, tokens, output, drawn) if mi_source is not None else (None, [0] * len(group))
    is_mi = mi_source is not None and mi_source.kind == "mi"
    settled = 0
    for b, run in enumerate(group):
        pair_mi = mi[b].double().cpu() if mi is not None else None
        look = _Look(model)
        view = _view(model, run, log_probs[b], drawn[b], pair_mi, drawing, look)
        selection = rule.select(view, settings)
        step = record_step(view, selection, 1 + extra[b] + look.passes, record_marginals=record_marginals, is_mi=is_mi)
        _check_progress(rule, run, step, view.opened)
        _apply(run, step, model.vocab.mask_id)
        run.earlier = (log_probs[b], run.earlier[0]) if run.earlier else (log_probs[b],)
        settled += len(step.positions) - len(step.revoked)
    return settled


def _view(
    model: Model,
    run: _Run,
    log_probs: LogProbRow,
    drawn: Row,
    mi: PairMatrix | None,
    drawing: tuple[float, float],
    look: Look,
) -> StepView:
    mask = model.vocab.mask_id
    start = torch.tensor(run.start)
    return StepView(
        log_probs,
        run.tokens == mask,
        len(run.steps),
        mi,
        run.earlier,
        opened=run.start.count(mask),
        tokens=run.tokens.clone(),
        candidates=drawn,
        uniform=torch.rand(len(start), generator=run.luck, dtype=torch.float64),
        temperature=drawing[0],
        min_p=drawing[1],
        look=look,
        given=start != mask,
        surety=run.surety.clone(),
    )


def _check_progress(rule: Strategy, run: _Run, step: DecodeStep, opened: int) -> None:
    if not step.positions:
        raise InputError(f"Strategy {rule.name} committed nothing in step {len(run.steps) + 1}, so it cannot end.")
    if len(run.steps) >= max(MOST_STEPS, 2 * opened):
        raise InputError(f"Strategy {rule.name} takes back what it commits: no end after {len(run.steps)} steps.")


def _apply(run: _Run, step: DecodeStep, mask: int) -> None:
    revoked, positions = list(step.revoked), list(step.positions)
    run.tokens[revoked] = mask
    run.surety[revoked] = 0.0
    run.tokens[positions] = torch.tensor(step.tokens, dtype=run.tokens.dtype)
    run.surety[positions] = torch.tensor(step.confidence, dtype=torch.float64)
    run.steps.append(step)


@dataclass
class _Look:
    """Further passes that a rule asks for, counted."""

    model: Model
    passes: int = 0

    def __call__(self, tokens: Tokens) -> LogProbs:
        self.passes += len(tokens)
        return self.model(tokens).log_probs.cpu()


def _draw(log_probs: Tensor, temperature: float, min_p: float, generator: torch.Generator) -> Tensor:
    """A symbol for every position, (N,). One uniform number each, so that equal seeds meet equal luck."""
    if temperature == 0:
        return log_probs.argmax(-1)
    cumulative = drawn_from(log_probs, temperature, min_p).cumsum(-1)
    uniform = torch.rand(len(log_probs), 1, generator=generator, dtype=torch.float64)
    return (cumulative <= uniform * cumulative[:, -1:]).sum(-1).clamp_max(log_probs.shape[-1] - 1)


def draw_at(log_probs: LogProbRow, *, temperature: float, seed: int, step: int) -> Row:
    """The candidates that `decode` gives the first sequence of a batch in that step (0 for the first), (N,)."""
    generator = _generator(seed, 0)
    for _ in range(step):
        torch.rand(len(log_probs), 1, generator=generator, dtype=torch.float64)
    return _draw(log_probs, temperature, 0.0, generator)


def record_step(
    view: StepView, selection: Selection, passes: int, *, record_marginals: bool = False, is_mi: bool = True
) -> DecodeStep:
    """What goes into the trace of a choice.

    Only open positions count as chosen, and only committed ones as revoked: what was given stays.

    Args:
        passes: forward passes of the step, probes included.
        is_mi: whether the view's pair matrix holds MI; another one is not recorded.
    """
    assert view.candidates is not None
    probs = view.log_probs.exp()
    positions = (selection.chosen & view.masked).nonzero()[:, 0]
    revoked = () if selection.revoked is None else (selection.revoked & view.committed).nonzero()[:, 0].tolist()
    drawn = view.candidates[positions]
    return DecodeStep(
        positions=tuple(positions.tolist()),
        tokens=tuple(drawn.tolist()),
        entropy=tuple(entropy(view.log_probs).tolist()),
        confidence=tuple(probs[positions, drawn].tolist()),
        pair_mi=_pairs(view.mi, positions.tolist()) if view.mi is not None and is_mi else (),
        reason=selection.reason,
        spent=selection.spent,
        budget=selection.budget,
        passes=passes,
        marginals=tuple(tuple(row) for row in probs.tolist()) if record_marginals else (),
        revoked=tuple(revoked),
    )


def _pairs(mi: PairMatrix, at: list[int]) -> tuple[tuple[int, int, float], ...]:
    """MI of every pair of `at`, strongest first."""
    pairs = [(i, j, float(mi[i, j])) for a, i in enumerate(at) for j in at[a + 1 :]]
    return tuple(sorted(pairs, key=lambda pair: -pair[2]))
