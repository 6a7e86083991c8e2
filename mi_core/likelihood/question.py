"""What is asked of a model: which tokens are scored, which are given, and what hiding some of them costs.

Positions that are neither target nor context stay masked in every pass: they are summed out and never scored.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mi_core.errors import Cancelled, InputError
from mi_core.models.exact import ExactModel
from mi_core.models.protocol import Model, check_tokens
from mi_core.shapes import Row, Tokens

Progress = Callable[[int, int], None]  # passes done, passes in all
Cancel = Callable[[], bool]


@dataclass(frozen=True, eq=False)
class Question:
    """log p(x_T | x_C): T `target` and C `context`, positions of `tokens` (N,). Made by `ask`, which checks it."""

    tokens: Row
    target: tuple[int, ...]
    context: tuple[int, ...]

    def narrowed(self, target: Sequence[int]) -> "Question":
        """Only `target` scored, the rest of the old target given: what is left of log p(x_T | x_C) after those."""
        rest = tuple(i for i in self.target if i not in set(target))
        return Question(self.tokens, tuple(target), tuple(sorted((*self.context, *rest))))


def ask(
    model: Model, tokens: Row, *, target: Sequence[int] | None = None, context: Sequence[int] | None = None
) -> Question:
    """A checked question.

    Args:
        tokens: (N,) ids, the mask at positions that are to be summed out.
        target: positions to score; every position that holds a symbol and is not in `context`, if None.
        context: positions that are given, always shown; none if None.

    Raises:
        InputError: nothing to score, a position in both sets, named twice, outside the sequence or open in `tokens`; a
            length or an id that the model cannot take; a model without a mask token.
    """
    if getattr(model.vocab, "mask_id", None) is None:
        raise InputError(f"Model {model.name} has no mask token, so no position can be hidden from it.")
    if tokens.ndim != 1:
        raise InputError(f"One sequence of shape (N,) is scored, got {tuple(tokens.shape)}.")
    check_tokens(tokens, model.vocab, model.length)
    given = tuple(context or ())
    if target is None:
        shown = (tokens != model.vocab.mask_id).nonzero()[:, 0].tolist()
        target = [i for i in shown if i not in set(given)]
    _check_positions(tokens, tuple(target), given, model.vocab.mask_id)
    return Question(tokens.cpu(), tuple(sorted(target)), tuple(sorted(given)))


def _check_positions(tokens: Tensor, target: tuple[int, ...], context: tuple[int, ...], mask_id: int) -> None:
    if not target:
        raise InputError("The target is empty; name at least one position whose token is to be scored.")
    for i in (*target, *context):
        if not 0 <= i < len(tokens):
            raise InputError(f"Position {i + 1} lies outside the sequence, which has {len(tokens)} positions.")
        if int(tokens[i]) == mask_id:
            raise InputError(f"Position {i + 1} is open, so there is no token to score or to give there.")
    both = sorted(set(target) & set(context))
    if both:
        raise InputError(f"Position {both[0] + 1} is both target and context; a position can be only one of them.")
    if len(set(target)) < len(target) or len(set(context)) < len(context):
        raise InputError("A position is named twice; name each position of target and context once.")


def of_other(model: Model, question: Question, tokens: Row) -> Question:
    """The same question of another sequence.

    Args:
        tokens: (N,), the same tokens as the first at the context.

    Raises:
        InputError: another length, another context, or no token where one is to be scored.
    """
    if tokens.shape != question.tokens.shape:
        raise InputError(
            f"The sequences have {len(question.tokens)} and {len(tokens)} positions; a ratio needs the same length."
        )
    given = list(question.context)
    if not torch.equal(tokens.cpu()[given], question.tokens[given]):
        raise InputError("The two sequences differ at the context, which has to be the same for both.")
    return ask(model, tokens, target=question.target, context=question.context)


def check_same_vocabulary(first: Model, second: Model) -> None:
    """Refuse two models that do not speak of the same symbols.

    Raises:
        InputError: names both.
    """
    if first.vocab != second.vocab:
        raise InputError(f"Models {first.name} and {second.name} have different vocabularies and cannot be compared.")


@dataclass
class Meter:
    """Counts passes over several runs, tells the caller, and stops when asked."""

    total: int
    progress: Progress | None = None
    cancel: Cancel | None = None
    done: int = 0

    def check(self) -> None:
        """Raise `Cancelled` if the caller said so."""
        if self.cancel is not None and self.cancel():
            raise Cancelled(f"Cancelled after {self.done} of {self.total} passes.")

    def add(self, passes: int) -> None:
        """Count passes that are done."""
        self.done += passes
        if self.progress is not None:
            self.progress(min(self.done, self.total), self.total)


def states_of(model: Model, question: Question, hidden: Bool[Tensor, "S T"]) -> Tokens:
    """What the model sees, (S, N): context shown, `hidden` targets masked, what is in neither set masked."""
    states = torch.full((len(hidden), len(question.tokens)), model.vocab.mask_id)
    given, target = list(question.context), list(question.target)
    states[:, given] = question.tokens[given]
    states[:, target] = torch.where(hidden, model.vocab.mask_id, question.tokens[target])
    return states


def surprises(
    model: Model,
    question: Question,
    hidden: Bool[Tensor, "S T"],
    *,
    batch_size: int | None = None,
    meter: Meter | None = None,
) -> Float[Tensor, "S T"]:
    """-log p(x_i | what is shown), nats, at the hidden targets; 0 at the shown ones. One pass a row that hides any.

    Raises:
        Cancelled: the meter's caller said so.
    """
    meter = meter or Meter(len(hidden))
    out = torch.zeros(hidden.shape, dtype=torch.float64)
    rows = hidden.any(-1).nonzero()[:, 0]
    target = list(question.target)
    wanted = question.tokens[target][None, :, None]
    for part in torch.split(rows, batch_size or max(1, 8192 // len(question.tokens))):
        meter.check()
        states = states_of(model, question, hidden[part]).to(model.device)
        read = model(states).log_probs[:, target].cpu().double()  # (b, T, V)
        nll = -read.gather(-1, wanted.expand(len(part), -1, -1))[..., 0]
        out[part] = torch.where(hidden[part], nll, 0.0)
        meter.add(len(part))
    return out


def exact_nll(model: Model, question: Question) -> float | None:
    """-log p(x_T | x_C) of the joint table behind an exact model, nats; None for any other model."""
    if not isinstance(model, ExactModel):
        return None
    tokens = torch.full_like(question.tokens, model.vocab.mask_id)
    given = list(question.context)
    tokens[given] = question.tokens[given]
    below = model.table.log_prob(tokens)
    scored = list(question.target)
    tokens[scored] = question.tokens[scored]
    return below - model.table.log_prob(tokens)
