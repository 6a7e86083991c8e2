"""Sudoku as a domain: boards, solving, difficulty, puzzles. Knows no model."""
