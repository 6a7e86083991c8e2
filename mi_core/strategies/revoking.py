"""Strategies that take back what they committed. Each ends by its schedule: what it keeps, or may commit, grows to all.

A model of `mi_core.models.protocol` is certain of what it sees, so a committed token is judged by the probability that
it had when it was committed (Mask-Predict and ReMDM do the same).
"""

from typing import Annotated

import torch

from mi_core.selection import Bounds, Selection, StepView, count_of, revise, strategy
from mi_core.shapes import VectorN

Steps = Annotated[int, Bounds(1, 256, "steps of the whole run")]


@strategy(title="Revoking top-k", source="Ye et al. 2024, arXiv 2410.14157")
def revoking_top_k(
    view: StepView,
    *,
    steps: Steps = 20,
    noise: Annotated[float, Bounds(0.0, 20.0, "weight of the Gumbel noise, fading to 0 over the run")] = 0.0,
) -> Selection:
    """Keep the surest share (t + 1) / steps of all positions, committed ones among them; open the rest again.

    Every step keeps at least one position more than the last, so that a run ends after `steps` steps at most, or one
    for each position where there are fewer of them.
    """
    free = view.masked | view.committed
    score = _logs(view)
    if view.uniform is not None:
        fade = max(0.0, 1 - (view.step + 1) / steps)
        score = score + noise * fade * -(-view.uniform.clamp_min(1e-300).log()).log()
    count, known = int(free.sum()), int(view.committed.sum())
    keep = max(known + 1, count - int(count * max(0.0, 1 - (view.step + 1) / steps) + 1e-9))
    order = score.masked_fill(~free, -torch.inf).sort(descending=True, stable=True).indices[:keep].tolist()
    kept = set(order)
    back = [i for i in view.committed.nonzero()[:, 0].tolist() if i not in kept]
    chosen = [i for i in order if view.masked[i]]
    reason = f"The schedule keeps the {keep} surest of {count}: {count_of(len(chosen))} new"
    return revise(view, chosen, back, reason + (f", {len(back)} taken back." if back else "."))


def _logs(view: StepView) -> VectorN:
    """log max p where open, log of the probability at its commitment where committed, -inf where given."""
    surety = torch.zeros_like(view.confidence) if view.surety is None else view.surety
    return torch.where(view.masked, view.confidence, surety).log()


@strategy(title="ReMDM, capped", source="Wang et al. 2025, arXiv 2503.00307")
def remdm_cap(
    view: StepView,
    *,
    steps: Steps = 40,
    eta: Annotated[float, Bounds(0.0, 1.0, "most that a committed position may be opened again with")] = 0.008,
) -> Selection:
    """Open each committed position again with chance min(eta, what the schedule allows); commit enough to keep pace."""
    return _remask(view, steps, torch.full_like(view.entropy, min(eta, _sigma_max(view.step, steps))))


@strategy(title="ReMDM, by confidence", source="Wang et al. 2025, arXiv 2503.00307")
def remdm_conf(view: StepView, *, steps: Steps = 40) -> Selection:
    """Spread the chance to be opened again over the committed positions, the least sure of them first."""
    surety = torch.zeros_like(view.entropy) if view.surety is None else view.surety
    share = (-surety).masked_fill(~view.committed, -torch.inf).softmax(-1).nan_to_num(nan=0.0)
    return _remask(view, steps, share * _sigma_max(view.step, steps))


def _sigma_max(step: int, steps: int) -> float:
    """min(1, (1 - alpha_s) / alpha_t) with alpha = share of the run that is over."""
    return min(1.0, max(0.0, 1 - (step + 1) / steps) * steps / step) if step else 1.0


def _remask(view: StepView, steps: int, sigma: VectorN) -> Selection:
    """One step of ReMDM. sigma: (N,) chance of a committed position to be opened again; what an open one makes up for.

    An open position is committed with chance (alpha_s - (1 - sigma) alpha_t) / (1 - alpha_t). The paper lets a step
    commit nothing; here the one whose luck came nearest goes. In the last step nothing is taken back and all go.
    """
    before, after = min(1.0, view.step / steps), min(1.0, (view.step + 1) / steps)
    luck = torch.zeros_like(view.entropy) if view.uniform is None else view.uniform
    pace = 1.0 if after == 1.0 else (after - before) / (1 - before)
    chance = (pace + sigma * before / max(1e-12, 1 - before)).clamp_max(1.0)
    chosen = [i for i in view.ranked(chance - luck) if luck[i] < chance[i]] or view.ranked(chance - luck)[:1]
    back = (view.committed & (luck < sigma)).nonzero()[:, 0].tolist()
    reason = f"Step {view.step + 1} of {steps}: {count_of(len(chosen))} by luck, whatever the model believes"
    return revise(view, chosen, back, reason + (f"; {len(back)} taken back." if back else "."))
