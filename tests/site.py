"""Build the documentation site from ``docs/`` into ``var/site``: ``python -m tests.site``, or ``make docs``.

The site has the same pages as the repository. Links from a page to a file outside ``docs/`` become the path of that
file, because the site does not hold it; the changelog becomes a page. Dead links and anchors fail.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCS, CHANGELOG = ROOT / "docs", ROOT / "CHANGELOG.md"
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)#\s]+)(#[^)\s]*)?\)")


def build(target: Path, work: Path) -> None:
    """Write the site to ``target``; ``work`` holds the prepared pages. Raises ``SiteError`` with the dead links."""
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(DOCS, work / "docs", ignore=shutil.ignore_patterns("*.md"))
    shutil.copy(ROOT / "mkdocs.yml", work)
    for page in DOCS.rglob("*.md"):
        (work / page.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        (work / page.relative_to(ROOT)).write_text(prepared(page.read_text(), page))
    (work / "docs" / "changelog.md").write_text(prepared(CHANGELOG.read_text(), DOCS / "changelog.md", CHANGELOG))
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--config-file", str(work / "mkdocs.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"NO_COLOR": "1"})
    if done.returncode:
        raise SiteError(_plain(done.stdout + done.stderr))
    shutil.rmtree(target, ignore_errors=True)
    shutil.move(work / "site", target)


def prepared(text: str, page: Path, source: Path | None = None) -> str:
    """Text of ``page`` with links that the site can follow. ``source`` is the file itself, if it lies elsewhere."""

    def replaced(found: re.Match[str]) -> str:
        words, link, anchor = found[1], found[2], found[3] or ""
        if "://" in link:
            return found[0]
        file = ((source or page).parent / link).resolve()
        if file == CHANGELOG:
            return f"[{words}]({_relative(DOCS / 'changelog.md', page)}{anchor})"
        if DOCS in file.parents:
            return f"[{words}]({_relative(file, page)}{anchor})"
        path = file.relative_to(ROOT).as_posix()
        return f"`{path}`" if words.strip("`").rstrip("/") in path else f"{words} (`{path}`)"

    return LINK.sub(replaced, text)


class SiteError(Exception):
    """The site cannot be built; the message has the dead links."""


def _relative(file: Path, page: Path) -> str:
    up = [".."] * (len(page.parent.relative_to(DOCS).parts))
    return "/".join([*up, file.relative_to(DOCS).as_posix()])


def _plain(text: str) -> str:
    """The lines of a failed build that name a page and what is wrong with it, without colours."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    problems = re.findall(r"Warning: (.+)\n[^\[]*\[ (\S+) \]", text)
    return "\n".join(f"{place}: {problem}" for problem, place in problems) or text


def main() -> None:
    """Build the site; exit 1 with the dead links."""
    try:
        build(ROOT / "var" / "site", ROOT / "var" / "site-pages")
    except SiteError as error:
        sys.exit(f"the site has dead links:\n{error}")
    print("the site is in var/site; open var/site/index.html")


if __name__ == "__main__":
    main()
