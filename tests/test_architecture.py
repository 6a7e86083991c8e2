"""The direction of imports, read from the syntax tree; and what no file may contain.

app.py, pages/*.py  ->  pages/ui  ->  mi_core, whose modules stand in the levels below.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CORE = sorted((ROOT / "mi_core").rglob("*.py"))
PAGES = sorted([*ROOT.glob("app.py"), *(ROOT / "pages").glob("*.py")])
SHIPPED = [*PAGES, *sorted((ROOT / "pages" / "ui").rglob("*.py")), *CORE]

LEVELS = [  # a module or package may import only from levels above its own line, or from itself
    {"__init__"},
    {"errors", "shapes"},
    {"vocab", "information", "weights"},
    {"results", "sudoku", "proteins"},
    {"models"},
    {"probing", "head", "selection", "agreement", "samples"},
    {"quantiles", "pointwise", "set_attention"},
    {"strategies", "likelihood", "estimators"},
    {"decoding", "sources", "catalog", "inputs"},
    {
        *{"training", "teaching", "postmortem", "stepcost", "comparison"},
        *{"differential", "protein_view"},
    },
    {"benchmarks", "game", "tuning"},
    {"cli"},
    {"__main__"},
]
MATHS = {"torch", "numpy", "math", "cmath", "scipy", "pandas", "statistics", "jaxtyping"}
PICKLES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def name_of(path: Path) -> str:
    """Dotted name of a file of the repository."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)


def imports_in(nodes: Iterator[ast.AST]) -> Iterator[str]:
    """Dotted names that are imported; `from a import b` counts as a.b, since b may be a module."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported(source: str) -> list[str]:
    """Every import of a file, also those inside functions."""
    return list(imports_in(ast.walk(ast.parse(source))))


def imported_on_load(source: str) -> list[str]:
    """The imports that run when the module is loaded; those for the type checker do not."""

    def walk(node: ast.AST) -> Iterator[ast.AST]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            yield child
            yield from walk(child)

    return list(imports_in(walk(ast.parse(source))))


def level(part: str) -> int:
    """Index in LEVELS of a module or package of mi_core."""
    found = [index for index, names in enumerate(LEVELS) if part in names]
    assert found, f"mi_core.{part} has no level yet: add it to LEVELS."
    return found[0]


def core_faults(own: str, source: str) -> list[str]:
    """What a source text inside mi_core imports against the rules; `own` is its module or package."""
    faults = []
    for name in imported(source):
        top, _, rest = name.partition(".")
        target = rest.partition(".")[0]
        if top in {"streamlit", "plotly", "pages", "app"}:
            faults.append(f"{own} imports {name}")
        elif top == "mi_core" and target != own and level(target) >= level(own):
            faults.append(f"{own} imports {name}, which stands no lower")
    return faults


def page_faults(source: str) -> list[str]:
    """What a page imports that computes."""
    return [name for name in imported(source) if name.partition(".")[0] in MATHS]


def unsafe(source: str) -> list[str]:
    """Ways to run code from a data file: pickle in any form."""
    faults = [name for name in imported(source) if name.partition(".")[0] in PICKLES or name == "torch.load"]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            given = {word.arg: word.value for word in node.keywords}
            called = ast.unparse(node.func)
            if called == "torch.load" and not _is_true(given.get("weights_only")):
                faults.append("torch.load without weights_only=True")
            if called.endswith(".load") and _is_true(given.get("allow_pickle")):
                faults.append(f"{called} with allow_pickle=True")
    return faults


def _is_true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def cycle(graph: dict[str, set[str]]) -> list[str]:
    """The nodes of one import cycle, in order; empty if there is none."""
    done: set[str] = set()

    def search(node: str, trail: list[str]) -> list[str]:
        if node in trail:
            return [*trail[trail.index(node) :], node]
        if node in done:
            return []
        for other in sorted(graph.get(node, ())):
            if found := search(other, [*trail, node]):
                return found
        done.add(node)
        return []

    return next(filter(None, (search(node, []) for node in sorted(graph))), [])


def core_graph() -> dict[str, set[str]]:
    """Which module of mi_core loads which."""
    modules = {name_of(path): path.read_text() for path in CORE}
    graph: dict[str, set[str]] = {}
    for name, source in modules.items():
        targets = {t if t in modules else t.rpartition(".")[0] for t in imported_on_load(source)}
        graph[name] = (targets & modules.keys()) - {name}
    return graph


def in_repository(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", CORE, ids=in_repository)
def test_core_imports_only_from_lower_levels(path):
    own = path.relative_to(ROOT / "mi_core").parts[0].removesuffix(".py")
    assert not core_faults(own, path.read_text())


def test_core_has_no_import_cycle():
    assert not cycle(core_graph())


@pytest.mark.parametrize("path", CORE, ids=in_repository)
def test_annotations_reach_the_shape_checker(path):
    assert "__future__.annotations" not in imported(path.read_text()), "strings as annotations are not checked"


@pytest.mark.parametrize("path", PAGES, ids=in_repository)
def test_pages_hold_no_maths(path):
    assert not page_faults(path.read_text())


@pytest.mark.parametrize("path", SHIPPED, ids=in_repository)
def test_nothing_unpickles(path):
    assert not unsafe(path.read_text())


PLANTED_IN_CORE = [
    ("decoding", "import streamlit as st"),
    ("results", "from pages.ui import frame"),
    ("head", "def draw():\n    import plotly.graph_objects as go"),
    ("probing", "from mi_core.decoding import decode"),
    ("information", "from mi_core import vocab"),
]


@pytest.mark.parametrize(("own", "source"), PLANTED_IN_CORE)
def test_a_planted_import_in_the_core_is_caught(own, source):
    assert core_faults(own, source)


def test_the_core_rule_lets_the_right_direction_pass():
    assert not core_faults(
        "decoding", "import torch\nfrom mi_core.selection import RULES\nfrom mi_core.errors import InputError"
    )
    assert not core_faults("models", "from mi_core.models.protocol import Model")


def test_a_module_without_a_level_is_caught():
    with pytest.raises(AssertionError, match="add it to LEVELS"):
        core_faults("novelty", "from mi_core.errors import InputError")


@pytest.mark.parametrize("source", ["import math", "from numpy import log", "def f():\n    import torch.nn"])
def test_planted_maths_in_a_page_is_caught(source):
    assert page_faults(source)


PLANTED_PICKLES = [
    "import pickle",
    "from pickle import loads",
    "from torch import load",
    "import torch\ntorch.load(path)",
    "import torch\ntorch.load(path, weights_only=False)",
    "import numpy as np\nnp.load(path, allow_pickle=True)",
]


@pytest.mark.parametrize("source", PLANTED_PICKLES)
def test_a_planted_pickle_is_caught(source):
    assert unsafe(source)


def test_safe_loading_passes():
    assert not unsafe("import torch\ntorch.load(path, weights_only=True)")


def test_a_planted_cycle_is_caught():
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == ["a", "b", "c", "a"]
    assert not cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()})
    assert imported_on_load("def f():\n    import a\nimport b") == ["b"]
