"""Labels of any model: their content, their folder, killed workers and drivers, and heads that learn from them."""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from mi_core import catalog
from mi_core.cli.labels import describe_held_out, masked_sequences
from mi_core.cli.main import main
from mi_core.errors import FormatError, InputError, SettingError, UnknownName
from mi_core.head import load_head_file
from mi_core.models.esmc import KIND, EsmcModel, build_esmc
from mi_core.models.protocol import Model
from mi_core.probing import probe
from mi_core.proteins.sequence import VOCAB
from mi_core.training import label_farm
from mi_core.training.head import HeadTraining, features_of, train_head
from mi_core.training.label_farm import MANIFEST, make_shards, manifest_of
from mi_core.training.labels import (
    LONGEST,
    PAD,
    SHARD,
    LabelRecipe,
    LabelSet,
    label,
    mixed,
    protein_states,
    read_labels,
    shard_bytes,
    shard_path,
    shard_states,
    symmetric_labels,
    write_shard,
)
from mi_core.training.protein_data import sequences_in
from mi_core.weights import WeightsHeader, save_weights

ROOT = Path(__file__).resolve().parents[1]
TABLE = LabelRecipe("chain", mass=1.0)
LETTERS = "MQIFVKTLTGKTITLEVEPSDTIENVKAKIQDKEGIPPDQQRLIFAGKQLEDGRTLSDYNIQ"
SEQUENCES = tuple(LETTERS[k : k + 20 + 3 * k] for k in range(6))


def silent(line: str) -> None:
    """No report."""


def content(number: int, recipe: LabelRecipe = TABLE) -> bytes:
    return shard_bytes(catalog.load_model(recipe.model), recipe, number)


@pytest.fixture(scope="module")
def tiny() -> EsmcModel:
    torch.manual_seed(0)
    return EsmcModel(build_esmc(d_model=64, n_heads=1, n_layers=1).eval(), name="esmc-mini")


# ---- states and shards


def test_a_shard_depends_on_recipe_and_number_alone() -> None:
    assert content(3) == content(3)
    assert len({content(0), content(1), content(0, LabelRecipe("chain", mass=1.0, seed=1))}) == 3


def test_a_shard_of_a_table_holds_its_mi(tmp_path: Path) -> None:
    write_shard(shard_path(tmp_path, 0), content(0))
    labels, model = read_labels(tmp_path, "chain"), catalog.load_model("chain")
    table = catalog.EXACT["chain"]()
    assert len(labels) == SHARD and model.vocab.mask_id == 2
    for tokens, mi in zip(labels.tokens, labels.mi, strict=True):
        assert int((tokens == 2).sum()) >= 2
        torch.testing.assert_close(mi.double(), table.mutual_information(tokens), atol=1e-3, rtol=1e-3)


def test_protein_states_take_every_sequence_in_turn() -> None:
    states = protein_states(SEQUENCES, 0, seed=1)
    assert len(states) == SHARD and all(int((s == VOCAB.mask_id).sum()) >= 2 for s in states)
    lengths = sorted({len(s) for s in states})
    assert lengths == sorted(map(len, SEQUENCES))
    first = sorted(len(s) for s in states[: len(SEQUENCES)])
    assert first == lengths, "each once before any twice"
    again, other = protein_states(SEQUENCES, 0, seed=1), protein_states(SEQUENCES, 1, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(states, again, strict=True))
    assert not all(len(a) == len(b) and torch.equal(a, b) for a, b in zip(states, other, strict=True))
    long = protein_states(("ACDEFGHIKL" * 40,), 0, seed=1)
    assert {len(s) for s in long} == {LONGEST}
    ratio = [float((s == VOCAB.mask_id).double().mean()) for s in long]
    assert min(ratio) < 0.1 and max(ratio) > 0.9


def test_residues_stand_around_half_of_the_sequences() -> None:
    """As around a domain; no more of them than asked for, and of the sequence no more than the longest."""
    states = protein_states(("A" * 30,), 0, seed=1, longest=20, flank=4)
    lengths = [len(s) for s in states]
    assert set(lengths) <= set(range(20, 29)) and len(set(lengths)) > 5
    assert 0.4 < np.mean([length == 20 for length in lengths]) < 0.75, "half, and those of two ends without a residue"
    shown = torch.cat([s[s != VOCAB.mask_id] for s in states])
    assert len(shown.unique()) > 15, "residues of any kind"


def test_the_commands_pass_on_what_states_are_made_of(
    tiny: EsmcModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sequences of a FASTA file, cut and with residues around, for benchmarks and for labels alike."""
    fasta = tmp_path / "s.fasta"
    fasta.write_text(f">a\n{'ACDEF' * 10}\n>b\n{'KLMNP' * 10}\n")
    parser = argparse.ArgumentParser()
    describe_held_out(parser)
    options = ["--fasta", str(fasta), "--longest", "24", "--flank", "3"]
    states = masked_sequences(parser.parse_args([*options, "--states", "70"]), tiny)
    lengths = {len(state) for state in states}
    assert len(states) == 70 and lengths <= set(range(24, 31)) and len(lengths) > 3
    recipes: list[LabelRecipe] = []
    monkeypatch.setattr(label_farm, "make_shards", lambda recipe, *_, **__: recipes.append(recipe) or 0)
    assert main(["labels", "--model", "esmc-mini", "--out", str(tmp_path / "l"), *options, "--sequences", "1"]) == 0
    assert (recipes[0].longest, recipes[0].flank, recipes[0].sequences) == (24, 3, ("ACDEF" * 10,))


def test_states_that_nobody_knows_are_refused(tiny: EsmcModel) -> None:
    with pytest.raises(InputError, match="name --fasta or --alignment"):
        shard_states(tiny, LabelRecipe("esmc-mini"), 0)
    with pytest.raises(SettingError, match="mass must be"):
        LabelRecipe("chain", mass=0.0)
    with pytest.raises(SettingError, match="at least 2 residues"):
        protein_states(SEQUENCES, 0, seed=1, longest=1)


def test_labels_of_several_lengths_are_padded(tiny: EsmcModel, tmp_path: Path) -> None:
    recipe = LabelRecipe("esmc-mini", mass=0.3, positions=1, sequences=SEQUENCES)
    whole = shard_bytes(tiny, recipe, 0)
    write_shard(shard_path(tmp_path, 0), whole)
    labels = read_labels(tmp_path, "esmc-mini")
    assert labels.tokens.shape == (SHARD, max(map(len, SEQUENCES)))
    assert sorted(set(labels.lengths.tolist())) == sorted(map(len, SEQUENCES))
    behind = labels.tokens == PAD
    assert labels.mi[behind].isnan().all() and (labels.tokens[~behind] <= VOCAB.mask_id).all()


def testfeatures_of_behind_padding_are_those_of_the_sequence_alone(tiny: EsmcModel) -> None:
    states = protein_states(SEQUENCES, 0, seed=3)[:4]
    tokens = torch.nn.utils.rnn.pad_sequence(states, batch_first=True, padding_value=PAD)
    together = features_of(tiny, tokens)
    for b, row in enumerate(states):
        alone = tiny(row[None])
        torch.testing.assert_close(together.hidden[b, : len(row)], alone.hidden[0], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(together.log_probs[b, : len(row)], alone.log_probs[0], atol=1e-5, rtol=1e-5)
        assert (together.hidden[b, len(row) :] == 0).all()


@pytest.mark.parametrize("variant", ["marginals", "paper"])
def test_a_head_learns_from_proteins_of_several_lengths(tiny: EsmcModel, tmp_path: Path, variant: str) -> None:
    states = protein_states(SEQUENCES, 0, seed=3)[:12]
    tokens = torch.nn.utils.rnn.pad_sequence(states, batch_first=True, padding_value=PAD)
    open_pairs = (tokens == VOCAB.mask_id)[:, :, None] & (tokens == VOCAB.mask_id)[:, None, :]
    labels = LabelSet(tokens, torch.where(open_pairs, 0.5, torch.nan), torch.zeros(12, dtype=torch.bool))
    lines: list[str] = []
    settings = HeadTraining(variant=variant, steps=60, batch=4)
    train_head(tiny, labels, tmp_path / "h.safetensors", settings, report=lines.append)
    losses = [float(line.split("loss ")[1].split()[0]) for line in lines if "loss" in line]
    assert losses[-1] < losses[0] and load_head_file(tmp_path / "h.safetensors").config.vocabulary == 20


# ---- the folder


def test_a_folder_belongs_to_one_recipe(tmp_path: Path) -> None:
    label_farm._claim(tmp_path / "l", TABLE)
    label_farm._claim(tmp_path / "l", TABLE)
    with pytest.raises(FormatError, match="holds labels with seed 7000, not 5"):
        label_farm._claim(tmp_path / "l", LabelRecipe("chain", mass=1.0, seed=5))
    older = {key: value for key, value in manifest_of(TABLE).items() if key not in ("ends", "unlike")}
    (tmp_path / "l" / MANIFEST).write_text(json.dumps(older))
    label_farm._claim(tmp_path / "l", TABLE)
    with pytest.raises(FormatError, match="holds labels with ends 1, not 2"):
        label_farm._claim(tmp_path / "l", replace(TABLE, ends=2))
    (tmp_path / "l" / MANIFEST).write_text("{}")
    with pytest.raises(FormatError, match="holds labels with low_precision None"):
        label_farm._claim(tmp_path / "l", TABLE)
    (tmp_path / "l" / MANIFEST).write_text("{")
    with pytest.raises(FormatError, match="is damaged"):
        label_farm._claim(tmp_path / "l", TABLE)
    (tmp_path / "old").mkdir()
    write_shard(shard_path(tmp_path / "old", 0), content(0))
    with pytest.raises(FormatError, match="the recipe is unknown"):
        label_farm._claim(tmp_path / "old", TABLE)
    with pytest.raises(InputError, match="no weight file"):
        manifest_of(LabelRecipe("sudoku", weights=str(tmp_path / "none")))
    with pytest.raises(UnknownName, match="engine 'slurm'"):
        make_shards(TABLE, tmp_path / "x", shards=1, engine="slurm")


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    write_shard(shard_path(tmp_path, 0), content(0)[:500])
    with pytest.raises(FormatError, match=r"shard-00000.npz is damaged; delete it"):
        read_labels(tmp_path, "chain")


def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_farm, "_on_this_machine", lambda recipe, numbers, _: ((n, content(n)) for n in numbers))
    make_shards(TABLE, tmp_path / "l", shards=0)

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(label_farm, "write_shard", full)
        with pytest.raises(InputError, match=r"\(No space left on device\); the finished shards are kept"):
            make_shards(TABLE, tmp_path / "l", shards=1)
    assert not shard_path(tmp_path / "l", 0).exists()
    assert make_shards(TABLE, tmp_path / "l", shards=1, report=silent) == 1


# ---- processes


def test_a_killed_worker_and_a_killed_driver_leave_the_same_labels(tmp_path: Path) -> None:
    """kill -9 of a worker, then of the driver, then the same command again: every byte as if nothing had happened."""
    out, shards = tmp_path / "labels", 12
    command = [
        sys.executable, "-m", "mi_core", "labels", "--model", "chain", "--mass", "1", "--out", str(out), "--shards",
        str(shards), "--workers", "2", "--json",
    ]  # fmt: skip
    driver = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert driver.stderr is not None
    assert "labels: 1 of 12 shards" in driver.stderr.readline()
    os.kill(_a_worker_of(driver.pid), signal.SIGKILL)
    assert "labels: 2 of 12" in driver.stderr.readline(), "the loss of a worker is nobody's business"
    assert "labels: 3 of 12" in driver.stderr.readline()
    driver.kill()
    driver.wait()
    driver.stderr.close()
    half = len(list(out.glob("shard-*.npz")))
    assert 3 <= half < shards
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["made"] == shards - half
    assert len(list(out.glob("shard-*.npz"))) == shards
    for number in (0, 2, half - 1, half, shards - 1):
        assert shard_path(out, number).read_bytes() == content(number)


def _a_worker_of(driver: int) -> int:
    """The id of a worker process: the driver's children that run the spawned main."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for entry in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = entry.read_text().rpartition(")")[2].split()
                words = (entry.parent / "cmdline").read_text()
            except OSError:  # it ended meanwhile
                continue
            if int(fields[1]) == driver and "spawn_main" in words:
                return int(entry.parent.name)
    raise AssertionError("no worker was found")


class _Process:
    def terminate(self) -> None:
        """Nothing to end."""

    def join(self) -> None:
        """Nothing to wait for."""


def test_a_shard_that_kills_its_workers_ends_the_run_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    from multiprocessing import Pipe

    def dead(recipe: LabelRecipe) -> Any:
        ours, theirs = Pipe()
        theirs.close()
        return label_farm._Worker(_Process(), ours)

    monkeypatch.setattr(label_farm, "_hire", dead)
    with pytest.raises(InputError, match="worker of shard 0 died 3 times"):
        list(label_farm._on_this_machine(TABLE, [0], 1))


def test_a_workers_mistake_is_the_drivers_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["labels", "--model", "go", "--out", str(tmp_path / "x"), "--shards", "1"]) == 1
    assert "Unknown model 'go'" in capsys.readouterr().err


# ---- Ray


def test_without_ray_the_engine_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install -r requirements-ray\.txt"):
        make_shards(TABLE, tmp_path / "l", shards=1, engine="ray")


def test_the_ray_engine_writes_the_same_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a stand-in with Ray's names that runs tasks at once, the last first; a real cluster is tested below."""
    tasks: dict[int, Any] = {}

    def submit(function: Any, arguments: tuple[Any, ...]) -> int:
        tasks[len(tasks)] = function, arguments
        return len(tasks) - 1

    def remote(**options: Any) -> Any:
        assert options == {"num_cpus": 1, "max_retries": label_farm.TRIES}
        return lambda function: SimpleNamespace(remote=lambda *arguments: submit(function, arguments))

    fake = SimpleNamespace(
        init=lambda **_: None,
        remote=remote,
        wait=lambda pending, num_returns: ([pending[-1]], pending[:-1]),
        get=lambda task: tasks[task][0](*tasks[task][1]),
        shutdown=lambda: None,
    )
    monkeypatch.setitem(sys.modules, "ray", fake)
    threads = torch.get_num_threads()
    assert make_shards(TABLE, tmp_path / "l", shards=3, engine="ray", report=silent) == 3
    torch.set_num_threads(threads)
    for number in range(3):
        assert shard_path(tmp_path / "l", number).read_bytes() == content(number)


@pytest.mark.slow
def test_a_real_ray_cluster_that_loses_a_worker_writes_the_same_shards(tmp_path: Path) -> None:
    """Two workers; one is killed at its work, and its shard is made by another."""
    pytest.importorskip("ray", reason="the optional package ray is not installed")
    command = [
        sys.executable, "-m", "mi_core", "labels", "--model", "chain", "--mass", "1", "--out", str(tmp_path / "l"),
        "--shards", "6", "--engine", "ray", "--workers", "2",
    ]  # fmt: skip
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}) as driver:
        killed = kill_one_at_work(driver, seconds=240)
        assert driver.wait(timeout=300) == 0
    assert killed, "no worker was seen at work"
    for number in range(6):
        assert shard_path(tmp_path / "l", number).read_bytes() == content(number)


def kill_one_at_work(driver: subprocess.Popen[bytes], *, seconds: float) -> bool:
    """Kill -9 the first process of the driver's cluster that Ray names after our task."""
    deadline = time.monotonic() + seconds
    while driver.poll() is None and time.monotonic() < deadline:
        for path in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it ended meanwhile
                if (path / "cmdline").read_bytes().startswith(b"ray::_answer") and _is_below(path, driver.pid):
                    os.kill(int(path.name), signal.SIGKILL)
                    return True
        time.sleep(0.01)
    return False


def _is_below(process: Path, ancestor: int) -> bool:
    """Whether a process of /proc descends from `ancestor`."""
    pid = int(process.name)
    while pid > 1 and pid != ancestor:
        pid = int((process.parent / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    return pid == ancestor


# ---- commands


def test_a_protein_head_from_fasta_to_weights(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny: EsmcModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights, fasta, out = tmp_path / "m.safetensors", tmp_path / "s.fasta", tmp_path / "labels"
    size = {"d_model": 64, "n_heads": 1, "n_layers": 1}
    save_weights(weights, tiny.network.state_dict(), WeightsHeader(KIND, size))
    fasta.write_text("".join(f">s{k}\n{letters}\n" for k, letters in enumerate(SEQUENCES)) + ">bad\nACDX\n")
    assert sequences_in(fasta) == list(SEQUENCES)
    monkeypatch.setattr(
        label_farm, "_on_this_machine", lambda recipe, numbers, _: ((n, shard_bytes(tiny, recipe, n)) for n in numbers)
    )
    common = ["--model", "esmc-mini", "--weights", str(weights)]
    assert main(["train", "head", *common, "--labels", str(out)]) == 1
    assert "python -m mi_core labels --model esmc-mini" in capsys.readouterr().err
    making = ["labels", *common, "--fasta", str(fasta), "--out", str(out), "--shards", "1", "--mass", ".3"]
    assert main([*making, "--positions", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["states"] == SHARD
    head = tmp_path / "h.safetensors"
    training = ["train", "head", *common, "--labels", str(out), "--out", str(head), "--epochs", "1"]
    assert main([*training, "--variant", "paper", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["states"] == SHARD
    assert load_head_file(head).config.width == 64


def test_sequences_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    (tmp_path / "s.fasta").write_text(">a\nACD\n>b\nAC-DEFGHIKLMNPQRSTVWYACDEF\n")
    with pytest.raises(InputError, match="no sequence of at least 20 residues"):
        sequences_in(tmp_path / "s.fasta")
    with pytest.raises(InputError, match="no sequence file"):
        sequences_in(tmp_path / "none")


def test_with_both_ends_probed_a_label_is_the_mi_of_the_averaged_joint(tiny: EsmcModel) -> None:
    """An inconsistent model says more of a pair from one end than the averaged joint does; that is no label then."""
    state = torch.full((12,), VOCAB.mask_id)
    truth = probe(tiny, state, mass=1.0).mi
    one, two = (
        torch.from_numpy(label(tiny, state, np.random.default_rng(0), mass=1.0, count=4, ends=ends)).double()
        for ends in (1, 2)
    )
    labelled = ~two.isnan() & ~torch.eye(12, dtype=torch.bool)
    assert labelled.sum() == 4 * 3 and (~one.isnan())[labelled].all() and (~one.isnan()).sum() > (~two.isnan()).sum()
    torch.testing.assert_close(two[labelled], truth[labelled], atol=1e-6, rtol=1e-2)
    with pytest.raises(SettingError, match="1 or 2 ends"):
        LabelRecipe("esmc-mini", ends=3)


@pytest.mark.parametrize(("option", "moved"), [([], True), (["--no-symmetries"], False)])
def test_a_board_is_seen_under_symmetries_or_as_it_was_probed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: list[str], moved: bool
) -> None:
    folders, seen = [tmp_path / "one", tmp_path / "two"], {}

    def train(model: Model, labels: LabelSet, out: Path, settings: HeadTraining, **how: Any) -> None:
        seen.update(how, labels=labels)

    for folder in folders:
        folder.mkdir()
        an_old_shard(folder)
    (folders[0] / MANIFEST).write_text(json.dumps({"model": "sudoku"}))  # the other's recipe is not known
    monkeypatch.setattr("mi_core.training.head.train_head", train)
    both = [word for folder in folders for word in ("--labels", str(folder))]
    assert main(["train", "head", *both, *option]) == 0
    assert (seen["augment"] is symmetric_labels, seen["origin"]["symmetries"]) == (moved, moved)
    assert len(seen["labels"]) == 4 and seen["origin"]["labels"] == [{"model": "sudoku"}, "unknown"]


def test_sets_are_mixed_at_an_even_pace() -> None:
    """What a training holds out, the first states, is then of every folder."""

    def labels(count: int, length: int, token: int) -> LabelSet:
        mi = torch.full((count, length, length), token / 10, dtype=torch.float16)
        return LabelSet(torch.full((count, length), token), mi, torch.full((count,), token == 1))

    whole = mixed([labels(6, 3, 1), labels(2, 5, 2)])
    assert whole.tokens[:, 0].tolist() == [1, 1, 2, 1, 1, 1, 2, 1]
    assert whole.lengths.tolist() == [3, 3, 5, 3, 3, 3, 5, 3] and whole.mi.shape == (8, 5, 5)
    assert whole.from_decoding.tolist() == [token == 1 for token in whole.tokens[:, 0]]
    torch.testing.assert_close(whole.mi[:, 0, 0].float() * 10, whole.tokens[:, 0].float(), atol=1e-2, rtol=0)
    assert whole.mi[0, 3:].isnan().all() and not whole.mi[2].isnan().any()


def an_old_shard(folder: Path) -> None:
    tokens, mi = np.full((2, 81), 9, np.uint8), np.zeros((2, 81, 81), np.float16)
    with (folder / "shard-00000.npz").open("wb") as file:
        np.savez_compressed(file, tokens=tokens, mi=mi, decoding=np.zeros(2, bool), model=np.array("sudoku"))


def test_shards_of_before_are_read_as_they_were(tmp_path: Path) -> None:
    """The format of Sudoku shards is that of the shipped heads' labels."""
    an_old_shard(tmp_path)
    labels = read_labels(tmp_path, "sudoku")
    assert labels.tokens.shape == (2, 81) and labels.tokens.dtype == torch.int64 and (labels.lengths == 81).all()
