"""Where two runs of one board part. Steps are 0-based, as in `DecodeTrace.steps`; people read them from 1."""

from dataclasses import dataclass

from mi_core.decoding import DecodeTrace
from mi_core.errors import InputError


@dataclass(frozen=True)
class OtherToken:
    """A position that ends with another token in each run."""

    position: int
    tokens: tuple[int, int]
    steps: tuple[int, int]  # in which each run committed it for good


@dataclass(frozen=True)
class Divergence:
    """The first step in which two runs do not do the same, and the first position that ends differently."""

    step: int
    only_first: tuple[int, ...]  # positions that only the first run commits in that step
    only_second: tuple[int, ...]
    token: OtherToken | None  # the earliest position with different tokens, None where both end alike


def divergence(first: DecodeTrace, second: DecodeTrace) -> Divergence | None:
    """Where the runs part; None if every step is the same.

    Raises:
        InputError: the runs start from different sequences.
    """
    if first.start != second.start:
        raise InputError("These runs start from different boards, so there is nothing to compare.")
    for step in range(max(len(first.steps), len(second.steps))):
        one, other = _commitments(first, step), _commitments(second, step)
        if one != other or _revoked(first, step) != _revoked(second, step):
            only_first, only_second = sorted(one.keys() - other.keys()), sorted(other.keys() - one.keys())
            return Divergence(step, tuple(only_first), tuple(only_second), _other_token(first, second))
    return None


def _commitments(trace: DecodeTrace, step: int) -> dict[int, int]:
    if step >= len(trace.steps):
        return {}
    return dict(zip(trace.steps[step].positions, trace.steps[step].tokens, strict=True))


def _revoked(trace: DecodeTrace, step: int) -> set[int]:
    return set(trace.steps[step].revoked) if step < len(trace.steps) else set()


def _other_token(first: DecodeTrace, second: DecodeTrace) -> OtherToken | None:
    """The differing position that was committed first, in either run."""
    found = [
        OtherToken(position, tokens, (one, other))
        for position, tokens, one, other in zip(
            range(len(first.start)),
            zip(first.tokens, second.tokens, strict=True),
            first.committed_at(),
            second.committed_at(),
            strict=True,
        )
        if tokens[0] != tokens[1] and one is not None and other is not None
    ]
    return min(found, key=lambda token: (min(token.steps), token.position), default=None)
