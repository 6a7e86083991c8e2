"""Where 3Dmol.js comes from: the npm package, or a file that is named. It is never part of the repository."""

import json
import os
from pathlib import Path

import streamlit as st

ROOT = Path(__file__).resolve().parents[3]
VARIABLE = "MI_EXPLORER_3DMOL"
PACKAGE = ROOT / "node_modules" / "3dmol" / "build" / "3Dmol-min.js"


def find() -> Path | None:
    """The script on this computer: the file that MI_EXPLORER_3DMOL names, else npm's; None without either."""
    named = os.environ.get(VARIABLE)
    path = Path(named) if named else PACKAGE
    return path if path.is_file() else None


def loader() -> str:
    """The script as a component's own, which puts it on the page once; empty where there is none.

    A module has no global `this`, and 3Dmol.js wants one: it goes into a script element, as from an address.
    """
    path = find()
    if path is None:
        return ""
    text = json.dumps(path.read_text(encoding="utf-8"))
    return f"""export default function () {{
  if (window.$3Dmol || document.getElementById("mi-3dmol")) return;
  const script = document.createElement("script");
  script.id = "mi-3dmol";
  script.textContent = {text};
  document.head.append(script);
}}
"""


# A component of its own, without data: Streamlit sends a component's script again whenever its data change.
_SCRIPT = loader()
_DELIVER = _SCRIPT and st.components.v2.component("mi_3dmol", html="<span></span>\n", js=_SCRIPT)


def deliver(key: str) -> bool:
    """Put the script on the page; False where there is none."""
    if _DELIVER:
        _DELIVER(key=key, height=1)
    return bool(_DELIVER)
