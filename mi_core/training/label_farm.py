"""Label shards by several processes: on this machine, or on a Ray cluster.

Whoever makes a shard, its bytes are the same (`labels.shard_bytes`, one thread). The driver alone writes files, each as
a whole, so that it may be killed at any moment and started again; a shard whose worker is lost is given to another.
"""

import hashlib
import json
import signal
import sys
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import torch

from mi_core import catalog
from mi_core.errors import FormatError, InputError, MiCoreError, UnknownName
from mi_core.models.protocol import Model
from mi_core.training.labels import SHARD, LabelRecipe, shard_bytes, shard_path, write_shard
from mi_core.training.progress import Clock, Report

ENGINES = ("local", "ray")
# Not in the manifests of the first folders, which were made with the defaults:
_LATER = ("longest", "flank", "ends", "unlike")
MANIFEST = "labels.json"
TRIES = 3  # of one shard, before a lost worker is taken for the shard's own fault

Shards = Iterator[tuple[int, bytes]]  # number and content, in the order in which they are done


def make_shards(
    recipe: LabelRecipe,
    folder: Path,
    *,
    shards: int,
    workers: int = 1,
    engine: str = "local",
    address: str | None = None,
    report: Report = print,
) -> int:
    """Fill `folder` up to `shards` shards of 64 states; how many of them were made now.

    Args:
        workers: processes on this machine, unless `address` names a cluster; the files do not depend on it.
        address: of a running Ray cluster; a cluster on this machine alone if None (engine "ray").

    Raises:
        UnknownName: no such engine.
        InputError: the model or its states cannot be had, a shard cannot be written, or its worker died `TRIES` times.
        FormatError: the folder holds labels of another recipe.
    """
    if engine not in ENGINES:
        raise UnknownName("engine", engine, ENGINES)
    _claim(folder, recipe)
    todo = [number for number in range(shards) if not shard_path(folder, number).is_file()]
    clock, made = Clock(max(1, len(todo))), 0
    running = _on_this_machine(recipe, todo, workers) if engine == "local" else _on_ray(recipe, todo, workers, address)
    for number, content in running:
        _write(shard_path(folder, number), content)
        made += 1
        have = shards - len(todo) + made
        report(f"labels: {have} of {shards} shards, {have * SHARD} states  left {clock.eta(made)}")
    return made


def _write(path: Path, content: bytes) -> None:
    try:
        write_shard(path, content)
    except OSError as error:
        raise InputError(
            f"{path.name} could not be written ({error.strerror}); the finished shards are kept, and the same command "
            "goes on from them."
        ) from error


def _claim(folder: Path, recipe: LabelRecipe) -> None:
    """Note the recipe in the folder, or refuse a folder of another one."""
    wanted = manifest_of(recipe)
    path = folder / MANIFEST
    if path.is_file():
        usual = asdict(LabelRecipe(recipe.model))
        held = {key: usual[key] for key in _LATER} | _read_manifest(path)
        differing = sorted(key for key in wanted if held.get(key) != wanted[key])
        if differing:
            key = differing[0]
            raise FormatError(
                f"Folder {folder.name} holds labels with {key} {held.get(key)!r}, not {wanted[key]!r}; "
                "name another folder."
            )
        return
    if folder.is_dir() and any(folder.glob("shard-*.npz")):
        raise FormatError(f"Folder {folder.name} holds shards without {MANIFEST}, of which the recipe is unknown.")
    folder.mkdir(parents=True, exist_ok=True)
    write_shard(path, json.dumps(wanted, indent=1).encode())


def manifest_of(recipe: LabelRecipe) -> dict[str, Any]:
    """What tells one recipe from another; weights and sequences as SHA-256."""
    values = asdict(recipe)
    letters = values.pop("sequences")
    values["sequences"] = hashlib.sha256("\n".join(letters).encode()).hexdigest() if letters else None
    if recipe.weights is not None:
        path = Path(recipe.weights)
        if not path.is_file():
            raise InputError(f"There is no weight file at {path}.")
        values["weights"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return values


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        held = json.loads(path.read_text())
    except (ValueError, OSError) as error:
        raise FormatError(f"{path.name} in {path.parent.name} is damaged; name another folder.") from error
    return held if isinstance(held, dict) else {}


# One shard, in whatever process


@lru_cache(maxsize=1)
def _model(name: str, weights: str | None, low_precision: bool) -> Model:
    torch.set_num_threads(1)  # the order of summation must not depend on the machine's cores
    return catalog.load_model(name, weights=Path(weights) if weights else None, low_precision=low_precision)


def make_shard(recipe: LabelRecipe, number: int) -> bytes:
    """The file of a shard, made in this process with one thread."""
    return shard_bytes(_model(recipe.model, recipe.weights, recipe.low_precision), recipe, number)


# Processes on this machine


@dataclass(eq=False)
class _Worker:
    """A process, the driver's end of its pipe, and the shard that it is at."""

    process: Any
    pipe: Connection
    number: int = -1

    def give(self, number: int) -> None:
        """The next shard. Whether the process still lives shows when its answer is read."""
        self.number = number
        with suppress(OSError):
            self.pipe.send(number)

    def answer(self) -> bytes | str | None:
        """The shard's content, a sentence on what is wrong, or None where the process is gone."""
        try:
            answer: bytes | str = self.pipe.recv()
        except (EOFError, OSError):
            return None
        return answer

    def dismiss(self) -> None:
        """End the process."""
        self.pipe.close()
        self.process.terminate()
        self.process.join()


def _on_this_machine(recipe: LabelRecipe, numbers: Sequence[int], workers: int) -> Shards:
    queue, losses = deque(numbers), Counter[int]()
    staff: list[_Worker] = []
    try:
        while queue or staff:
            while queue and len(staff) < workers:
                staff.append(_hire(recipe))
                staff[-1].give(queue.popleft())
            ready = wait([worker.pipe for worker in staff])
            for worker in [w for w in staff if w.pipe in ready]:
                content, number = worker.answer(), worker.number
                if isinstance(content, str):
                    raise InputError(content)
                if content is None:
                    _requeue(number, queue, losses)
                if content is None or not queue:
                    staff.remove(worker)
                    worker.dismiss()
                else:
                    worker.give(queue.popleft())
                if content is not None:
                    yield number, content
    finally:
        for worker in staff:
            worker.dismiss()


def _requeue(number: int, queue: deque[int], losses: Counter[int]) -> None:
    losses[number] += 1
    if losses[number] >= TRIES:
        raise InputError(
            f"The worker of shard {number} died {TRIES} times (out of memory?); take fewer --workers or --positions. "
            "The finished shards are kept."
        )
    queue.appendleft(number)


def _hire(recipe: LabelRecipe) -> _Worker:
    context = get_context("spawn")  # a forked torch may hang in its thread pool
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(recipe, theirs), daemon=True)
    process.start()
    theirs.close()  # so that its end is closed when the process dies
    return _Worker(process, ours)


def _work(recipe: LabelRecipe, pipe: Connection) -> None:
    """A worker: shard after shard until the driver hangs up; a mistake goes back as its sentence."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver answers to Ctrl-C
    try:
        while True:
            number = pipe.recv()
            try:
                pipe.send(make_shard(recipe, number))
            except MiCoreError as error:
                pipe.send(str(error))
    except (EOFError, OSError):  # the driver is gone, killed perhaps
        sys.exit(0)


# Ray


def _on_ray(recipe: LabelRecipe, numbers: Sequence[int], workers: int, address: str | None) -> Shards:
    """Every shard as a task of its own; Ray gives the tasks of lost workers to others."""
    ray = _import_ray()
    root = str(Path(__file__).resolve().parents[2])
    # Machines of a cluster get the package by upload; this one has it.
    options: dict[str, Any] = (
        {"address": address, "runtime_env": {"working_dir": root, "excludes": ["/.git", "/runs"]}}
        if address
        else {"num_cpus": workers, "include_dashboard": False, "runtime_env": {"env_vars": {"PYTHONPATH": root}}}
    )
    try:
        ray.init(log_to_driver=False, **options)
    except ConnectionError as error:
        raise InputError(f"There is no Ray cluster at {address}; start one with `ray start --head`.") from error
    try:
        task = ray.remote(num_cpus=1, max_retries=TRIES)(_answer)
        pending = {task.remote(recipe, number): number for number in numbers}
        while pending:
            ready, _ = ray.wait(list(pending), num_returns=1)
            content = ray.get(ready[0])
            if isinstance(content, str):
                raise InputError(content)
            yield pending.pop(ready[0]), content
    finally:
        ray.shutdown()


def _answer(recipe: LabelRecipe, number: int) -> bytes | str:
    """A shard, or the sentence of the mistake: Ray would wrap an exception in its own."""
    try:
        return make_shard(recipe, number)
    except MiCoreError as error:
        return str(error)


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise InputError(
            "The engine ray needs the package ray; install it with `pip install -r requirements-ray.txt`, or leave out "
            "--engine to work on this machine alone."
        ) from error
    return ray
