"""The likelihood commands: golden values through the command line, and mistakes in one sentence."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from mi_core.cli.main import main

SOLVED = "534678912672195348198342567859761423426853791713924856961537284287419635345286179"
NEARLY = "....78912" + SOLVED[9:]
GOLDEN = ["--model", "golden", "--input", "0120"]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def text(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 0
    return capsys.readouterr().out


def test_likelihood_of_the_golden_table(capsys: pytest.CaptureFixture[str]) -> None:
    values = run(capsys, "likelihood", *GOLDEN, "--curve")
    assert values["nll"] == pytest.approx(5.078293942570) == values["exact"]
    assert values["method"] == "chain" and sum(values["contributions"]) == pytest.approx(values["nll"])
    assert len(values["curve"]) == 41 and values["curve"][-1]["information"] == pytest.approx(0)
    assert "-log p = 5.0783" in text(capsys, "likelihood", *GOLDEN, "--curve")
    part = run(capsys, "likelihood", *GOLDEN, "--target", "2,4", "--context", "1,3", "--method", "time-free")
    assert part["exact"] == pytest.approx(math.log(21)) and part["target"] == [2, 4]


def test_likelihood_of_a_board_given_a_puzzle(capsys: pytest.CaptureFixture[str]) -> None:
    values = run(capsys, "likelihood", "--input", SOLVED, "--given", NEARLY, "--passes", "8")
    assert values["target"] == [1, 2, 3, 4] and values["passes"] == 8 and values["exact"] is None
    assert values["nll"] < 0.05, "one solution, and the model finds it"
    assert "r1c" in text(capsys, "likelihood", "--input", SOLVED, "--given", NEARLY, "--passes", "8")


def test_ratio_of_sequences_and_of_models(capsys: pytest.CaptureFixture[str]) -> None:
    short = run(capsys, "ratio", *GOLDEN, "--against", "0110")
    assert (short["log_ratio"], short["passes"]) == (pytest.approx(math.log(3)), 1)
    whole = run(capsys, "ratio", *GOLDEN, "--against", "0110", "--whole", "--decoupled", "--method", "uniform-k")
    assert abs(whole["log_ratio"] - math.log(3)) < 4 * whole["standard_error"] and not whole["coupled"]
    same = run(capsys, "ratio", *GOLDEN, "--reference", "golden")
    assert same["log_ratio"] == 0
    assert "+1.0986" in text(capsys, "ratio", *GOLDEN, "--against", "0110")


def test_differential_of_two_tables(capsys: pytest.CaptureFixture[str]) -> None:
    bits = ["differential", "--model", "copied-bits", "--reference", "copied-bits", "--input", "0000"]
    assert main(bits) == 1
    assert "probability 0" in capsys.readouterr().err
    command = ["differential", *GOLDEN, "--reference", "golden", "--against", "0110", "--mi"]
    values = run(capsys, *command)
    assert values["reward"]["log_ratio"] == 0 == values["margin"]["log_ratio"]
    assert values["mutants"]["entropy"] == pytest.approx(1) and values["mutants"]["size"] == 9
    assert all(row["kl"] == 0 and row["entropy"] == pytest.approx(1) for row in values["tokens"])
    assert all(change == 0 and not real for _, _, change, real in values["mi_change"])
    assert "reward = +0.0000" in text(capsys, *command)


def test_bench_measures_variance_per_pass(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    command = ["bench", "likelihood", *GOLDEN, "--against", "0110", "--record", str(record)]
    values = run(capsys, *command)
    methods = {row["method"]: row["variance_per_pass"] for row in values["methods"]}
    assert methods["chain"] < 1e-12 < methods["uniform-k"] < methods["time-free"] < methods["time-integral"]
    gains = {row["method"]: row["gain"] for row in values["coupling"]}
    assert gains["time-free"] > 4 and values["exact"] == pytest.approx(5.078293942570)
    assert json.loads(record.read_text())["result"]["targets"] == 4
    assert "decoupled / coupled" in text(capsys, *command)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["likelihood", "--model", "golden", "--input", "...."], "target is empty"),
        (["likelihood", *GOLDEN, "--target", "1", "--context", "1"], "both target and context"),
        (["likelihood", *GOLDEN, "--target", "9"], "within 1-4"),
        (["likelihood", *GOLDEN, "--given", "0"], "both need the same"),
        (["likelihood", *GOLDEN, "--given", "1..."], "differ where both"),
        (["likelihood", *GOLDEN, "--passes", "0"], "from 1 to"),
        (["ratio", *GOLDEN], "two sequences"),
        (["ratio", *GOLDEN, "--against", "01"], "same length"),
        (["ratio", *GOLDEN, "--reference", "xor"], "different vocabularies"),
        (["differential", *GOLDEN], "--reference"),
    ],
)
def test_mistakes_are_one_sentence(capsys: pytest.CaptureFixture[str], arguments: list[str], words: str) -> None:
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("error: ") and words in captured.err
    assert captured.err.count("\n") == 1
