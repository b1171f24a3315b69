"""The help of ``train``, ``export`` and ``amend``: groups of options, whole sentences, nothing cut or empty."""

import re

import click
import pytest
from click.testing import CliRunner

from cli.main import main
from training.commands.amend import amend
from training.commands.export import export
from training.commands.option_groups import GROUPS, GroupedCommand, group_of, options_of
from training.commands.train import train

METHODS = sorted(train.commands)
COMMANDS = {**{f"train {name}": train.commands[name] for name in METHODS}, "export": export, "amend": amend}


def help_of(*words: str) -> str:
    """Help text as on a terminal that is wide enough for every summary."""
    result = CliRunner().invoke(main, [*words, "--help"], terminal_width=400, max_content_width=400)
    assert result.exit_code == 0, result.output
    return result.output


def sections(text: str) -> dict[str, list[str]]:
    """The flags that are listed under each heading."""
    found: dict[str, list[str]] = {}
    heading = ""
    for line in text.splitlines():
        if re.fullmatch(r"\S.*:", line):
            heading = line.removesuffix(":")
        elif line.startswith("  -"):
            found.setdefault(heading, []).append(line.split("  ")[1])
    return found


@pytest.mark.parametrize("name", METHODS)
def test_each_option_of_a_method_is_in_exactly_one_group(name: str) -> None:
    command = train.commands[name]
    assert isinstance(command, GroupedCommand)
    listed = sections(help_of("train", name))
    assert list(listed) == list(GROUPS)
    context = click.Context(command, help_option_names=["-h", "--help"])
    for option in options_of(command, context):
        places = [
            group for group, rows in listed.items() for row in rows if option.opts[-1] in re.split(r"[\s,/]+", row)
        ]
        assert places == [group_of(option)], option.name
    assert sum(map(len, listed.values())) == len(options_of(command, context))


@pytest.mark.parametrize("name", METHODS)
def test_groups_hold_what_their_headings_say(name: str) -> None:
    listed = {group: " ".join(rows) for group, rows in sections(help_of("train", name)).items()}
    for group, flags in {
        "Common": ("--out", "--backbone", "--batch", "--epochs", "--help"),
        "Schedule": ("--lr", "--weight-decay", "--clip"),
        "Machine": ("--device", "--threads", "--precision", "--cache"),
    }.items():
        for flag in flags:
            assert flag in listed[group], (group, flag)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_texts_are_whole_sentences_without_empty_defaults(name: str) -> None:
    command, text = COMMANDS[name], help_of(*name.split())
    assert not re.search(r"\[default: *(\]|;|\(|None|\"\"|'')", text)
    for option in options_of(command, click.Context(command)):
        about = option.help or ""
        assert re.fullmatch(r"(?s)[A-Z0-9].*\.", about), (option.name, about)
        assert not re.search(r"(?<![\w.])\.\d", about), (option.name, "a number without its leading zero")


def test_no_summary_is_cut() -> None:
    text = help_of("train")
    for name in METHODS:
        [summary] = re.findall(rf"(?m)^  {name} +(\S.*)$", text)
        assert re.fullmatch(r"[A-Z].*\.", summary), summary
        assert not summary.endswith("..."), summary
        assert summary == (train.commands[name].help or "").splitlines()[0]
    for command in (train, export, amend):
        assert re.fullmatch(r"[A-Z].*\.", command.short_help or "")
