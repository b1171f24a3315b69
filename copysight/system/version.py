"""Which version of the code runs: that of the package, and the commit if it is a checkout of the repository."""

import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path

ROOT = Path(__file__).parents[2]
TIMEOUT = 10
"""Seconds."""


def version() -> str:
    """Version of the installed package; ``unknown`` if it is not installed."""
    try:
        return version_of("copysight")
    except PackageNotFoundError:
        return "unknown"


@cache
def commit() -> str | None:
    """Commit of the checkout that this code is in, ``None`` if it is in none. ``+`` follows if files were changed."""
    if not (ROOT / ".git").exists():
        return None
    try:
        head = _git("rev-parse", "HEAD").strip()
        return head + "+" * bool(_git("status", "--porcelain", "--untracked-files=no").strip())
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*words: str) -> str:
    command = ["git", "-C", str(ROOT), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIMEOUT)  # noqa: S603 - our words
    return done.stdout
