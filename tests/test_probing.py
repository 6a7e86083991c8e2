"""Probed MI against exact tables, against an inconsistent oracle with known answers, and under every cut."""

import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from mi_core.errors import Cancelled, InputError, SettingError, UnknownName
from mi_core.models import exact
from mi_core.models.exact import ExactModel, JointTable
from mi_core.models.protocol import ModelOutput, clamp_revealed
from mi_core.probing import FORMS, conditionals, full_passes, in_form, probe
from mi_core.results import MIResult
from mi_core.vocab import Vocab

# ---- oracles


class InconsistentPair:
    """Two positions whose marginals and conditionals come from no common joint."""

    name = "inconsistent pair"
    vocab = Vocab(("a", "b", "c"))
    device = torch.device("cpu")
    length: int | None = 2

    def __init__(self, marginals: list[list[float]], second_given_first: list, first_given_second: list) -> None:
        self.marginals = torch.tensor(marginals, dtype=torch.float64)
        self.given = [torch.tensor(table, dtype=torch.float64) for table in (first_given_second, second_given_first)]

    def __call__(self, tokens: torch.Tensor) -> ModelOutput:
        probs = self.marginals.repeat(len(tokens), 1, 1)
        for row, out in zip(tokens.tolist(), probs, strict=True):
            for position in (0, 1):
                if row[1 - position] < 3:
                    out[position] = self.given[position][row[1 - position]]
        log_probs = clamp_revealed(probs.log(), tokens, self.vocab)
        return ModelOutput(log_probs, log_probs.exp().float())


class Noisy:
    """An exact model whose logits are disturbed in every context anew: deterministic, but no joint fits."""

    def __init__(self, model: ExactModel, scale: float, seed: int = 0) -> None:
        self.model, self.scale, self.seed = model, scale, seed
        self.name, self.vocab, self.device, self.length = "noisy", model.vocab, model.device, model.length

    def __call__(self, tokens: torch.Tensor) -> ModelOutput:
        output = self.model(tokens)
        log_probs = clamp_revealed((output.log_probs + self._noise(tokens)).log_softmax(-1), tokens, self.vocab)
        return ModelOutput(log_probs, output.hidden)

    def _noise(self, tokens: torch.Tensor) -> torch.Tensor:
        """Normal numbers of standard deviation `scale`, a fixed function of context, position and symbol."""
        powers = (self.vocab.size + 1) ** torch.arange(tokens.shape[1])
        context = (tokens * powers).sum(-1)[:, None, None] + 7919 * self.seed
        place = torch.arange(tokens.shape[1] * self.vocab.size).view(1, tokens.shape[1], -1)
        hashed = torch.sin((context * 131 + place).double() * 12.9898) * 43758.5453
        return self.scale * torch.special.ndtri((hashed - hashed.floor()).clamp(1e-9, 1 - 1e-9))


class Counting:
    """Counts the sequences that a model is shown and the size of the largest batch."""

    def __init__(self, model: ExactModel) -> None:
        self.model, self.rows, self.largest = model, 0, 0
        self.name, self.vocab, self.device, self.length = "counted", model.vocab, model.device, model.length

    def __call__(self, tokens: torch.Tensor) -> ModelOutput:
        self.rows += len(tokens)
        self.largest = max(self.largest, len(tokens))
        return self.model(tokens)


def peaked(seed: int, n: int, v: int, power: float = 2.5) -> JointTable:
    """A random table with likely and very unlikely tokens, so that cuts have something to cut."""
    return JointTable(exact.from_seed(seed, n, v).probs ** power)


def all_open(table: JointTable) -> torch.Tensor:
    return torch.full((table.length,), table.size)


# ---- a consistent oracle: every form is the MI of the table


@st.composite
def contexts(draw: st.DrawFn) -> tuple[int, int, list[int]]:
    n, v = draw(st.sampled_from([(2, 5), (3, 3), (4, 2), (4, 3)]))
    return draw(st.integers(0, 10**6)), v, draw(st.lists(st.integers(0, v), min_size=n, max_size=n))


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(case=contexts())
def test_probed_mi_is_the_mi_of_the_table(form: str, case: tuple[int, int, list[int]]) -> None:
    seed, v, context = case
    table, tokens = exact.from_seed(seed, len(context), v), torch.tensor(context)
    result = probe(ExactModel(table), tokens, form=form, mass=1.0)
    torch.testing.assert_close(result.mi, table.mutual_information(tokens), atol=1e-10, rtol=0)
    assert result.probes is not None
    assert result.probes.gap.nan_to_num().abs().max() < 1e-10
    assert result.probes.order_divergence.nan_to_num().abs().max() < 1e-10
    torch.testing.assert_close(result.lower, result.upper, atol=1e-9, rtol=0)


@pytest.mark.parametrize("form", ["mixture", "entropy-difference"])
def test_directed_mi_of_a_consistent_model_is_symmetric(form: str) -> None:
    table = exact.golden_table()
    tokens = torch.tensor([0, 3, 3, 3])
    result = probe(ExactModel(table), tokens, form=form, mass=1.0, directed=True)
    torch.testing.assert_close(result.mi, table.mutual_information(tokens), atol=1e-12, rtol=0)
    assert result.mi[1, 2].item() == pytest.approx(4.4413569e-05, abs=1e-12)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "table", [exact.copied_bits(1.0), exact.xor(1.0), exact.chain(0.5)], ids=["copy", "xor", "chain"]
)
def test_impossible_tokens_do_no_harm(table: JointTable, form: str) -> None:
    """Revealing one bit makes others certain; the probes of what is impossible then weigh nothing."""
    tokens = all_open(table)
    tokens[0] = 1
    result = probe(ExactModel(table), tokens, form=form, mass=1.0)
    torch.testing.assert_close(result.mi, table.mutual_information(tokens), atol=1e-10, rtol=0)


# ---- an inconsistent oracle: closed-form values


def test_golden_inconsistent_oracle() -> None:
    model = InconsistentPair(
        [[0.5, 0.3, 0.2], [0.2, 0.5, 0.3]],
        second_given_first=[[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7]],
        first_given_second=[[0.7, 0.2, 0.1], [0.4, 0.4, 0.2], [0.2, 0.3, 0.5]],
    )
    tokens = torch.tensor([3, 3])
    result = probe(model, tokens, form="averaged", mass=1.0)
    details, asymmetry = result.probes, result.asymmetry
    assert details is not None and asymmetry is not None
    golden = {
        "ED_ij": (details.entropy_difference[0, 1], 0.111420536908),
        "MI_ij": (details.mixture[0, 1], 0.172675126917),
        "gap_ij": (details.gap[0, 1], 0.093461229253),
        "CKL_ij": (details.mixture[0, 1] + details.gap[0, 1], 0.266136356170),
        "ED_sym": (probe(model, tokens, form="entropy-difference", mass=1.0).mi[0, 1], 0.072176926126),
        "MI_sym": (probe(model, tokens, form="mixture", mass=1.0).mi[1, 0], 0.130925191717),
        "gap_sym": ((details.gap[0, 1] + details.gap[1, 0]) / 2, 0.058342204012),
        "MI_avgJ": (result.mi[0, 1], 0.132289177544),
        "JS_order": (details.order_divergence[0, 1], 0.026429975054),
        "asym": (asymmetry[0, 1], 0.083499870401),
    }
    for name, (value, expected) in golden.items():
        assert float(value) == pytest.approx(expected, abs=1e-10), name
    assert torch.equal(result.mi, result.mi.T)


def test_golden_negative_entropy_difference() -> None:
    model = InconsistentPair(
        [[0.5, 0.3, 0.2], [0.6, 0.3, 0.1]],
        second_given_first=[[0.34, 0.33, 0.33], [0.33, 0.34, 0.33], [0.33, 0.33, 0.34]],
        first_given_second=[[0.5, 0.3, 0.2]] * 3,
    )
    details = probe(model, torch.tensor([3, 3]), mass=1.0).probes
    assert details is not None
    assert details.entropy_difference[0, 1].item() == pytest.approx(-0.2005668922, abs=1e-10)
    assert details.mixture[0, 1].item() == pytest.approx(0.0000926749, abs=1e-10)
    assert details.gap[0, 1].item() == pytest.approx(0.2379024867, abs=1e-10)
    assert (details.mixture + details.gap)[0, 1].item() == pytest.approx(0.2379951616, abs=1e-10)


@pytest.mark.parametrize("seed", range(10))
def test_the_forms_differ_by_the_entropies_of_mixture_and_base(seed: int) -> None:
    """MI_avgJ = MI_sym + JS(p_i, m_i) + JS(m_j, p_j) - JS(J1, J2), and MI >= 0 however noisy the model."""
    model = Noisy(ExactModel(exact.from_seed(seed, 2, 3)), scale=0.5, seed=seed)
    details = probe(model, torch.tensor([3, 3]), mass=1.0).probes
    assert details is not None
    first, second = model(torch.tensor([[3, 3]])).log_probs[0].exp()
    from_first = conditionals(model, torch.tensor([3, 3]), 0)[:, 1].exp()
    from_second = conditionals(model, torch.tensor([3, 3]), 1)[:, 0].exp()
    ahead, back = first[:, None] * from_first, (second[:, None] * from_second).T
    marginals = _js(first, back.sum(1)) + _js(ahead.sum(0), second)
    expected = float(details.mixture[0, 1] + details.mixture[1, 0]) / 2 + marginals - _js(ahead, back)
    assert details.averaged[0, 1].item() == pytest.approx(expected, abs=1e-12)
    assert (details.mixture >= 0).all() and (details.gap >= 0).all() and (details.averaged >= 0).all()


def _js(p: torch.Tensor, q: torch.Tensor) -> float:
    return float(jensenshannon(p.flatten().numpy(), q.flatten().numpy())) ** 2


def test_the_noise_floor_predicts_the_mi_that_inconsistency_feigns() -> None:
    """On independent positions the mean floor is the mean spurious MI, for both forms that have one."""
    for form in ("mixture", "averaged"):
        spurious, floor = 0.0, 0.0
        for seed in range(40):
            marginals = torch.rand(2, 6, generator=torch.Generator().manual_seed(seed)).tolist()
            model = Noisy(ExactModel(exact.independent(marginals)), scale=0.2, seed=seed)
            result = probe(model, torch.tensor([6, 6]), form=form, mass=1.0)
            assert result.noise_floor is not None
            spurious += float(result.mi[0, 1])
            floor += float(result.noise_floor[0, 1])
        assert floor / spurious == pytest.approx(1, rel=0.25), form


def test_dependent_pairs_stand_above_the_noise_floor() -> None:
    marginals = torch.rand(3, 6, generator=torch.Generator().manual_seed(0)).tolist()
    model = Noisy(ExactModel(exact.independent(marginals)), scale=0.2)
    result = probe(model, torch.tensor([6, 6, 6]), mass=1.0)
    assert result.noise_floor is not None and result.noise_floor[0, 1] > 1e-4
    for above, expected in ((5e-4, 0), (2e-3, 3)):
        assert int(replace(result, mi=result.noise_floor + above).dependent.sum()) == expected
    told = replace(result, probes=None, mi=torch.full((3, 3), 2e-3))
    assert torch.equal(told.dependent, told.pairs), "without probes there is no floor"


# ---- cuts


NOISE = (0.0, 0.3, 1.0)
CUTS: dict[str, dict[str, Any]] = {
    "mass": {"mass": 0.9},
    "strong mass": {"mass": 0.6},
    "entropy": {"mass": 1.0, "min_entropy": 1.1},
    "both": {"mass": 0.95, "min_entropy": 0.9},
    "positions": {"mass": 0.95, "positions": torch.tensor([False, True, False])},
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS.keys())
@pytest.mark.parametrize(("form", "directed"), [(f, False) for f in FORMS] + [(f, True) for f in FORMS[1:]])
@pytest.mark.parametrize("noise", NOISE)
def test_the_certified_interval_holds_the_value_of_full_probing(
    form: str, directed: bool, noise: float, cut: dict[str, Any]
) -> None:
    narrower = 0
    group = list(CUTS.values()).index(cut) + len(CUTS) * NOISE.index(noise)
    for seed in range(20 * group, 20 * group + 20):  # 240 different tables in all, each under every form
        exact_model = ExactModel(peaked(seed, 3, 4))
        model = Noisy(exact_model, noise, seed) if noise else exact_model
        tokens = torch.full((3,), 4)
        full = probe(model, tokens, form=form, mass=1.0, directed=directed)
        less = probe(model, tokens, form=form, directed=directed, **cut)
        assert less.lower is not None and less.upper is not None
        slack = torch.minimum(full.mi - less.lower, less.upper - full.mi).min().item()
        assert slack > -1e-12, f"seed {seed}: the value lies {-slack:.3g} nats outside"
        assert (less.lower <= less.mi).all() and (less.mi <= less.upper).all()
        narrower += less.passes < full.passes
    assert narrower >= 8  # else the cut was hardly tried


def test_the_interval_is_a_point_when_nothing_was_cut() -> None:
    model = Noisy(ExactModel(peaked(3, 3, 3)), 0.5)
    for form in FORMS:
        result = probe(model, torch.tensor([3, 3, 3]), form=form, mass=1.0)
        torch.testing.assert_close(result.lower, result.mi, atol=1e-12, rtol=0)
        torch.testing.assert_close(result.upper, result.mi, atol=1e-12, rtol=0)


def test_a_mass_cut_tends_to_the_full_value() -> None:
    table = peaked(6, 3, 5)
    truth = table.mutual_information(all_open(table))
    results = [probe(ExactModel(table), all_open(table), mass=mass) for mass in (0.5, 0.75, 1.0)]
    errors = [(result.mi - truth).abs().max() for result in results]
    assert errors[0] > errors[1] > errors[2] and errors[2] < 1e-10


@pytest.mark.parametrize("cut", [{"mass": 1.0}, *CUTS.values()], ids=["none", *CUTS.keys()])
def test_another_form_of_the_same_probes_is_what_probing_in_that_form_gives(cut: dict[str, Any]) -> None:
    model, tokens = Noisy(ExactModel(peaked(8, 3, 4)), 0.4, 8), torch.full((3,), 4)
    probed = probe(model, tokens, form="averaged", **cut)
    for form, directed in [(f, False) for f in FORMS] + [(f, True) for f in FORMS[1:]]:
        read, again = (
            in_form(probed, form, directed=directed),
            probe(model, tokens, form=form, directed=directed, **cut),
        )
        for name in ("mi", "lower", "upper"):
            torch.testing.assert_close(getattr(read, name), getattr(again, name), atol=1e-12, rtol=0)
        assert read.form == form and read.settings == again.settings and read.passes == probed.passes


def test_a_form_that_was_not_kept_is_refused() -> None:
    model = ExactModel(exact.xor())
    mixture = probe(model, torch.tensor([2, 2, 2]), form="mixture")
    assert in_form(mixture, "entropy-difference").form == "entropy-difference"
    with pytest.raises(InputError, match="probe again in the form 'averaged'"):
        in_form(mixture, "averaged")
    with pytest.raises(InputError, match="not probed"):
        in_form(replace(mixture, probes=None), "mixture")


# ---- cost


@pytest.mark.parametrize("mass", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("seed", range(5))
def test_passes_are_the_likeliest_tokens_that_carry_the_mass(seed: int, mass: float) -> None:
    table = peaked(seed, 3, 5)
    expected = 1
    for position in range(3):
        ranked, size = sorted(table.marginal([position]).tolist(), reverse=True), 1
        while sum(ranked[:size]) < mass:
            size += 1
        expected += size if size > 1 else 0  # one certain enough token leaves nothing to compare
    model = Counting(ExactModel(table))
    assert probe(model, all_open(table), mass=mass).passes == model.rows == expected


def test_full_probing_costs_one_pass_and_v_for_each_open_position() -> None:
    model = Counting(ExactModel(exact.from_seed(0, 4, 3)))
    result = probe(model, torch.tensor([3, 1, 3, 3]), mass=1.0)
    assert result.passes == model.rows == full_passes(3, 3) == 10


def test_a_position_of_little_entropy_is_not_probed() -> None:
    table = exact.independent([[0.5, 0.5], [0.99, 0.01], [0.5, 0.5]])
    result = probe(ExactModel(table), all_open(table), mass=1.0, min_entropy=0.2)
    assert result.probes is not None and result.upper is not None
    assert result.probes.probed.tolist() == [True, False, True] and result.passes == 5
    limit = -0.99 * math.log(0.99) - 0.01 * math.log(0.01)
    assert result.upper[1, 0].item() <= limit + 1e-12


def test_only_the_named_positions_are_probed() -> None:
    """A pair with one end probed has the MI of that direction; of an exact table that is the MI."""
    table = exact.from_seed(5, 4, 3)
    truth = table.mutual_information(all_open(table))
    chosen = torch.tensor([False, True, False, True])
    result = probe(ExactModel(table), all_open(table), mass=1.0, positions=chosen)
    assert result.passes == 7 and result.probes is not None and torch.equal(result.probes.probed, chosen)
    known = chosen[:, None] | chosen[None, :]
    torch.testing.assert_close(result.mi[known], truth[known])
    assert (result.mi[~known] == 0).all()
    with pytest.raises(InputError, match="shape of the sequence"):
        probe(ExactModel(table), all_open(table), positions=chosen[:2])


@pytest.mark.parametrize("form", FORMS)
def test_the_batch_size_does_not_change_the_result(form: str) -> None:
    model = Counting(ExactModel(exact.from_seed(11, 4, 3)))
    tokens = torch.tensor([3, 3, 0, 3])
    whole = probe(model, tokens, form=form)
    model.largest = 0
    for size in (1, 4):
        parts = probe(model, tokens, form=form, batch_size=size)
        torch.testing.assert_close(parts.mi, whole.mi, atol=1e-14, rtol=0)
        assert parts.passes == whole.passes and model.largest <= size


def test_progress_counts_up_to_all_probes() -> None:
    seen: list[tuple[int, int]] = []
    probe(
        ExactModel(exact.xor()),
        torch.tensor([2, 2, 2]),
        mass=1.0,
        batch_size=4,
        progress=lambda d, n: seen.append((d, n)),
    )
    assert seen == [(4, 6), (6, 6)]


def test_cancelling_stops_before_the_next_batch() -> None:
    model = Counting(ExactModel(exact.xor()))
    answers = iter([False, True])
    with pytest.raises(Cancelled):
        probe(model, torch.tensor([2, 2, 2]), mass=1.0, batch_size=2, cancel=lambda: next(answers))
    assert model.rows == 1 + 2


# ---- edges


@pytest.mark.parametrize("form", FORMS)
def test_nothing_open_is_a_matrix_of_zeros(form: str) -> None:
    result = probe(ExactModel(exact.xor()), torch.tensor([0, 1, 1]), form=form)
    assert result.passes == 1 and result.mi.abs().sum() == 0 and result.top_pairs(5) == []


def test_bad_settings_are_named() -> None:
    model, tokens = ExactModel(exact.xor()), torch.tensor([2, 2, 2])
    with pytest.raises(UnknownName, match="mixture"):
        probe(model, tokens, form="mixtrue")
    for bad in ({"mass": 0.0}, {"mass": 1.1}, {"mass": math.nan}, {"min_entropy": -1.0}, {"min_entropy": math.nan}):
        with pytest.raises(SettingError, match=next(iter(bad))):
            probe(model, tokens, **bad)
    with pytest.raises(SettingError, match="directed"):
        probe(model, tokens, form="averaged", directed=True)
    with pytest.raises(InputError, match="3 positions"):
        probe(model, torch.tensor([2, 2]))


def test_conditionals_are_those_of_the_table() -> None:
    table = exact.from_seed(4, 3, 3)
    answer = conditionals(ExactModel(table), torch.tensor([3, 1, 3]), 2).exp()
    for v in range(3):
        torch.testing.assert_close(answer[v, 0], table.condition(torch.tensor([3, 1, v])))
    with pytest.raises(InputError, match="not open"):
        conditionals(ExactModel(table), torch.tensor([3, 1, 3]), 1)


# ---- the record


def test_a_saved_result_comes_back_the_same(tmp_path: Path) -> None:
    model = Noisy(ExactModel(peaked(2, 4, 3)), 0.2)
    before = probe(model, torch.tensor([3, 3, 1, 3]), mass=0.9, min_entropy=0.3)
    after = MIResult.load(before.save(tmp_path / "result.npz"))
    _assert_same(before, after)


def _assert_same(before: object, after: object) -> None:
    for name in (f.name for f in fields(before)):  # type: ignore[arg-type]
        old, new = getattr(before, name), getattr(after, name)
        if isinstance(old, torch.Tensor):
            torch.testing.assert_close(new, old, atol=0, rtol=0, equal_nan=True)
        elif name == "probes":
            _assert_same(old, new)
        else:
            assert new == old, name
