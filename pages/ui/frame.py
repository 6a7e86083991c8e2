"""The frame of every page: settings, navigation, look, title. Each page calls `setup` before anything else."""

from pathlib import Path

import streamlit as st

ROOT = Path(__file__).resolve().parents[2]
ICON = Path(__file__).parent / "icon.png"
STYLE = (Path(__file__).parent / "frame.css").read_text(encoding="utf-8")

PAGES = [  # script, name, icon
    ("app.py", "Home", ":material/home:"),
    ("pages/1_Sudoku.py", "Sudoku", ":material/grid_on:"),
    ("pages/2_Replay.py", "Replay", ":material/play_circle:"),
    ("pages/3_Benchmark.py", "Benchmark", ":material/leaderboard:"),
    ("pages/4_Be_the_decoder.py", "Be the decoder", ":material/touch_app:"),
    ("pages/5_Proteins.py", "Proteins", ":material/biotech:"),
    ("pages/6_Design.py", "Design", ":material/genetics:"),
    ("pages/7_Likelihood.py", "Likelihood", ":material/functions:"),
    ("pages/8_Estimators.py", "Estimators", ":material/straighten:"),
    ("pages/9_What_did_the_tuning_change.py", "What did the tuning change?", ":material/compare_arrows:"),
]


def setup(title: str, *, intro: str | None = None) -> None:
    """Page settings, navigation in the sidebar, the title and one line (Markdown) on what the page is for."""
    st.set_page_config(page_title=f"MI Explorer · {title}", page_icon=str(ICON), layout="wide")
    st.html(f"<style>{STYLE}</style>")
    _navigation()
    st.title(title, anchor=False)
    if intro:
        st.markdown(intro)


def _navigation() -> None:
    with st.sidebar:
        st.markdown("**MI Explorer**")
        for script, name, icon in PAGES:
            if (ROOT / script).is_file():
                st.page_link(script, label=name, icon=icon)
        st.caption(
            "Pairwise mutual information in masked diffusion models, "
            "[arXiv 2605.20187](https://arxiv.org/abs/2605.20187). Runs on this computer alone."
        )
