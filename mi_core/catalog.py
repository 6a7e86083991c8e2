"""What can be loaded by name: models and estimators, with size, source and availability."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mi_core.errors import InputError, MiCoreError, UnknownName
from mi_core.head import KIND as HEAD_KIND
from mi_core.head import VARIANTS, MIHead, load_head_file
from mi_core.models import exact
from mi_core.models.protocol import Model
from mi_core.models.sudoku import KIND as SUDOKU_KIND
from mi_core.models.sudoku import load_sudoku
from mi_core.weights import read_header

ASSETS = Path(os.environ.get("MI_EXPLORER_ASSETS", Path(__file__).resolve().parent.parent / "assets"))
SUDOKU_FILE = ASSETS / "models" / "sudoku-mdm.safetensors"

EXACT: dict[str, Callable[[], exact.JointTable]] = {
    "copied-bits": exact.copied_bits,
    "chain": exact.chain,
    "xor": exact.xor,
    "golden": exact.golden_table,
}


@dataclass(frozen=True)
class Entry:
    """One line of the catalogue."""

    name: str
    kind: str  # "model" or "estimator"
    summary: str
    source: str
    parameters: int | None
    available: bool
    note: str  # why not, if it is not available


def load_model(name: str, *, weights: Path | None = None, low_precision: bool = False) -> Model:
    """A model by name.

    Args:
        weights: a weight file to take instead of the shipped one.
        low_precision: multiply in bfloat16 (networks only); for label making.

    Raises:
        UnknownName: no such model.
        InputError, FormatError: its weight file is missing or damaged.
    """
    if name == "sudoku":
        return load_sudoku(weights or SUDOKU_FILE, low_precision=low_precision)
    if name in EXACT:
        if weights is not None:
            raise InputError(f"Model {name} is an exact table and takes no weight file.")
        return exact.ExactModel(EXACT[name](), name=name)
    raise UnknownName("model", name, ["sudoku", *EXACT])


def head_file(model: str, variant: str) -> Path:
    """Where the shipped head of a model lies."""
    if variant not in VARIANTS:
        raise UnknownName("head variant", variant, VARIANTS)
    return ASSETS / "models" / f"{model}-head-{variant}.safetensors"


def load_head(model: str, variant: str = "marginals", *, weights: Path | None = None) -> MIHead:
    """The MI head of a model.

    Raises:
        UnknownName: no such variant.
        InputError, FormatError: no head was trained for this model, or its file is damaged.
    """
    path = weights or head_file(model, variant)
    if weights is None and not path.is_file():
        raise InputError(
            f"There is no {variant} head for model {model}; train one with "
            f"`python -m mi_core train head --model {model} --variant {variant}`."
        )
    return load_head_file(path)


def entries() -> list[Entry]:
    """Everything that has a name here, whether it can be loaded now or not."""
    found = [
        _from_file("sudoku", "model", "masked diffusion model of Sudoku", SUDOKU_FILE, SUDOKU_KIND),
        *(
            Entry(name, "model", "exact joint table, the oracle of the tests", "built in", 0, True, "")
            for name in EXACT
        ),
        Entry("probing", "estimator", "ground truth by conditional probing, any model", "built in", 0, True, ""),
    ]
    for variant in VARIANTS:
        name = f"sudoku/head-{variant}"
        found.append(
            _from_file(name, "estimator", "neural estimate in one pass", head_file("sudoku", variant), HEAD_KIND)
        )
    return found


def _from_file(name: str, kind: str, summary: str, path: Path, file_kind: str) -> Entry:
    try:
        header = read_header(path, file_kind)
    except MiCoreError as error:
        return Entry(name, kind, summary, path.name, None, False, str(error))
    return Entry(name, kind, summary, path.name, header.parameters, True, "")
