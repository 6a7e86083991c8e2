"""The Design page without a browser: runs at once where that is quick, asks where it is not, and keeps its state."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from mi_core.decoding import decode
from mi_core.protein_view import known_contacts, of_chain
from mi_core.proteins.presets import load_preset
from mi_core.proteins.sequence import VOCAB
from mi_core.strategies import STRATEGIES
from pages.ui.replay_payload import steps_csv
from pages.ui.replay_protein import protein_run

APP = Path(__file__).resolve().parents[1] / "app.py"
FEW = "3,5,15,17,45,68"


pytestmark = pytest.mark.usefixtures("tiny_in_place")


def open_page(**query: str) -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=120)
    for name, value in {"pr_preset": "ubiquitin", "pr_mask": FEW, **query}.items():
        app.query_params[name] = value
    app.switch_page("pages/6_Design.py").run()
    assert not app.exception
    return app


def data(app: AppTest) -> dict[str, Any]:
    """What the replay receives."""
    found = [part.proto.json or part.proto.mixed.json for part in app.get("bidi_component")]
    return next(json.loads(text) for text in found if "runs" in text)


def test_it_opens_on_a_run_with_its_structure_and_files():
    app = open_page(de_strategy="Top-k confidence", de_top_k_k="2")
    assert not app.error and not app.warning
    shown = data(app)
    (run,) = shown["runs"]
    assert run["kind"] == "protein" and len(run["steps"]) == 3 and run["nfe"] == 3
    assert run["states"][0].count("_") == 6 and "_" not in run["states"][-1]
    assert run["structure"]["pdb"].startswith("ATOM") and shown["keys"]["step"] == "de_step"
    assert [fact[0] for fact in run["facts"]] == ["Native letters", "Residues a pass", "Contacts at once"]
    labels = [button.proto.label for button in app.get("download_button")]
    assert labels == ["Trace (JSON)", "Steps (CSV)", "Replay (HTML)"]


def test_two_runs_stand_side_by_side():
    app = open_page(de_strategy="Top-k confidence", de_top_k_k="2", de2_strategy="Sequential")
    shown = data(app)
    assert [len(run["steps"]) for run in shown["runs"]] == [3, 6]
    assert shown["divergence"]["choice"]["text"].startswith("Only A commits ")


def test_a_strategy_that_probes_waits_for_its_button():
    app = open_page(pr_mask="3-22", de_strategy=STRATEGIES["mi-guided"].title)
    assert not app.get("bidi_component") and not app.error
    app.button(key="de_run").click().run()
    deadline = time.monotonic() + 90
    while not app.get("bidi_component") and time.monotonic() < deadline:
        time.sleep(0.2)
        app.run()
    assert not app.exception and not app.error
    (run,) = data(app)["runs"]
    assert run["mi_source"] == "probing" and run["nfe"] > 20 * len(run["steps"])


def test_contacts_join_only_where_there_is_a_structure():
    needs = STRATEGIES["peer-colouring"].title
    assert needs in open_page().selectbox(key="de_strategy").options
    alone = open_page(pr_sequence="MQIFVKTLTGKTITLE", pr_mask="3-8")
    assert needs not in alone.selectbox(key="de_strategy").options
    (run,) = data(alone)["runs"]
    assert run["structure"] is None and run["tagged"] == []


def test_without_a_mask_there_is_nothing_to_design():
    app = open_page(pr_mask="none")
    assert "nothing to design" in app.info[0].value and not app.get("bidi_component")


def test_what_the_replay_says_of_a_run(tiny):
    from mi_core.models.esmc import load_esmc_file

    protein = of_chain(load_preset("ubiquitin"), "Ubiquitin")
    state = "".join("_" if i in (2, 4, 14) else letter for i, letter in enumerate(protein.letters))
    (trace,) = decode(load_esmc_file(tiny, name="tiny"), VOCAB.encode(state)[None], "top-k", {"k": 3})
    run = protein_run(trace, protein, known_contacts(protein, "beta"))
    assert json.loads(json.dumps(run)) == run
    assert [run["names"][i] for i in sorted(run["steps"][0]["positions"])] == ["I3", "V5", "L15"]
    native = sum(a == b for a, b in zip(run["states"][-1], protein.letters, strict=True)) - (len(protein) - 3)
    facts = {name: (value, note) for name, value, note in run["facts"]}
    assert facts["Native letters"][1].startswith(f"{native} of 3 masked")
    touching = [pair for pair in ([2, 14], [4, 14]) if pair in run["tagged"]]
    assert touching and facts["Contacts at once"][0] == len(touching), "all three went in one step"
    lines = steps_csv(trace, run).splitlines()
    assert lines[0].startswith("step,residue,letter,") and len(lines) == 4
