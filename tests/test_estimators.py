"""The registry of estimators: one contract for all, exactness on tables, certified intervals, stated errors."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_core import catalog
from mi_core.agreement import agreement, auroc
from mi_core.errors import Cancelled, InputError, SettingError, UnknownName
from mi_core.estimators import ESTIMATORS, Task, get_estimator
from mi_core.head import MIHead
from mi_core.models import exact
from mi_core.models.esmc import EsmcModel, build_esmc
from mi_core.models.exact import ExactModel, JointTable
from mi_core.models.protocol import Differentiable, Model, ModelOutput, clamp_revealed
from mi_core.probing import probe
from mi_core.proteins.sequence import VOCAB as AMINO
from mi_core.results import MIResult
from mi_core.sudoku.board import parse
from mi_core.vocab import Vocab

PROBES = ["probing", "probing-mixture", "probing-paper", "cut-probing", "one-direction", "sampled"]
EXACT = ["probing", "probing-mixture", "probing-paper"]
SOLVED = "534678912672195348198342567859761423426853791713924856961537284287419635345286179"
NEARLY_SOLVED = parse(SOLVED[:69] + "..." + SOLVED[72:])
TWO_WAYS = parse(SOLVED.replace("1", ".").replace("2", "."))  # the two digits may change places


@pytest.fixture(scope="module")
def sudoku() -> Model:
    return catalog.load_model("sudoku")


def head_of(variant: str) -> MIHead:
    return catalog.load_head("sudoku", variant)


def open_task(table: JointTable, **more: Any) -> Task:
    return Task(ExactModel(table), torch.full((table.length,), table.size), **more)


# ---- one contract for all


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_estimator_answers_with_one_record_that_can_be_kept(name: str, sudoku: Model, tmp_path: Any) -> None:
    result = ESTIMATORS[name](Task(sudoku, NEARLY_SOLVED, head_of))
    assert result.estimator == name and result.model == "sudoku"
    assert result.passes >= 1 and result.seconds > 0
    assert torch.equal(result.mi, result.mi.T) and result.mi.isfinite().all()
    assert (result.mi.diagonal() == 0).all() and (result.mi[~result.masked] == 0).all()
    assert (result.form == "score") == (not ESTIMATORS[name].in_nats)
    assert ESTIMATORS[name].summary.endswith(".") and ESTIMATORS[name].source
    again = MIResult.load(result.save(tmp_path / "r.npz"))
    assert torch.equal(again.mi, result.mi) and again.settings == result.settings and again.form == result.form
    assert (again.error is None) == (result.error is None)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_nothing_open_is_no_dependence(name: str, sudoku: Model) -> None:
    result = ESTIMATORS[name](Task(sudoku, parse(SOLVED), head_of))
    assert (result.mi == 0).all() and result.passes == 1


def test_settings_are_checked() -> None:
    cut = get_estimator("cut-probing")
    assert cut.settings({"mass": "0.9"}) == {"mass": 0.9, "min_entropy": 0.05}
    with pytest.raises(SettingError, match=r"mass of estimator cut-probing must be a number from 0\.5 to 1, got 3"):
        cut.settings({"mass": 3})
    with pytest.raises(SettingError, match="Estimator probing has no parameter 'mass'"):
        get_estimator("probing").settings({"mass": 1})
    with pytest.raises(UnknownName, match="Unknown estimator 'magic'"):
        get_estimator("magic")


def test_what_a_model_lacks_is_said_in_one_sentence() -> None:
    task = open_task(exact.copied_bits())
    with pytest.raises(InputError, match="cannot be differentiated by its input"):
        ESTIMATORS["first-order"](task)
    with pytest.raises(InputError, match="does not show its attention"):
        ESTIMATORS["attention"](task)
    with pytest.raises(InputError, match="No head was given"):
        ESTIMATORS["head-paper"](task)


@pytest.mark.parametrize("name", [*PROBES, "first-order"])
def test_work_can_be_cancelled_and_tells_how_far_it_is(name: str, sudoku: Model) -> None:
    told: list[tuple[int, int]] = []
    ESTIMATORS[name](Task(sudoku, TWO_WAYS, progress=lambda done, total: told.append((done, total))))
    assert told and told[-1][0] == told[-1][1]
    with pytest.raises(Cancelled):
        ESTIMATORS[name](Task(sudoku, TWO_WAYS, cancel=lambda: True))


# ---- exact tables


@pytest.mark.parametrize("name", EXACT)
@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), shape=st.sampled_from([(2, 5), (3, 3), (4, 2)]))
def test_full_probing_is_the_mi_of_the_table(name: str, seed: int, shape: tuple[int, int]) -> None:
    table = exact.from_seed(seed, *shape)
    task = open_task(table)
    torch.testing.assert_close(ESTIMATORS[name](task).mi, table.mutual_information(task.tokens), atol=1e-10, rtol=0)


class ManyTables:
    """K random tables side by side: as one model, so that a thousand of them cost a few passes."""

    name, length = "many-tables", None
    device = torch.device("cpu")

    def __init__(self, seed: int, count: int, n: int, v: int) -> None:
        weights = torch.rand(count, *([v] * n), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        self.tables = weights**4 / (weights**4).flatten(1).sum(1).view(-1, *([1] * n))
        self.vocab, self.n = Vocab(tuple("abcdefgh"[:v])), n
        self.tokens = torch.full((count * n,), v)

    def __call__(self, tokens: torch.Tensor) -> ModelOutput:
        v, n = self.vocab.size, self.n
        rows = tokens.view(len(tokens), -1, n)  # (B, K, n)
        free = (rows == v)[..., None]
        allowed = free | torch.nn.functional.one_hot(rows.clamp_max(v - 1), v).bool()  # (B, K, n, V)
        axes = "xyz"[:n]
        factors = ",".join(f"bk{a}" for a in axes)
        joint = torch.einsum(f"k{axes},{factors}->bk{axes}", self.tables, *allowed.double().unbind(2))
        each = [joint.sum([2 + m for m in range(n) if m != i]) for i in range(n)]
        probs = torch.stack(each, 2).flatten(1, 2)
        return ModelOutput((probs / probs.sum(-1, keepdim=True)).log(), probs.float())

    def mutual_information(self) -> torch.Tensor:
        """(N, N), from the tables alone."""
        out = torch.zeros(len(self.tokens), len(self.tokens), dtype=torch.float64)
        for i, j in itertools.combinations(range(self.n), 2):
            pair = self.tables.sum([1 + m for m in range(self.n) if m not in (i, j)]) if self.n > 2 else self.tables
            ends = pair.sum(2, keepdim=True) * pair.sum(1, keepdim=True)
            first = torch.arange(len(self.tables)) * self.n
            out[first + i, first + j] = (pair * (pair / ends).log()).sum((1, 2))
        return out + out.T


def test_no_certified_interval_is_violated_in_a_thousand_tables() -> None:
    widest = 0.0
    for seed in range(20):
        model = ManyTables(seed, 50, *((2, 6), (3, 3), (3, 4), (2, 8))[seed % 4])
        task, truth = Task(model, model.tokens), model.mutual_information()
        cut = ESTIMATORS["cut-probing"](task, mass=(0.8, 0.95, 0.99)[seed % 3], min_entropy=0.3 * (seed % 2))
        half = ESTIMATORS["one-direction"](task)
        torch.testing.assert_close(ESTIMATORS["probing"](task).mi, truth, atol=1e-9, rtol=0)
        for result in (cut, half):
            assert result.lower is not None and result.upper is not None
            assert (result.lower <= truth + 1e-9).all() and (truth <= result.upper + 1e-9).all(), (seed, result)
            assert (result.lower <= result.mi + 1e-12).all() and (result.mi <= result.upper + 1e-12).all()
            widest = max(widest, float((result.upper - result.lower).max()))
    assert widest > 0.05, "the cuts cut something"


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6))
def test_one_direction_says_all_of_a_consistent_model(seed: int) -> None:
    table = exact.from_seed(seed, 4, 3)
    task = open_task(table)
    result = ESTIMATORS["one-direction"](task, share=1.0)
    torch.testing.assert_close(result.mi, table.mutual_information(task.tokens), atol=1e-10, rtol=0)
    assert result.passes == 1 + 3 * 3 and result.probes is not None and int(result.probes.probed.sum()) == 3


def test_the_mean_of_sampled_probing_is_the_mi_and_its_standard_error_is_its_spread() -> None:
    table = exact.from_seed(7, 3, 4)
    task = open_task(table)
    runs = [ESTIMATORS["sampled"](task, draws=3, seed=k) for k in range(400)]
    assert all(run.error is not None for run in runs)
    values = torch.stack([run.mi for run in runs])
    stated = torch.stack([run.error**2 for run in runs if run.error is not None]).mean(0)
    truth = table.mutual_information(task.tokens)
    observed = values.var(0)
    off = ~torch.eye(3, dtype=torch.bool)
    assert ((values.mean(0) - truth).abs()[off] < 4 * (observed[off] / 400).sqrt()).all(), "unbiased"
    torch.testing.assert_close(stated[off], observed[off], rtol=0.35, atol=0)
    many = ESTIMATORS["sampled"](task, draws=64, seed=1)
    assert many.error is not None and many.passes <= 1 + 12, "a token drawn twice costs one pass"
    assert (many.error[off] < 0.5 * stated[off].sqrt()).all()


def test_sampled_probing_depends_on_its_seed_alone() -> None:
    task = open_task(exact.golden_table())
    one, again, other = (ESTIMATORS["sampled"](task, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one.mi, again.mi) and not torch.equal(one.mi, other.mi)


def test_xor_looks_independent_to_every_probe() -> None:
    for name in PROBES:
        assert ESTIMATORS[name](open_task(exact.xor())).mi.abs().max() < 1e-9


# ---- first order


class LogLinear:
    """Every logit is linear in the other positions' embeddings, so that the first order is the whole truth."""

    name, vocab, length = "log-linear", Vocab(("a", "b", "c")), None
    device = torch.device("cpu")

    def __init__(self) -> None:
        g = torch.Generator().manual_seed(3)
        self.table = torch.randn(4, 5, generator=g)
        self.weight = 0.4 * torch.randn(4, 4, 5, 3, generator=g)  # from position, to position, D, V
        self.weight[torch.arange(4), torch.arange(4)] = 0
        # The mask stands at the mean of the symbols, and marginals are uniform: no shared shift is left out.
        self.table[3] = self.table[:3].mean(0)
        mean = self.table[3]
        self.bias = -torch.einsum("ijdv,d->jv", self.weight, mean)

    def embeddings(self) -> torch.Tensor:
        return self.table

    def log_probs_of(self, tokens: torch.Tensor, embedded: torch.Tensor) -> torch.Tensor:
        return (torch.einsum("bid,ijdv->bjv", embedded, self.weight) + self.bias).double().log_softmax(-1)

    def __call__(self, tokens: torch.Tensor) -> ModelOutput:
        log_probs = self.log_probs_of(tokens, self.table[tokens])
        return ModelOutput(clamp_revealed(log_probs, tokens, self.vocab), log_probs.exp().float())


def test_first_order_is_exact_where_the_model_is_log_linear() -> None:
    model = LogLinear()
    tokens = torch.full((4,), 3)
    truth = probe(model, tokens, mass=1.0, form="mixture").mi
    task = Task(model, tokens)
    both = ESTIMATORS["first-order"](task, directions=2)  # three symbols span two directions around their mean
    torch.testing.assert_close(both.mi, truth, atol=1e-6, rtol=0)
    assert truth.max() > 0.05 and both.passes == 1 + 2 * 8
    assert ESTIMATORS["first-order"](task, directions=1).passes == 1 + 2 * 4


def _esmc() -> Model:
    torch.manual_seed(0)
    return EsmcModel(build_esmc(d_model=64, n_heads=1, n_layers=2).eval(), name="tiny")


@pytest.mark.parametrize("make", [lambda: catalog.load_model("sudoku"), _esmc], ids=["sudoku", "esmc"])
def test_a_differentiable_model_answers_alike_by_tokens_and_by_embeddings(make: Callable[[], Model]) -> None:
    model = make()
    assert isinstance(model, Differentiable) and not isinstance(ExactModel(exact.xor()), Differentiable)
    tokens = NEARLY_SOLVED[None] if model.name == "sudoku" else AMINO.encode("MQ__VKTL_GKT")[None]
    table = model.embeddings()
    assert table.shape[0] == model.vocab.size + 1
    with torch.no_grad():
        again = model.log_probs_of(tokens, table[tokens])
    is_open = tokens == model.vocab.mask_id
    torch.testing.assert_close(again[is_open], model(tokens).log_probs[is_open], atol=1e-4, rtol=0)


def test_first_order_runs_through_esmc() -> None:
    result = ESTIMATORS["first-order"](Task(_esmc(), AMINO.encode("MQ__VKTL_GKT")))
    assert result.passes == 1 + 2 * 3 and result.mi[2, 3] > 0 and result.mi.isfinite().all()


def test_first_order_ranks_the_pairs_of_a_board(sudoku: Model) -> None:
    """Not exact, but on a board whose last freedoms are a few swaps it finds all of them."""
    board = parse(SOLVED)
    board[:20] = 9
    truth, guess = (ESTIMATORS[name](Task(sudoku, board)) for name in ("probing", "first-order"))
    strong = truth.mi[truth.pairs] > 0.5
    assert strong.any() and auroc(guess.mi[truth.pairs], strong) == 1
    assert agreement(guess.mi[truth.pairs], truth.mi[truth.pairs]).spearman > 0.8
    assert guess.mi.max() <= math.log(9)
