"""The loop on exact tables: counts, seeds, records, and the loss that theory predicts."""

import json
import math

import hypothesis
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mi_core import catalog
from mi_core.agreement import peer_matrix
from mi_core.decoding import DecodeTrace, MISource, decode
from mi_core.errors import Cancelled, FormatError, InputError, SettingError
from mi_core.models import exact
from mi_core.selection import revise
from mi_core.sources import (
    AttentionSource,
    GapSource,
    ProbingPointwiseSource,
    ProbingSource,
    StructureSource,
    TVSource,
)
from mi_core.strategies import STRATEGIES, Selection, StepView, Strategy

COPIES = exact.ExactModel(exact.copied_bits(1.0), name="copied-bits")
OPEN = torch.full((1, 4), 2)


def _agreeing(traces: list[DecodeTrace]) -> float:
    return sum(t.tokens[0] == t.tokens[1] for t in traces) / len(traces)


def test_sequential_counts_a_pass_for_each_position() -> None:
    trace = decode(COPIES, OPEN, "sequential")[0]
    assert trace.nfe == 4 and len(trace.steps) == 4
    assert [len(step.positions) for step in trace.steps] == [1, 1, 1, 1]
    assert 2 not in trace.tokens


def test_states_and_record_tell_the_same_story() -> None:
    start = torch.tensor([[2, 1, 2, 2]])
    trace = decode(COPIES, start, "eb-sampler", {"gamma": 0.0}, temperature=1.0, record_marginals=True)[0]
    assert trace.start == (2, 1, 2, 2) and trace.tokens == trace.states[-1]
    assert trace.tokens[0] == 1, "position 0 is a copy of the given 1"
    for before, step, after in zip(trace.states, trace.steps, trace.states[1:], strict=False):
        changed = {i for i in range(4) if before[i] != after[i]}
        assert changed == set(step.positions)
        assert all(h == 0 for h, token in zip(step.entropy, before, strict=True) if token != 2)
        assert len(step.marginals) == 4 and sum(step.marginals[0]) == pytest.approx(1)
    at = trace.committed_at()
    assert at[1] is None and all(k is not None for i, k in enumerate(at) if i != 1)


def test_eb_golden_order_on_copied_bits() -> None:
    trace = decode(COPIES, OPEN, "eb-sampler", {"gamma": 0.0})[0]
    assert [step.positions for step in trace.steps] == [(0,), (1, 2), (3,)]
    assert trace.steps[0].entropy == pytest.approx([math.log(2)] * 4)


def test_parallel_commitment_breaks_copies_as_often_as_theory_says() -> None:
    runs = 2000
    everything = decode(COPIES, OPEN.repeat(runs, 1), "threshold", {"tau": 0.0}, seed=1, temperature=1.0)
    assert all(trace.nfe == 1 for trace in everything)
    assert _agreeing(everything) == pytest.approx(0.5, abs=4.5 * 0.5 / math.sqrt(runs))  # 4.5 standard errors


def test_mi_guided_with_probing_keeps_copies_and_counts_probes() -> None:
    traces = decode(
        COPIES, OPEN.repeat(50, 1), "mi-guided", {"gamma": 1.5}, seed=1, temperature=1.0, mi_source=ProbingSource()
    )
    assert _agreeing(traces) == 1.0
    first, second = traces[0].steps
    assert first.positions == (0, 2) and second.positions == (1, 3)
    assert first.passes == 1 + 4 * 2, "one base pass and N V probes"
    assert second.passes == 1, "certain positions need no probe"
    assert traces[0].nfe == 10
    assert first.pair_mi == ((0, 2, pytest.approx(0.0, abs=1e-9)),)
    assert first.spent == pytest.approx(2 * math.log(2)) and first.budget == 1.5


def test_a_sequence_does_not_depend_on_its_batch() -> None:
    alone = decode(COPIES, OPEN, "sequential", seed=7, temperature=1.0)[0]
    among = decode(COPIES, OPEN.repeat(5, 1), "sequential", seed=7, temperature=1.0, batch_size=2)
    assert among[0] == alone
    assert len({trace.tokens for trace in decode(COPIES, OPEN.repeat(64, 1), "sequential", temperature=1.0)}) == 4


def test_same_seed_same_trace_other_seed_other_trace() -> None:
    batch = OPEN.repeat(16, 1)
    first = decode(COPIES, batch, "top-k", {"k": 2}, seed=3, temperature=1.0)
    assert first == decode(COPIES, batch, "top-k", {"k": 2}, seed=3, temperature=1.0)
    assert first != decode(COPIES, batch, "top-k", {"k": 2}, seed=4, temperature=1.0)


def test_draws_follow_the_marginals() -> None:
    table = exact.independent([[0.2, 0.3, 0.5]])
    model = exact.ExactModel(table)
    runs = 3000
    traces = decode(model, torch.full((runs, 1), 3), "sequential", temperature=1.0)
    for token, p in enumerate((0.2, 0.3, 0.5)):
        share = sum(t.tokens[0] == token for t in traces) / runs
        assert share == pytest.approx(p, abs=4.5 * math.sqrt(p * (1 - p) / runs))
    cold = decode(model, torch.full((50, 1), 3), "sequential", temperature=0.05)
    assert all(t.tokens[0] == 2 for t in cold)


def test_min_p_draws_no_unlikely_token_and_keeps_the_ratio_of_the_others() -> None:
    model = exact.ExactModel(exact.independent([[0.2, 0.3, 0.5]]))
    runs = 3000
    traces = decode(model, torch.full((runs, 1), 3), "sequential", temperature=1.0, min_p=0.5)  # 0.2 < 0.5 * 0.5
    share = sum(t.tokens[0] == 1 for t in traces) / runs
    assert {t.tokens[0] for t in traces} == {1, 2} and traces[0].min_p == 0.5
    assert share == pytest.approx(3 / 8, abs=4.5 * math.sqrt(15 / 64 / runs))
    plain = decode(model, torch.full((50, 1), 3), "sequential", temperature=1.0)
    assert [t.tokens for t in plain] == [
        t.tokens for t in decode(model, torch.full((50, 1), 3), "sequential", temperature=1.0, min_p=0.3)
    ]


def test_trace_json_round_trip_and_refusals() -> None:
    trace = decode(COPIES, OPEN, "mi-guided", mi_source=ProbingSource(), record_marginals=True)[0]
    assert DecodeTrace.from_json(trace.to_json()) == trace
    values = json.loads(trace.to_json())
    assert values["nfe"] == trace.nfe and values["output"] == trace.output
    for other in (1, 99):
        with pytest.raises(FormatError, match=f"version {other}; expected decode-trace version 2"):
            DecodeTrace.from_json(json.dumps({**values, "schema": other}))
    for bad in ("", "[]", "3", "{}", '{"kind": "decode-trace"}', json.dumps({**values, "steps": [1]})):
        with pytest.raises(FormatError):
            DecodeTrace.from_json(bad)
    del values["start"]
    with pytest.raises(FormatError, match="damaged"):
        DecodeTrace.from_json(json.dumps(values))


def test_a_strategy_that_commits_nothing_is_stopped() -> None:
    idle = Strategy("idle", "Idle", "test", "Nothing.")
    with pytest.raises(InputError, match="idle committed nothing in step 1"):
        decode(COPIES, OPEN, idle)


def test_what_is_taken_back_is_open_again_and_recorded() -> None:
    """Commit 0 and 1, take 0 back, commit the rest: position 3 was given and stays, whatever the rule says."""
    plan = [([0, 1], []), ([2], [0, 3]), ([0], [])]

    def wavering(view: StepView) -> Selection:
        return revise(view, *plan[view.step], reason="By plan.")

    rule = Strategy("wavering", "Wavering", "test", "By plan.", rule=wavering)
    seen: list[int] = []
    trace = decode(COPIES, torch.tensor([[2, 2, 2, 1]]), rule, progress=lambda done, total: seen.append(done))[0]
    assert [step.revoked for step in trace.steps] == [(), (0,), ()]
    assert [state.count(2) for state in trace.states] == [3, 1, 1, 0] and trace.states[2][0] == 2
    assert trace.tokens[3] == 1 and trace.committed_at() == (2, 0, 1, None) and trace.nfe == 3
    assert seen == [2, 2, 3]
    assert DecodeTrace.from_json(trace.to_json()) == trace


def test_a_strategy_that_takes_back_for_ever_is_stopped() -> None:
    def restless(view: StepView) -> Selection:
        return revise(view, view.by_entropy, view.committed.nonzero()[:, 0].tolist(), "To and fro.")

    rule = Strategy("restless", "Restless", "test", "To and fro.", rule=restless)

    def first_half(view: StepView) -> Selection:
        open_now = view.by_entropy
        return revise(view, open_now[: max(1, len(open_now) - 1)], view.committed.nonzero()[:, 0].tolist(), "Half.")

    assert decode(COPIES, OPEN, rule)[0].nfe == 1
    with pytest.raises(InputError, match="half takes back what it commits: no end after 1024 steps"):
        decode(COPIES, OPEN, Strategy("half", "Half", "test", "Half.", rule=first_half))


@pytest.mark.parametrize("name", ["revoking-top-k", "remdm-cap", "remdm-conf"])
@given(seed=st.integers(0, 10_000), steps=st.integers(1, 30), size=st.integers(1, 6))
@hypothesis.settings(max_examples=20)
def test_rules_that_take_back_end_by_their_schedule(name: str, seed: int, steps: int, size: int) -> None:
    model = exact.ExactModel(exact.from_seed(seed, size, 3))
    extra = {"eta": 1.0} if name == "remdm-cap" else {"noise": 20.0} if name == "revoking-top-k" else {}
    trace = decode(model, torch.full((1, size), 3), name, {"steps": steps, **extra}, seed=seed, temperature=1.0)[0]
    assert 3 not in trace.tokens
    assert len(trace.steps) <= (max(steps, size) if name == "revoking-top-k" else steps)


def test_remasking_really_takes_back() -> None:
    model, start = exact.ExactModel(exact.from_seed(1, 6, 3)), torch.full((20, 6), 3)
    for name, extra in (("remdm-cap", {"eta": 1.0}), ("remdm-conf", {}), ("revoking-top-k", {"noise": 5.0})):
        traces = decode(model, start, name, {"steps": 12, **extra}, temperature=1.0)
        assert any(step.revoked for trace in traces for step in trace.steps), name


def test_a_strategy_cannot_touch_revealed_positions() -> None:
    def greedy(view: StepView) -> Selection:
        return Selection(torch.ones_like(view.masked), "All.")

    rule = Strategy("all", "All", "test", "All.", rule=greedy)
    trace = decode(COPIES, torch.tensor([[1, 2, 2, 2]]), rule)[0]
    assert trace.tokens[0] == 1 and trace.steps[0].positions == (1, 2, 3)


def test_bad_settings_and_cancel() -> None:
    with pytest.raises(SettingError, match="temperature"):
        decode(COPIES, OPEN, "sequential", temperature=-1.0)
    with pytest.raises(SettingError, match="min_p must lie between 0 and 1"):
        decode(COPIES, OPEN, "sequential", min_p=1.5)
    with pytest.raises(SettingError, match="tau of strategy threshold"):
        decode(COPIES, OPEN, "threshold", {"tau": 1.5})
    calls = iter([False, True])
    with pytest.raises(Cancelled, match="1 of 4 positions"):
        decode(COPIES, OPEN, "sequential", cancel=lambda: next(calls))


def _source_for(rule: Strategy) -> MISource | None:
    if not rule.pairs:
        return None
    made = {
        "mi": ProbingSource(),
        "loss": ProbingPointwiseSource(),
        "tv": TVSource(),
        "structure": StructureSource(1 - torch.eye(4, dtype=torch.float64)),
    }
    return next(made[kind] for kind in rule.pairs if kind in made)


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_every_strategy_finishes_a_sequence(name: str) -> None:
    seen: list[tuple[int, int]] = []
    source = _source_for(STRATEGIES[name])
    traces = decode(
        COPIES, OPEN.repeat(3, 1), name, temperature=1.0, mi_source=source, progress=lambda a, b: seen.append((a, b))
    )
    assert all(2 not in trace.tokens for trace in traces)
    assert seen[-1] == (12, 12)


def test_a_source_of_another_kind_is_refused() -> None:
    with pytest.raises(SettingError, match="mi-guided works on pairwise MI, and structure gives who is whose peer"):
        decode(COPIES, OPEN, "mi-guided", mi_source=StructureSource(torch.zeros(4, 4, dtype=torch.float64)))
    with pytest.raises(InputError, match="does not show its attention"):
        decode(COPIES, OPEN, "dapd", mi_source=AttentionSource())
    with pytest.raises(InputError, match="joins 3 positions"):
        decode(COPIES, OPEN, "peer-colouring", mi_source=StructureSource(torch.zeros(3, 3, dtype=torch.float64)))


def test_the_passes_that_punt_asks_for_are_counted() -> None:
    """Four copied bits in two pairs: 1 + 2 passes and one of each pair, then 1 + 1 for the two that are left."""
    trace = decode(COPIES, OPEN, "punt", {"eps": 0.1}, seed=3, temperature=1.0)[0]
    assert [step.passes for step in trace.steps] == [3, 2]
    assert all(len(step.positions) == 2 for step in trace.steps)


def test_mi_plus_gap_of_a_consistent_model_is_its_mi() -> None:
    plain, _ = ProbingSource(mass=1.0)(COPIES, OPEN, COPIES(OPEN))
    with_gap, passes = GapSource(mass=1.0)(COPIES, OPEN, COPIES(OPEN))
    torch.testing.assert_close(plain, with_gap, atol=1e-12, rtol=0)
    assert passes == [8]


def test_variation_of_copied_and_free_coins() -> None:
    """A copy moves from (.5, .5) to certainty, half of the mass; free coins do not move."""
    (matrix,), passes = TVSource(mass=1.0)(COPIES, OPEN, COPIES(OPEN))
    expected = torch.zeros(4, 4, dtype=torch.float64)
    expected[0, 1] = expected[1, 0] = expected[2, 3] = expected[3, 2] = 0.5
    torch.testing.assert_close(matrix, expected, atol=1e-12, rtol=0)
    assert passes == [8]
    trace = decode(COPIES, OPEN, "demask", {"tau": 0.1}, temperature=1.0, mi_source=TVSource())[0]
    assert [step.positions for step in trace.steps] == [(0, 2), (1, 3)]
    assert trace.nfe == 1 + 8 + 1 and not trace.steps[0].pair_mi, "variation is not recorded as MI"


def test_attention_joins_cells_and_is_not_recorded_as_mi() -> None:
    model = catalog.load_model("sudoku")
    empty = torch.full((1, 81), 9)
    weights, passes = AttentionSource()(model, empty, model(empty))
    assert passes == [0] and torch.equal(weights, weights.transpose(1, 2)) and (weights.diagonal(0, 1, 2) == 0).all()
    peers = peer_matrix()
    assert weights[0][peers].mean() > 2 * weights[0][~peers].mean(), "cells look at their peers"
    trace = decode(model, empty, "dapd", {"tau": 0.02}, mi_source=AttentionSource())[0]
    assert trace.mi_source == "attention" and not any(step.pair_mi for step in trace.steps)


def test_a_rule_that_draws_leaves_the_tokens_of_others_alone() -> None:
    """The luck of random-k comes from a stream of its own and differs from sequence to sequence."""
    one, _ = decode(COPIES, OPEN.repeat(2, 1), "random-k", {"k": 1}, seed=5, temperature=1.0)
    again = decode(COPIES, OPEN, "random-k", {"k": 1}, seed=5, temperature=1.0)[0]
    assert one.steps == again.steps
    orders = {
        tuple(step.positions for step in t.steps) for t in decode(COPIES, OPEN.repeat(20, 1), "random-k", {"k": 1})
    }
    assert len(orders) > 5
