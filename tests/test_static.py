"""Ruff reads the code; mypy, which takes longer, is a step of its own in .ci/run."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def check(tool: str, *arguments: str) -> None:
    """Run a tool over the repository; fail with its own words."""
    if find_spec(tool) is None:
        pytest.skip(f"{tool} is not installed: pip install -r requirements-dev.txt.")
    done = subprocess.run([sys.executable, "-m", tool, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff_finds_nothing():
    check("ruff", "check", ".")


def test_the_code_is_formatted():
    check("ruff", "format", "--check", ".")
