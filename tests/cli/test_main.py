"""The ``copysight`` command imports sub-commands lazily, prints an error as one line, and sets the exit code."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from cli.main import COMMANDS, main


def python(*words, code=None):
    command = [sys.executable, "-c", code] if code else [sys.executable, "-m", "cli", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_help_imports_no_heavy_library():
    code = (
        "import sys; from click.testing import CliRunner; from cli.main import main;"
        "result = CliRunner().invoke(main, ['--help']); assert result.exit_code == 0, result.output;"
        "assert 'attention' in result.output;"
        "heavy = {'torch', 'numpy', 'onnxruntime', 'faiss', 'fastapi', 'sqlalchemy', 'PIL'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    result = python(code=code)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("name", ["serve", "index", "search", "attention", "embed", "compare"])
def test_commands_other_than_training_import_no_torch(name):
    code = (
        "import sys; from click.testing import CliRunner; from cli.main import main;"
        f"result = CliRunner().invoke(main, ['{name}', '--help']); assert result.exit_code == 0, result.output;"
        "heavy = {'torch', 'torchvision', 'timm', 'sklearn', 'matplotlib'} & set(sys.modules); assert not heavy, heavy"
    )
    result = python(code=code)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_loads(name):
    command = main.get_command(click.Context(main), name)
    assert isinstance(command, click.Command)
    assert command.help


def test_a_domain_error_is_one_line_and_exit_1(tmp_path):
    result = python("index", "status", "--index", str(tmp_path / "nowhere"))
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("copysight: there is no index at ")
    assert result.stderr.count("\n") == 1


def test_debug_prints_the_traceback(tmp_path):
    result = python("--debug", "index", "status", "--index", str(tmp_path / "nowhere"))
    assert result.returncode == 1
    assert "Traceback" in result.stderr
    assert "IndexNotFound" in result.stderr


@pytest.mark.parametrize(
    "words", [("nonsense",), ("index", "build"), ("embed", "/no/such/file"), ("search", "--no-such-option")]
)
def test_wrong_use_exits_2(words):
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert "Usage:" in result.output


def test_the_installed_command_prints_its_version():
    result = subprocess.run(
        [str(sys.prefix) + "/bin/copysight", "--version"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0
    assert result.stdout.startswith("copysight, version ")
