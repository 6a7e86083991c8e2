"""The script of the 3D viewer: found, never fetched by a page, and of py3Dmol's version."""

import json
from importlib.metadata import version
from pathlib import Path

from pages.ui.components import viewer_script

ROOT = Path(__file__).resolve().parents[1]


def test_npm_and_py3dmol_name_one_version():
    wanted = json.loads((ROOT / "package.json").read_text())["dependencies"]["3dmol"]
    locked = json.loads((ROOT / "package-lock.json").read_text())["packages"]["node_modules/3dmol"]
    assert wanted == locked["version"] == version("py3Dmol")
    assert locked["integrity"].startswith("sha512-")


def test_a_named_file_goes_first(tmp_path, monkeypatch):
    path = tmp_path / "3Dmol-min.js"
    path.write_text('var text = "</script>`${x}`";')
    monkeypatch.setenv(viewer_script.VARIABLE, str(path))
    assert viewer_script.find() == path
    loader = viewer_script.loader()
    assert loader.startswith("export default") and json.dumps(path.read_text()) in loader


def test_without_the_script_there_is_none(tmp_path, monkeypatch):
    monkeypatch.setenv(viewer_script.VARIABLE, str(tmp_path / "absent.js"))
    assert viewer_script.find() is None and viewer_script.loader() == ""
