"""Generated parts of ``docs/reference``: the commands, the settings and the metrics, read from the code.

``python -m tests.reference`` writes them into their pages, between ``<!-- generated -->`` and ``<!-- end -->``.
``tests/test_docs.py`` fails while a page differs.
"""

import inspect
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

PAGES = Path(__file__).parent.parent / "docs" / "reference"
PART = re.compile(r"(<!-- generated[^>]*-->\n)(.*?)(<!-- end -->)", re.DOTALL)


def page(name: str) -> str:
    """Text of the page ``name`` with its generated part renewed."""
    text, made = (PAGES / f"{name}.md").read_text(), MADE[name]()
    assert len(PART.findall(text)) == 1, f"{name}.md has no generated part"
    return PART.sub(lambda found: f"{found[1]}\n{made.strip()}\n\n{found[3]}", text)


def settings() -> str:
    """A table of all settings: variable, default, allowed values, description."""
    from service.runtime.settings import Settings

    rows = (
        (f"`COPYSIGHT_{name.upper()}`", _code(field.default), _allowed(field), field.description)
        for name, field in Settings.model_fields.items()
    )
    return _table(("variable", "default", "allowed", "description"), rows)


def metrics() -> str:
    """A table of our metrics under the names that Prometheus shows."""
    from service.runtime.metrics import Metrics

    registry = Metrics().registry
    rows = []
    for family in registry.collect():
        if family.name.startswith("copysight_"):
            labels = registry._names_to_collectors[family.name]._labelnames
            name = f"{family.name}_total" if family.type == "counter" else family.name
            rows.append((f"`{name}`", family.type, ", ".join(map(_code, labels)), family.documentation))
    return _table(("metric", "type", "labels", "description"), rows)


def commands() -> str:
    """A section for each command: usage, help text, arguments and options."""
    from cli.main import main

    return "\n\n".join(_sections(main, click.Context(main, info_name="copysight")))


MADE = {"settings": settings, "metrics": metrics, "cli": commands}
"""Page -> what makes its generated part."""


def _sections(command: click.Command, context: click.Context) -> Iterator[str]:
    yield _section(command, context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from _sections(child, click.Context(child, info_name=name, parent=context))


def _section(command: click.Command, context: click.Context) -> str:
    path = context.command_path
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    parts = [f"{'##' if path.count(' ') < 2 else '###'} {path}", f"```\n{usage}\n```", *_paragraphs(command.help or "")]
    if isinstance(command, click.Group):
        names = [command.get_command(context, name) for name in command.list_commands(context)]
        rows = [
            (f"[`{path} {one.name}`](#{f'{path} {one.name}'.replace(' ', '-')})", _short(one)) for one in names if one
        ]
        parts.append(_table(("command", "description"), rows))
    if path == "copysight serve":
        parts.append("Its options are the [settings](settings.md): `--max-body` is `COPYSIGHT_MAX_BODY`.")
    else:
        parts += _options(command)
    return "\n\n".join(parts)


def _options(command: click.Command) -> Iterator[str]:
    """A table of the options; one table for each group where the command groups them."""
    groups: dict[str, list[tuple[str, ...]]] = {}
    for one in command.params:
        if isinstance(one, click.Option) and not one.hidden:
            row = (_names(one), _value(one), _default(one), _text(one.help or ""))
            groups.setdefault(getattr(one, "group", ""), []).append(row)
    for name, rows in groups.items():
        if name:
            yield f"**{name}**"
        yield _table(("option", "value", "default", "description"), rows)


def _paragraphs(text: str) -> list[str]:
    cleaned = inspect.cleandoc(text).replace("\b\n", "").split("\f")[0]
    return [_text(one) for one in re.split(r"\n\s*\n", cleaned) if one.strip()]


def _short(command: click.Command) -> str:
    return _text(re.split(r"\n\s*\n", inspect.cleandoc(command.help or ""))[0])


def _names(option: click.Option) -> str:
    return ", ".join(_code(name) for name in [*option.opts, *option.secondary_opts])


def _value(option: click.Option) -> str:
    kind = option.type
    if option.is_flag or option.count:
        return ""
    if isinstance(kind, click.Choice):
        return ", ".join(_code(choice) for choice in kind.choices)
    if isinstance(kind, click.IntRange | click.FloatRange):
        bounds = (
            kind._describe_range().replace("<=", " ≤ ").replace(">=", " ≥ ").replace("<", " &lt; ").replace(">", " > ")
        )
        return f"{kind.name.split()[0]}, {bounds}"
    return kind.name.split()[0] + (", repeatable" if option.multiple else "")


def _default(option: click.Option) -> str:
    """The default of an option that has one; an option that must be given is *required*."""
    if option.required:
        return "*required*"
    default = option.to_info_dict()["default"]
    if option.is_flag:
        return _code((option.opts if default else option.secondary_opts)[0]) if option.secondary_opts else ""
    if default is None or default == () or default == "":
        return ""
    return ", ".join(_code(one) for one in default) if isinstance(default, list | tuple) else _code(default)


def _allowed(field: Any) -> str:
    """Allowed values of a setting: its choices or its range."""
    bounds = {name: getattr(one, name) for one in field.metadata for name in ("gt", "ge", "le") if hasattr(one, name)}
    pattern = next((one.pattern for one in field.metadata if getattr(one, "pattern", None)), "")
    if re.fullmatch(r"\^\((\w+\|)+\w+\)\??\$", pattern):
        return ", ".join(_code(choice) for choice in re.findall(r"\w+", pattern))
    signs = {"gt": "above", "ge": "from", "le": "to"}
    words = " ".join(f"{signs[name]} {bound:,}" for name, bound in bounds.items())
    return f"{KINDS.get(field.annotation, 'text')} {words}".strip()


KINDS = {int: "integer", float: "number", bool: "`true`, `false`", Path: "path"}


def _code(value: object) -> str:
    return f"`{value}`" if value != "" else "(empty)"


def _text(words: str) -> str:
    """Help text as one line of Markdown: what would be markup outside of backticks is escaped."""
    parts = " ".join(words.split()).split("`")
    parts[::2] = [re.sub(r"([*<\[\]])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def main() -> None:
    """Renew the generated part of every page."""
    for name in MADE:
        (PAGES / f"{name}.md").write_text(page(name))


if __name__ == "__main__":
    main()
