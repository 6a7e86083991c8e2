"""Scripts and style sheets of the components, read from the files beside this one."""

from pathlib import Path

FOLDER = Path(__file__).parent
BASICS = ("dom.js", "colours.js")  # scripts that every component needs
PAIRS = (*BASICS, "pair_canvas.js")  # and those that show a map of all pairs


def read(*names: str) -> str:
    """The files joined in the given order. Shared files (board.js, board.css) come first, the component's own last.

    Always more than one line, or Streamlit would take the text for a path.
    """
    return "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in names) + "\n"
