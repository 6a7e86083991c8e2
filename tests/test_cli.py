"""The command line: stable JSON on standard output, everything else on standard error, mistakes in one sentence."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mi_core.benchmarks.sweeps import SWEEPS
from mi_core.cli.main import contestant_of, main
from mi_core.decoding import DecodeTrace
from mi_core.results import MIResult
from mi_core.strategies import STRATEGIES

ROOT = Path(__file__).resolve().parent.parent
PUZZLE = "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79"
SOLVED = "534678912672195348198342567859761423426853791713924856961537284287419635345286179"
SHORT = SOLVED[:70] + "." * 11


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main([*arguments, "--json"]) == 0
    captured = capsys.readouterr()
    return json.loads(captured.out)


def fail(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith("error: ") and captured.err.count("\n") == 1
    assert "Traceback" not in captured.err
    return captured.err


def test_models(capsys: pytest.CaptureFixture[str]) -> None:
    names = {entry["name"]: entry for entry in run(capsys, "models")}
    assert names["sudoku"]["available"] and names["probing"]["kind"] == "estimator"
    assert main(["models"]) == 0 and "available" in capsys.readouterr().out


@pytest.mark.parametrize("estimator", ["probing", "head"])
def test_mi_writes_the_promised_arrays(capsys: pytest.CaptureFixture[str], tmp_path: Path, estimator: str) -> None:
    out = tmp_path / "mi.npz"
    values = run(capsys, "mi", "--model", "sudoku", "--input", SHORT, "--estimator", estimator, "--out", str(out))
    with np.load(out, allow_pickle=False) as file:
        assert file["mi"].shape == (81, 81) and file["entropy"].shape == (81,)
        assert file["masked"].sum() == 11 == values["open"]
        assert np.allclose(file["mi"], file["mi"].T)
    assert values["passes"] == 1 if estimator == "head" else values["passes"] >= 1
    assert MIResult.load(out).estimator.startswith(estimator)


def test_mi_of_a_table_is_exact(capsys: pytest.CaptureFixture[str]) -> None:
    values = run(capsys, "mi", "--model", "copied-bits", "--input", "....", "--form", "mixture", "--mass", "1")
    assert values["passes"] == 9
    pairs = {(i, j): mi for i, j, mi in values["top_pairs"]}
    assert pairs[0, 1] == pytest.approx(np.log(2)) and pairs[0, 2] == pytest.approx(0, abs=1e-9)


def test_decode(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    values = run(
        capsys, "decode", "--model", "sudoku", "--input", SHORT, "--strategy", "mi-guided", "--param", "gamma=0.5",
        "--param", "lambda=2", "--seed", "3", "--trace", str(trace),
    )  # fmt: skip
    assert values["output"] == SOLVED and values["valid"] is True
    assert values["params"] == {"gamma": 0.5, "lam": 2.0} and values["mi_source"] == "head-marginals"
    assert sorted(p for step in values["steps"] for p in step) == list(range(70, 81))
    assert values["nfe"] == len(values["steps"])
    assert DecodeTrace.from_json(trace.read_text()).output == SOLVED


def test_bench_sudoku_reads_a_users_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(f"puzzle,solution\n{SHORT},{SOLVED}\n{PUZZLE.replace('.', '0')},{SOLVED}\n")
    rows = run(
        capsys, "bench", "sudoku", "--puzzles", str(file), "--strategy", "threshold:tau=0.9", "--strategy",
        "mi-guided:gamma=0.3,lambda=1", "--limit", "1",
    )  # fmt: skip
    assert [row["strategy"] for row in rows] == ["threshold", "mi-guided"]
    for row in rows:
        assert row["n"] == 1 and row["solved"] == 1.0 and row["valid"] == 1.0
        assert 0 < row["solved_ci"][0] < 1 == row["solved_ci"][1]
        assert {"params", "nfe", "nfe_ci", "seconds"} <= row.keys()


def test_bench_generate(capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = run(capsys, "bench", "generate", "--boards", "2", "--strategy", "top-k:k=60", "--seed", "1")
    assert row["nfe"] == 2 and row["n"] == 2 and row["valid"] == 0.0 and row["distinct"] == 0


def test_make_and_train_commands_exist() -> None:
    commands = ("train sudoku-mdm", "train head", "bench estimator", "bench speed", "make-puzzles")
    for command in commands:
        with pytest.raises(SystemExit) as stop:
            main([*command.split(), "--help"])
        assert stop.value.code == 0


def test_mistakes_are_one_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes((ROOT / "assets/models/sudoku-mdm.safetensors").read_bytes()[:5000])
    decode = ("decode", "--input", PUZZLE, "--strategy")
    assert "81" in fail(capsys, "mi", "--input", "123")
    assert "row 1" in fail(capsys, "mi", "--input", "55" + PUZZLE[2:])
    assert "Unknown model 'go'" in fail(capsys, "mi", "--model", "go", "--input", PUZZLE)
    assert "Unknown MI form 'x'" in fail(capsys, "mi", "--input", PUZZLE, "--form", "x")
    assert "mass must be" in fail(capsys, "mi", "--input", PUZZLE, "--mass", "0")
    assert "Unknown strategy 'eb'" in fail(capsys, *decode, "eb")
    assert "from 0 to 1" in fail(capsys, *decode, "threshold", "--param", "tau=2")
    assert "key=value" in fail(capsys, *decode, "threshold", "--param", "tau")
    assert "no parameter 'k'" in fail(capsys, *decode, "threshold:k=2")
    assert "damaged or cut short" in fail(capsys, "mi", "--input", PUZZLE, "--weights", str(cut))
    assert "no weight file" in fail(capsys, "mi", "--input", PUZZLE, "--weights", str(tmp_path / "none"))
    assert "could not be read or written" in fail(
        capsys, "mi", "--input", SHORT, "--estimator", "head", "--out", str(tmp_path / "no" / "x.npz")
    )
    assert fail(capsys, "bench", "sudoku", "--strategy", "sequential", "--puzzles", str(tmp_path / "none.csv"))


def test_as_a_program_logs_go_to_standard_error() -> None:
    command = [sys.executable, "-m", "mi_core", "mi", "--input", SHORT, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0
    assert json.loads(done.stdout)["model"] == "sudoku"


def test_every_sweep_names_strategies_and_settings_that_exist() -> None:
    for name, texts in SWEEPS.items():
        contestants = [contestant_of(text) for text in texts]
        assert len({c.label for c in contestants}) == len(texts), name
    compared = {contestant_of(text).strategy for text in SWEEPS["unique"] + SWEEPS["revising"]}
    assert compared == set(STRATEGIES), "every strategy is compared"


def test_a_bench_without_contestants_says_how_to_name_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Name a strategy with --strategy, or all of" in fail(capsys, "bench", "sudoku", "--limit", "1")


def test_the_source_of_the_pair_matrix_is_part_of_a_contestant(capsys: pytest.CaptureFixture[str]) -> None:
    for text, source in [("dapd", "attention"), ("dapd@head", "head-marginals"), ("peer-colouring", "structure")]:
        assert run(capsys, "decode", "--input", SHORT, "--strategy", text)["mi_source"] == source
    assert "Unknown source 'oracle'" in fail(capsys, "decode", "--input", SHORT, "--strategy", "dapd@oracle")
    refused = fail(capsys, "decode", "--input", SHORT, "--strategy", "mi-guided@attention")
    assert "works on pairwise MI, and attention gives attention weights" in refused
