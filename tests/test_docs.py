"""What the documents name exists: commands, options, make targets, files, settings; the site has no dead link."""

import re
import shlex
from itertools import pairwise
from pathlib import Path

import click
import pytest

from cli.main import COMMANDS, main
from tests import reference, site

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def named(page):
    return page.relative_to(ROOT).as_posix()


def code(page):
    """Lines of shell blocks, and everything between single backticks."""
    text = page.read_text()
    blocks = re.findall(r"```(?:sh|bash|console)\n(.*?)```", text, re.DOTALL)
    return [line for block in blocks for line in block.splitlines()] + re.findall(r"`([^`\n]+)`", text)


def commands(page):
    """Words after ``copysight`` of every command line on the page."""
    for line in code(page):
        found = re.match(r"(?:.*/)?copysight ((?:[a-z]|-).*)", line.strip())
        if found:
            yield found[1].split("#")[0].strip()


def resolve(words):
    """The command that some words name, and the words that are left."""
    context, command = click.Context(main), main
    while isinstance(command, click.Group) and words and words[0] and not words[0].startswith("-"):
        following = command.get_command(context, words[0])
        if following is None:
            return None, words
        command, words = following, words[1:]
    return command, words


def test_there_are_commands_to_check():
    assert sum(1 for page in PAGES for _ in commands(page)) > 10


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_commands_and_options_exist(page):
    for line in commands(page):
        words = re.sub(r"[\[\]…]", " ", line).split()
        if len(words) > 1 and all(re.fullmatch(r"[a-z]+", word) for word in words) and words[0] not in COMMANDS:
            continue  # prose about the program, not a command line
        choices = words[1].replace("\\|", "|").split("|") if len(words) > 1 and "|" in words[1] else [None]
        for choice in choices:
            command, rest = resolve([words[0], choice, *words[2:]] if choice else words)
            assert command is not None, f"{named(page)}: copysight {line}"
            known = {option for parameter in command.params for option in parameter.opts + parameter.secondary_opts}
            known |= {"--help", "-h", "--version", "--debug", "--json"}
            for word in rest:
                option = word.split("=")[0]
                assert not option.startswith("--") or option in known, f"{named(page)}: {option} in copysight {line}"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_make_targets_exist(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in code(page):
        if re.match(r"make [a-z]", line):
            words = [word for word in shlex.split(line.split("#")[0])[1:] if "=" not in word]
            assert set(words) <= targets, f"{named(page)}: {line}"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in link:
            assert (page.parent / link).exists(), f"{named(page)}: {link}"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_settings_exist(page):
    from service.runtime.settings import Settings

    known = {f"COPYSIGHT_{name.upper()}" for name in Settings.model_fields}
    known |= {"COPYSIGHT_DATA", "COPYSIGHT_GOLDEN", "COPYSIGHT_KEY"}
    for file in (ROOT / "docker-compose.yml", *(ROOT / "deploy").glob("compose.*.yml")):
        known |= set(re.findall(r"\$\{(\w+):-", file.read_text()))
    assert set(re.findall(r"COPYSIGHT_[A-Z_]*[A-Z]", page.read_text())) <= known


@pytest.mark.parametrize("name", COMMANDS)
def test_the_readme_names_every_command(name):
    assert f"`{name}`" in (ROOT / "README.md").read_text()


def test_the_site_names_every_page():
    """The start page and the pages that it links to lead to every page of the documentation."""
    start = ROOT / "docs" / "index.md"
    reached, waiting = set(), [start]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        links = re.findall(r"\]\(([^)#\s]+\.md)(?:#[^)]*)?\)", page.read_text())
        found = {(page.parent / link).resolve() for link in links if "://" not in link}
        waiting += [one for one in found - reached if one.is_file() and ROOT / "docs" in one.parents]
    assert {page for page in PAGES if ROOT / "docs" in page.parents} <= reached


@pytest.mark.parametrize("name", reference.MADE)
def test_generated_parts_agree_with_the_code(name):
    text = (reference.PAGES / f"{name}.md").read_text()
    assert text == reference.page(name), f"{name}.md differs from the code; run: python -m tests.reference"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The site; building it fails for a dead link."""
    folder = tmp_path_factory.mktemp("site")
    site.build(folder / "site", folder / "pages")
    return folder / "site"


def test_the_site_has_every_page(built):
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in PAGES if ROOT / "docs" in page.parents}
    expected = {page.replace("README.md", "index.md").replace(".md", ".html") for page in pages}
    assert expected | {"changelog.html"} <= {page.relative_to(built).as_posix() for page in built.rglob("*.html")}


def test_a_dead_link_fails(tmp_path, monkeypatch):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# Start\n\n[one](none.md), [two](#nowhere)\n")
    (tmp_path / "CHANGELOG.md").write_text("# Changes\n")
    (tmp_path / "mkdocs.yml").write_text((ROOT / "mkdocs.yml").read_text().split("nav:")[0])
    for name, value in (("ROOT", tmp_path), ("DOCS", tmp_path / "docs"), ("CHANGELOG", tmp_path / "CHANGELOG.md")):
        monkeypatch.setattr(site, name, value)
    with pytest.raises(
        site.SiteError, match=r"index.md:3:\d+: page does not exist\nindex.md:3:\d+: anchor does not exist"
    ):
        site.build(tmp_path / "site", tmp_path / "pages")


def test_the_site_loads_nothing_from_elsewhere(built):
    loaded = re.compile(r"<(?:script|img|iframe)[^>]+src=\"?https?:|<link[^>]+href=\"?https?:|url\([\"']?https?:")
    for file in built.rglob("*"):
        if file.suffix in {".html", ".css"}:
            assert not loaded.search(file.read_text()), file.name


def test_the_navigation_names_every_page():
    named_there = set(re.findall(r"^ +- (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in PAGES if ROOT / "docs" in page.parents}
    assert named_there == pages | {"changelog.md"}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_list_begins_after_an_empty_line(page):
    """The site joins a list to the paragraph before it unless a line between them is empty."""
    item = re.compile(r"(?:[-*]|\d+\.) ")
    lines = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL).splitlines()
    for before, line in pairwise(lines):
        if item.match(line) and before.strip():
            assert item.match(before) or before.startswith(" "), f"{named(page)}: {line}"


@pytest.mark.parametrize("page", [page for page in PAGES if "notes" not in page.parts], ids=named)
def test_numbers_have_a_leading_zero(page):
    if page.name not in {"CHANGELOG.md", "decisions.md"}:
        found = re.search(r".*(?<![\w.)\]/])(?<!\w\*)\.\d.*", page.read_text())
        assert found is None, f"{named(page)}: {found[0]}"


def test_paths_for_contributors_exist():
    paths = [
        word for word in re.findall(r"`([^`\s]+)`", (ROOT / "docs" / "contributing.md").read_text()) if is_path(word)
    ]
    assert len(paths) > 10
    for path in paths:
        assert list(ROOT.glob(path.rstrip("/"))), f"docs/contributing.md names {path}"


def is_path(word):
    return "://" not in word and re.fullmatch(
        r"(?!/)[\w.*-]+(/[\w.*-]+)+/?|[\w*-]+\.(py|md|toml|yml|txt)|[\w-]+/", word
    )
