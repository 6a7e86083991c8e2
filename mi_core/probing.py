"""Ground-truth pairwise MI by conditional probing (arXiv 2605.20187).

For every open position i and token v: set x_i = v, run the model, read p_j(. | x_i = v) at every other open j. One
base pass and one pass for each probed token give the whole matrix, in both directions.

Cuts save passes and are never hidden: each result carries an interval that certainly holds the value of full probing.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.errors import Cancelled, InputError, SettingError, UnknownName
from mi_core.information import binary_entropy, entropy_of, js_divergence, kl_divergence, max_entropy
from mi_core.models.protocol import Model
from mi_core.results import MIResult, ProbeDetails, mean_of_directions
from mi_core.shapes import LogProbRow, Row

MIForm = Literal["averaged", "mixture", "entropy-difference"]
"""Which number stands for the MI of a pair; all agree for a model whose conditionals come from one joint.

    averaged            MI of the mean of both probed joints; the least sensitive to an inconsistent model (default)
    mixture             H(m_ij) - sum_v p_i(v) H(p_j | x_i=v), mean of both directions; never negative
    entropy-difference  H(p_j) - sum_v p_i(v) H(p_j | x_i=v), mean of both directions; the paper's, may be negative
"""
FORMS: tuple[str, ...] = get_args(MIForm)

Progress = Callable[[int, int], None]  # passes done, passes in all
Cancel = Callable[[], bool]

_MEMORY_LIMIT = 2 * 2**30  # bytes that the probed joints of the averaged form may take


@dataclass(frozen=True, eq=False)
class _Plan:
    """Which tokens are tried where. M open positions, P probes."""

    open: Tensor  # (M,) positions
    probs: Tensor  # (M, V) base marginals, float64
    weights: Tensor  # (M, V) marginals renormalised over the tokens tried; 0 elsewhere
    probed: Tensor  # (M,) bool
    dropped: Tensor  # (M,) delta_i
    who: Tensor  # (P,) index into `open`
    token: Tensor  # (P,) token id


def probe(
    model: Model,
    tokens: Row,
    *,
    form: str = "averaged",
    mass: float = 0.99,
    min_entropy: float = 0.0,
    positions: Tensor | None = None,
    directed: bool = False,
    base: LogProbRow | None = None,
    batch_size: int | None = None,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> MIResult:
    """Pairwise MI of the open positions of one sequence, in nats.

    Args:
        tokens: (N,) ids, the mask where open.
        form: one of `FORMS`.
        mass: each position tries its likeliest tokens until they carry this much probability; 1 tries all. A
            position whose single likeliest token already does is not probed when `mass` < 1.
        min_entropy: positions with less entropy (nats) are not probed.
        positions: (N,) bool, the positions that may be probed; every open one if None. A pair of which one position
            is probed takes the value of that direction.
        directed: return I_ij (row probed, column read) instead of the symmetric matrix; not for "averaged".
        base: the base pass, where the caller has it already; it is then neither run nor counted.
        batch_size: probes per forward pass call; the result does not depend on it.
        progress: called after every batch.
        cancel: asked before every batch.

    Raises:
        UnknownName: no such form.
        SettingError: `mass` outside (0, 1], a negative `min_entropy`, a directed averaged form.
        InputError: not one sequence, `positions` of another length, or the averaged form would need more than 2 GiB.
        Cancelled: `cancel` said so.
    """
    _check_settings(form, mass, min_entropy, directed)
    if tokens.ndim != 1:
        raise InputError(f"Probing takes one sequence of shape (N,), got {tuple(tokens.shape)}.")
    if positions is not None and positions.shape != tokens.shape:
        raise InputError(f"positions must have the shape of the sequence, {tuple(tokens.shape)}.")
    start = time.perf_counter()
    tokens = tokens.to(model.device)
    base_passes = int(base is None)
    if base is None:
        base = model(tokens[None]).log_probs[0]  # (N, V)
    plan = _plan(base.exp(), tokens == model.vocab.mask_id, mass, min_entropy, positions)
    keep_joints = form == "averaged"
    if keep_joints and plan.probs.numel() ** 2 * 8 > _MEMORY_LIMIT:
        raise InputError(
            f"The averaged form of {len(plan.open)} open positions would need more than 2 GiB; "
            "choose the form 'mixture' or open fewer positions."
        )
    reads = _run_probes(model, tokens, plan, keep_joints, batch_size or _default_batch(len(tokens)), progress, cancel)
    small = _assemble(plan, *reads)
    value, lower, upper = _choose(plan, small, form, directed)
    n = len(tokens)
    return MIResult(
        mi=_spread(value, plan.open, n),
        masked=(tokens == model.vocab.mask_id).cpu(),
        entropy=entropy_of(base.exp()).cpu(),
        log_probs=base.cpu(),
        tokens=tokens.cpu(),
        model=model.name,
        estimator="probing",
        form=form,
        passes=base_passes + len(plan.who),
        seconds=time.perf_counter() - start,
        settings={"mass": mass, "min_entropy": min_entropy, "directed": directed},
        lower=_spread(lower, plan.open, n),
        upper=_spread(upper, plan.open, n),
        probes=_spread_details(small, plan.open, n),
    )


def in_form(result: MIResult, form: str, *, directed: bool = False) -> MIResult:
    """The same probes read as another form of MI, with that form's certified interval; no pass is run.

    Raises:
        UnknownName, SettingError: as `probe`.
        InputError: the result is not of probing, or its joints were not kept (only form "averaged" keeps them).
    """
    _check_settings(form, 1.0, 0.0, directed)
    if result.probes is None:
        raise InputError("This result was not probed, so it has one form only.")
    probes, at = result.probes, result.masked.nonzero()[:, 0]
    if form == "averaged" and result.form != form and int(probes.probed.sum()) > 1 and _no_joint(probes):
        raise InputError("These probes were read without their joints; probe again in the form 'averaged'.")
    settings = result.settings
    plan = _plan(result.log_probs.exp(), result.masked, settings["mass"], settings["min_entropy"], probes.probed)
    square = at[:, None], at[None, :]
    small = ProbeDetails(
        probes.probed[at],
        probes.dropped[at],
        entropy_difference=probes.entropy_difference[square],
        mixture=probes.mixture[square],
        gap=probes.gap[square],
        averaged=probes.averaged[square],
        order_divergence=probes.order_divergence[square],
    )
    value, lower, upper = (_spread(matrix, at, len(result.tokens)) for matrix in _choose(plan, small, form, directed))
    return replace(result, mi=value, lower=lower, upper=upper, form=form, settings={**settings, "directed": directed})


def _no_joint(probes: ProbeDetails) -> bool:
    both = (probes.probed[:, None] & probes.probed[None, :]).triu(diagonal=1)
    return bool(probes.averaged[both].isnan().all())


def full_passes(open_positions: int, vocabulary: int) -> int:
    """Forward passes of full probing: 1 + N V."""
    return 1 + open_positions * vocabulary


def conditionals(model: Model, tokens: Row, position: int) -> Float[Tensor, "V N V2"]:
    """Marginals of every position once `position` holds each symbol in turn: log p_j(. | x_i = v), V passes.

    Raises:
        InputError: `position` is not an open position of `tokens`.
    """
    if not 0 <= position < len(tokens) or int(tokens[position]) != model.vocab.mask_id:
        raise InputError(f"Position {position} is not open, so there is nothing to try there.")
    states = tokens.repeat(model.vocab.size, 1)
    states[:, position] = torch.arange(model.vocab.size)
    return model(states).log_probs.cpu()


def _check_settings(form: str, mass: float, min_entropy: float, directed: bool) -> None:
    if form not in FORMS:
        raise UnknownName("MI form", form, FORMS)
    if not 0 < mass <= 1:
        raise SettingError(f"mass must be above 0 and at most 1, got {mass}.")
    if not min_entropy >= 0:
        raise SettingError(f"min_entropy must be at least 0 nats, got {min_entropy}.")
    if directed and form == "averaged":
        raise SettingError("The averaged form is symmetric; choose 'mixture' or 'entropy-difference' for directed MI.")


def _default_batch(length: int) -> int:
    return max(1, 8192 // length)


def _plan(probs: Tensor, masked: Tensor, mass: float, min_entropy: float, positions: Tensor | None) -> _Plan:
    """Smallest set of likeliest tokens with at least `mass`, for every open position worth it."""
    where = masked.nonzero()[:, 0]
    p = probs[where]  # (M, V)
    ranked, order = p.sort(dim=-1, descending=True, stable=True)
    before = ranked.cumsum(-1) - ranked  # mass of the likelier tokens
    tried_ranked = (before < mass - 1e-12) & (ranked > 0)
    tried = torch.zeros_like(tried_ranked).scatter(-1, order, tried_ranked)
    probed = entropy_of(p) >= min_entropy
    if mass < 1:
        probed &= tried.sum(-1) > 1
    if positions is not None:
        probed &= positions.to(probed.device)[where]
    tried &= probed[:, None]
    kept = (p * tried).sum(-1)
    weights = torch.where(tried, p / kept[:, None].clamp_min(1e-300), 0.0)
    # Exactly 0 where every possible token is tried: rounding must not widen an exact interval.
    everything = (tried == (p > 0)).all(-1)
    dropped = torch.where(everything, 0.0, (1 - kept).clamp(0, 1))
    who, token = tried.nonzero(as_tuple=True)
    return _Plan(where, p, weights, probed, dropped, who, token)


def _run_probes(
    model: Model,
    tokens: Tensor,
    plan: _Plan,
    keep_joints: bool,
    batch_size: int,
    progress: Progress | None,
    cancel: Cancel | None,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Run all probes; mixtures m (M, M, V), mean conditional entropies h (M, M), and joints (M, V, M, V) if kept."""
    count, size = plan.probs.shape
    mixture = torch.zeros(count, count, size, dtype=torch.float64, device=tokens.device)
    mean_entropy = torch.zeros(count, count, dtype=torch.float64, device=tokens.device)
    joints = torch.zeros(count, size, count, size, dtype=torch.float64, device=tokens.device) if keep_joints else None
    total, done = len(plan.who), 0
    for part in _chunks(total, batch_size):
        if cancel is not None and cancel():
            raise Cancelled(f"Probing was cancelled after {done} of {total} probes.")
        who, token = plan.who[part], plan.token[part]
        states = tokens.repeat(len(who), 1)
        states[torch.arange(len(who)), plan.open[who]] = token
        read = model(states).log_probs[:, plan.open].exp()  # (b, M, V)
        weight = plan.weights[who, token]  # (b,)
        mixture.index_add_(0, who, weight[:, None, None] * read)
        mean_entropy.index_add_(0, who, weight[:, None] * entropy_of(read))
        if joints is not None:
            joints[who, token] = weight[:, None, None] * read
        done += len(who)
        if progress is not None:
            progress(done, total)
    return mixture, mean_entropy, joints


def _chunks(total: int, size: int) -> Iterator[slice]:
    return (slice(k, min(k + size, total)) for k in range(0, total, size))


def _assemble(plan: _Plan, mixture: Tensor, mean_entropy: Tensor, joints: Tensor | None) -> ProbeDetails:
    """All forms and diagnostics over the M open positions; NaN in rows that were not probed."""
    absent = ~plan.probed[:, None]
    base_entropy = entropy_of(plan.probs)
    # A visible symbol's own row reads a revealed position; the diagonal means nothing and is zeroed later.
    details = {
        "entropy_difference": base_entropy[None, :] - mean_entropy,
        "mixture": _clip_rounding(entropy_of(mixture) - mean_entropy),
        "gap": _clip_rounding(kl_divergence(mixture, plan.probs[None])),
    }
    details = {name: matrix.masked_fill(absent, torch.nan).fill_diagonal_(0.0) for name, matrix in details.items()}
    averaged, divergence = _order_averaged(joints, plan.probed)
    return ProbeDetails(plan.probed, plan.dropped, averaged=averaged, order_divergence=divergence, **details)


def _clip_rounding(values: Tensor) -> Tensor:
    """Rounding may push a quantity that is never negative just below 0; anything larger is left to be seen."""
    return torch.where((values < 0) & (values > -1e-12), 0.0, values)


def _order_averaged(joints: Tensor | None, probed: Tensor) -> tuple[Tensor, Tensor]:
    """MI of (J_ij + J_ji)/2 and JS(J_ij, J_ji) where both ends were probed; row by row, as memory is short."""
    at = probed.nonzero()[:, 0]
    averaged = torch.full((len(probed), len(probed)), torch.nan, dtype=torch.float64, device=probed.device)
    divergence = averaged.clone()
    if joints is not None:
        for i in at:
            forward = joints[i][:, at].transpose(0, 1)  # (P, V, V'): x_j's partner x_i first
            backward = joints[at, :, i, :].transpose(1, 2)  # (P, V, V'): the same axes, probed at j
            mean = (forward + backward) / 2
            joint_entropy = entropy_of(mean.flatten(-2))
            averaged[i, at] = entropy_of(mean.sum(-1)) + entropy_of(mean.sum(-2)) - joint_entropy
            divergence[i, at] = js_divergence(forward.flatten(-2), backward.flatten(-2))
        averaged, divergence = (averaged + averaged.T) / 2, (divergence + divergence.T) / 2  # equal up to rounding
        averaged, divergence = _clip_rounding(averaged), _clip_rounding(divergence)
    return averaged.fill_diagonal_(0.0), divergence.fill_diagonal_(0.0)


def _choose(plan: _Plan, details: ProbeDetails, form: str, directed: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Value and certified interval of the wanted form over the M open positions."""
    if form == "entropy-difference":
        value = details.entropy_difference
        lower, upper = _entropy_difference_bounds(plan, value)
    else:
        value = details.mixture
        lower, upper = _mixture_bounds(plan, value)
    value = value.nan_to_num(nan=0.0) if directed else mean_of_directions(value).nan_to_num(nan=0.0)
    if not directed:
        lower, upper = (lower + lower.T) / 2, (upper + upper.T) / 2
    if form == "averaged":
        both = ~details.averaged.isnan()
        value = torch.where(both, details.averaged, value)
        low, high = _averaged_bounds(plan, details.averaged)
        lower = torch.where(both, low, 0.0)
        upper = torch.where(both, high, _one_sided_upper(plan, upper, details.gap))
    # A pair with one unprobed direction takes the other's value, which may lie outside what both together allow.
    value = torch.maximum(torch.minimum(value, upper), lower)
    return value.fill_diagonal_(0.0), lower.fill_diagonal_(0.0), upper.fill_diagonal_(0.0)


def _rest_entropy(plan: _Plan) -> Tensor:
    """H(X_i | X_i not among the tokens tried), (M,); at most ln V."""
    rest = torch.where(plan.weights > 0, 0.0, plan.probs)
    total = rest.sum(-1, keepdim=True)
    return entropy_of(rest / total.clamp_min(1e-300)) * (total[:, 0] > 0)


def _mixture_bounds(plan: _Plan, value: Tensor) -> tuple[Tensor, Tensor]:
    """(1-d) I_K <= I_ij <= (1-d) I_K + h_b(d) + d min(H(X_i | not tried), ln V); 0..H(p_i) for an unprobed row.

    I(X; Y) = I(E; Y) + I(X; Y | E) with E = [x_i not tried], a function of x_i; no consistency is assumed.
    """
    delta = plan.dropped[:, None]
    inside = (1 - delta) * value
    room = binary_entropy(delta) + delta * _rest_entropy(plan)[:, None]
    limit = entropy_of(plan.probs)[:, None].expand_as(value)
    absent = value.isnan()
    lower = torch.where(absent, 0.0, inside)
    upper = torch.where(absent, limit, torch.minimum(inside + room, limit))
    return lower, torch.maximum(upper, lower)


def _entropy_difference_bounds(plan: _Plan, value: Tensor) -> tuple[Tensor, Tensor]:
    """The tokens not tried add between 0 and d ln V to the mean conditional entropy."""
    delta = plan.dropped[:, None]
    top = max_entropy(plan.probs.shape[-1])
    base = entropy_of(plan.probs)[None, :].expand_as(value)
    inside = torch.where(value.isnan(), 0.0, (1 - delta) * (base - value))  # sum over tried tokens of p H
    share = torch.where(value.isnan(), 1.0, delta)
    return base - inside - share * top, base - inside


def _averaged_bounds(plan: _Plan, value: Tensor) -> tuple[Tensor, Tensor]:
    """Interval of the averaged form where both directions were probed.

    With t = max(d_i, d_j) the full joint is (1-t) (mean of the renormalised joints, whose MI is the value) + t (rest).
    With E the label of the part, I(X;Y|E) - h_b(t) <= I(X;Y) <= I(X;Y|E) + h_b(t), and the rest adds 0 to t ln V.
    """
    t = torch.maximum(plan.dropped[:, None], plan.dropped[None, :])
    inside = (1 - t) * value
    slack = binary_entropy(t)
    top = max_entropy(plan.probs.shape[-1])
    return (inside - slack).clamp_min(0.0), (inside + slack + t * top).clamp_max(top)


def _one_sided_upper(plan: _Plan, mixture_upper: Tensor, gap: Tensor) -> Tensor:
    """Upper bound of the averaged form where a direction was not probed, from that of the symmetric mixture form.

    MI_avgJ = MI_sym + JS(p_i, m_i) + JS(m_j, p_j) - JS(J1, J2) and JS(J1, J2) is at least each of the other two, so
    MI_avgJ <= MI_sym + min of both. JS(m, p) <= KL(m || p) / 2, JS <= ln 2, and JS is convex in m.
    """
    delta, most = plan.dropped[:, None], max_entropy(2)
    extra = ((1 - delta) * (gap / 2).clamp_max(most) + delta * most).nan_to_num(nan=most)
    return (mixture_upper + torch.minimum(extra, extra.T)).clamp_max(max_entropy(plan.probs.shape[-1]))


def _spread(small: Tensor, where: Tensor, n: int) -> Tensor:
    """Put an (M, M) matrix of the open positions into (N, N); 0 elsewhere."""
    out = torch.zeros(n, n, dtype=torch.float64)
    out[where.cpu()[:, None], where.cpu()[None, :]] = small.cpu()
    return out


def _spread_details(small: ProbeDetails, where: Tensor, n: int) -> ProbeDetails:
    at = where.cpu()
    probed = torch.zeros(n, dtype=torch.bool)
    probed[at] = small.probed.cpu()
    dropped = torch.zeros(n, dtype=torch.float64)
    dropped[at] = small.dropped.cpu()
    return ProbeDetails(
        probed,
        dropped,
        entropy_difference=_spread(small.entropy_difference, where, n),
        mixture=_spread(small.mixture, where, n),
        gap=_spread(small.gap, where, n),
        averaged=_spread(small.averaged, where, n),
        order_divergence=_spread(small.order_divergence, where, n),
    )
