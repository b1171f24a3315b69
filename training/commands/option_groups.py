"""Print the options of a command under headings in ``--help``: Common, Method, Schedule, Machine."""

from typing import Any, get_args

import click

from training.config_field import Group

GROUPS: tuple[Group, ...] = get_args(Group)


class GroupedOption(click.Option):
    """An option that ``--help`` lists under the heading ``group``."""

    def __init__(self, *args: Any, group: Group = "Common", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group


class GroupedCommand(click.Command):
    """A command whose ``--help`` lists its options by group. Options without a group are common ones."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section for each group that has options."""
        for group in GROUPS:
            options = [option for option in options_of(self, ctx) if group_of(option) == group]
            records = [record for option in options if (record := option.get_help_record(ctx)) is not None]
            if records:
                with formatter.section(group):
                    formatter.write_dl(records)


def options_of(command: click.Command, ctx: click.Context) -> list[click.Option]:
    """The options of a command, with ``--help`` and without arguments."""
    return [parameter for parameter in command.get_params(ctx) if isinstance(parameter, click.Option)]


def group_of(option: click.Option) -> Group:
    """The heading of an option."""
    return option.group if isinstance(option, GroupedOption) else "Common"
