"""What the tuning page and command show of an update: one record, its files, mutations in words, random contexts."""

import csv
import io
import math

import pytest
import torch

from mi_core.errors import Cancelled, InputError, MiCoreError
from mi_core.likelihood import ask, exact_nll, mutation_scan
from mi_core.likelihood.lab import random_context
from mi_core.models import exact
from mi_core.models.exact import ExactModel, JointTable
from mi_core.models.protocol import Model
from mi_core.tuning import compare, masked_state, mutated

X = torch.tensor([0, 1, 2, 0])
REFERENCE = ExactModel(exact.from_seed(5, 4, 3), name="reference")
LETTERS = ("0", "1", "2")


def tied() -> ExactModel:
    """The reference after an update that likes equal ends."""
    ends = torch.eye(3, dtype=torch.float64)[:, None, None, :]
    return ExactModel(JointTable(REFERENCE.table.probs * (1.5 * ends).exp()), name="tuned")


TUNED = tied()


def nll(model: ExactModel, tokens: torch.Tensor, **sets: list[int]) -> float:
    found = exact_nll(model, ask(model, tokens, **sets))
    assert found is not None
    return found


def test_the_record_is_exact_on_tables() -> None:
    other = torch.tensor([0, 1, 2, 1])
    told: list[tuple[int, int]] = []
    found = compare(
        TUNED, REFERENCE, ask(TUNED, X), other=other, passes=40, progress=lambda done, total: told.append((done, total))
    )
    gain = nll(REFERENCE, X) - nll(TUNED, X)
    assert found.reward.log_ratio == pytest.approx(gain, abs=1e-9)
    assert found.margin is not None
    assert found.margin.log_ratio == pytest.approx(gain - nll(REFERENCE, other) + nll(TUNED, other), abs=1e-9)
    assert found.change.risen(1) == [(0, 3)], "the two ends are what the update ties"
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == told[-1][1] and len({total for _, total in told}) == 1


def test_given_positions_are_shown_and_not_scored() -> None:
    question = ask(TUNED, X, context=[1, 2])
    found = compare(TUNED, REFERENCE, question, passes=20)
    assert masked_state(TUNED, question).tolist() == [3, 1, 2, 3]
    assert found.tokens.positions == found.reward.target == (0, 3)
    given = {"context": [1, 2]}
    assert found.reward.log_ratio == pytest.approx(nll(REFERENCE, X, **given) - nll(TUNED, X, **given), abs=1e-9)
    assert int(found.change.masked.sum()) == 2 and found.margin is None


def test_a_model_against_itself_is_nothing() -> None:
    found = compare(TUNED, TUNED, ask(TUNED, X), passes=20)
    assert found.reward.log_ratio == 0 and not found.reward.contributions.any()
    assert torch.allclose(found.tokens.entropy, torch.ones(4, dtype=torch.float64)) and not found.tokens.kl.any()
    assert torch.allclose(found.tokens.q, torch.full((4, 3), 1 / 3, dtype=torch.float64))
    assert found.mutants.entropy == pytest.approx(1) and not found.change.difference.any()


def test_the_files_hold_every_pair_and_position() -> None:
    found = compare(TUNED, REFERENCE, ask(TUNED, X), passes=20)
    pairs = list(csv.DictReader(io.StringIO(found.pairs_csv())))
    assert len(pairs) == 6 and (pairs[0]["position_1"], pairs[0]["position_2"]) == ("1", "4")
    for row in pairs:
        assert float(row["difference"]) == pytest.approx(float(row["mi_tuned"]) - float(row["mi_reference"]), abs=1e-12)
    positions = list(csv.DictReader(io.StringIO(found.positions_csv(LETTERS))))
    assert [row["token"] for row in positions] == ["0", "1", "2", "0"]
    assert sum(float(row["reward"]) for row in positions) == pytest.approx(found.reward.log_ratio)
    values = found.to_json(LETTERS)
    assert values["mi_change"][0][:2] == [1, 4] and values["mutants"]["size"] == 9 and len(values["tokens"]) == 4


def test_a_comparison_can_be_cancelled() -> None:
    with pytest.raises(Cancelled):
        compare(TUNED, REFERENCE, ask(TUNED, X), passes=20, cancel=lambda: True)


def test_different_vocabularies_are_refused() -> None:
    with pytest.raises(InputError, match="different vocabularies"):
        compare(TUNED, ExactModel(exact.chain(0.5, 4, 2)), ask(TUNED, X))


# Mutations and contexts


def test_mutations_are_read_as_people_write_them() -> None:
    assert mutated(TUNED, X, "122, 041").tolist() == [0, 2, 2, 1]
    assert mutated(TUNED, X, "").tolist() == X.tolist()


@pytest.mark.parametrize(
    ("text", "words"),
    [("zzz", "no mutation"), ("051", "Position 5"), ("001", "Position 0"), ("112", "holds 0, not 1"), ("017", "'7'")],
)
def test_a_mutation_that_cannot_be_is_one_sentence(text: str, words: str) -> None:
    with pytest.raises(MiCoreError, match=words) as caught:
        mutated(TUNED, X, text)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


def test_a_random_context_has_its_size_and_leaves_something_open() -> None:
    tokens = torch.zeros(81, dtype=torch.int64)
    assert random_context(tokens, 0.0, seed=1) == ()
    assert len(random_context(tokens, 0.5, seed=1)) == 40 and len(random_context(tokens, 1.0, seed=1)) == 80
    assert random_context(tokens, 0.5, seed=1) == random_context(tokens, 0.5, seed=1)
    assert random_context(tokens, 0.5, seed=1) != random_context(tokens, 0.5, seed=2)
    other = (torch.arange(81) < 18).long()
    assert min(random_context(tokens, 0.5, seed=1, other=other)) >= 18, "only what both share is given"


# Mutation scan


def test_the_scan_is_the_exact_ratio_of_every_mutant() -> None:
    found = mutation_scan(REFERENCE, ask(REFERENCE, X))
    assert found.passes == 4
    for i in range(4):
        for v in range(3):
            mutant = X.clone()
            mutant[i] = v
            assert float(found.scores[i, v]) == pytest.approx(nll(REFERENCE, X) - nll(REFERENCE, mutant), abs=1e-10)
    assert float(found.tolerance[1]) == pytest.approx(float(found.scores[1, [0, 2]].mean()))
    rows = found.rows()
    assert len(rows) == 8 and rows[0]["log_ratio"] == max(row["log_ratio"] for row in rows)
    text = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert len(text) == 8 and text[0]["from"] == LETTERS[int(X[int(text[0]["position"]) - 1])]


def test_an_impossible_mutant_is_last_and_not_a_number() -> None:
    model = ExactModel(exact.copied_bits())
    rows = mutation_scan(model, ask(model, torch.tensor([0, 0, 0, 0]))).rows()
    assert rows[-1]["log_ratio"] is None and all(row["log_ratio"] != -math.inf for row in rows)


def test_the_scan_takes_a_pass_a_position_and_can_be_cancelled() -> None:
    calls: list[int] = []

    class Counting:
        name, vocab, device, length = "counting", REFERENCE.vocab, REFERENCE.device, REFERENCE.length

        def __call__(self, tokens: torch.Tensor) -> object:
            calls.append(len(tokens))
            return REFERENCE(tokens)

    model: Model = Counting()  # type: ignore[assignment]
    mutation_scan(model, ask(model, X, context=[0]))
    assert sum(calls) == 3
    with pytest.raises(Cancelled):
        mutation_scan(model, ask(model, X), cancel=lambda: True)
