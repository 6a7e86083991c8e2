"""Page: watch a strategy decode a board, step by step."""

from pages.ui import frame

frame.setup("Replay", intro="Step through a decoding of a board.")
