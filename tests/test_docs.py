"""What the documents name exists: commands, options, make targets, files, settings."""

import re
import shlex
from pathlib import Path

import click
import pytest

from cli.main import COMMANDS, main

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
