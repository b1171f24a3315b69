"""Read the public interface from the code: HTTP calls, commands, metrics, settings, exported names, error codes.

``python -m tests.public.surface`` writes the snapshots that ``test_public`` compares with. Run it after an addition.
An entry that disappears in the diff breaks the code of users.
"""

import inspect
import json
from pathlib import Path
from typing import Any

import click

SNAPSHOTS = Path(__file__).parent


def commands() -> dict[str, list[str]]:
    """Return the options (both forms of a flag) and arguments of each command, by its full name."""
    from cli.main import main

    found: dict[str, list[str]] = {}

    def walk(command: click.Command, name: str) -> None:
        found[name] = sorted(
            " ".join(sorted([*parameter.opts, *parameter.secondary_opts])) for parameter in command.params
        )
        if isinstance(command, click.Group):
            context = click.Context(command)
            for child in command.list_commands(context):
                following = command.get_command(context, child)
                assert following is not None
                walk(following, f"{name} {child}")

    walk(main, "copysight")
    return found


def calls(openapi: dict[str, Any]) -> dict[str, dict[str, list[str]]]:
    """Return the parameters, body fields, statuses and response fields of each HTTP call."""
    schemas = openapi.get("components", {}).get("schemas", {})
    found = {}
    for path, methods in openapi["paths"].items():
        for method, call in methods.items():
            answers = {f"{status}": _fields(answer, schemas) for status, answer in call["responses"].items()}
            found[f"{method.upper()} {path}"] = {
                "parameters": sorted(f"{entry['in']} {entry['name']}" for entry in call.get("parameters", ())),
                "body": _fields(call.get("requestBody", {}), schemas),
                "answers": sorted(
                    f"{status} {field}" for status, fields in answers.items() for field in fields or ["(no fields)"]
                ),
            }
    return found


def _fields(part: dict[str, Any], schemas: dict[str, Any]) -> list[str]:
    """Return ``content type: dotted field`` for all fields of a body or response."""
    names = set()
    for kind, content in part.get("content", {}).items():
        names.add(kind)
        names |= {f"{kind}: {name}" for name in _properties(content.get("schema", {}), schemas, "", 0)}
        names |= {f"{kind}: example {name}" for name in _of_example(content.get("example"), "")}
    return sorted(names)


def _properties(schema: dict[str, Any], schemas: dict[str, Any], prefix: str, depth: int) -> set[str]:
    if depth > 8:
        return set()
    if "$ref" in schema:
        return _properties(schemas[schema["$ref"].rpartition("/")[2]], schemas, prefix, depth + 1)
    names = set()
    for name, inner in schema.get("properties", {}).items():
        names |= {prefix + name} | _properties(inner, schemas, f"{prefix}{name}.", depth + 1)
    for key in ("anyOf", "oneOf", "allOf"):
        for inner in schema.get(key, ()):
            names |= _properties(inner, schemas, prefix, depth + 1)
    if isinstance(schema.get("items"), dict):
        names |= _properties(schema["items"], schemas, prefix, depth + 1)
    return names


def _of_example(example: Any, prefix: str) -> set[str]:
    """Return the dotted names of the fields of an example. Responses are documented by examples."""
    if isinstance(example, list):
        return {name for inner in example for name in _of_example(inner, prefix)}
    if not isinstance(example, dict):
        return set()
    return {
        one for name, inner in example.items() for one in ({prefix + name} | _of_example(inner, f"{prefix}{name}."))
    }


def metrics() -> dict[str, list[str]]:
    """Return the labels of each metric of Copysight."""
    registry = _class("service.runtime.metrics", "service.metrics", "Metrics")().registry
    return {
        family.name: sorted(registry._names_to_collectors[family.name]._labelnames)
        for family in registry.collect()
        if family.name.startswith("copysight_")
    }


def settings() -> list[str]:
    """Return the names of the environment variables."""
    settings_class = _class("service.runtime.settings", "service.settings", "Settings")
    return sorted(f"COPYSIGHT_{name.upper()}" for name in settings_class.model_fields)


def names() -> dict[str, list[str]]:
    """Return the names exported by ``copysight.client`` and ``copysight.index``, and the methods of the clients."""
    import copysight.client
    import copysight.index

    found = {module.__name__: sorted(module.__all__) for module in (copysight.client, copysight.index)}
    for name in ("Client", "AsyncClient"):
        kind = getattr(copysight.client, name)
        found[f"copysight.client.{name}"] = sorted(
            f"{method}({', '.join(inspect.signature(getattr(kind, method)).parameters)})"
            for method in dir(kind)
            if not method.startswith("_") and callable(getattr(kind, method))
        )
    return found


def problems() -> list[str]:
    """Return the stable ``code`` of every error."""
    from copysight import errors

    def below(kind: type) -> set[type]:
        return {kind}.union(*(below(child) for child in kind.__subclasses__()))

    return sorted({kind.code for kind in below(errors.CopysightError) if isinstance(getattr(kind, "code", None), str)})


def write(openapi: dict[str, Any]) -> None:
    """Write all snapshots."""
    for name, content in everything(openapi).items():
        (SNAPSHOTS / f"{name}.json").write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


def everything(openapi: dict[str, Any]) -> dict[str, Any]:
    """Return all parts of the interface by the name of their snapshot."""
    return {
        "calls": calls(openapi),
        "commands": commands(),
        "metrics": metrics(),
        "names": names(),
        "problems": problems(),
        "settings": settings(),
    }


def _class(now: str, before: str, name: str) -> Any:
    import importlib

    try:
        return getattr(importlib.import_module(now), name)
    except ModuleNotFoundError:
        return getattr(importlib.import_module(before), name)


def main() -> None:
    """Start a server on an empty index and write the snapshots."""
    import tempfile

    from tests.service.conftest import serving

    with tempfile.TemporaryDirectory() as folder, serving(Path(folder) / "index") as server:
        write(server.http.get("/openapi.json").json())


if __name__ == "__main__":
    main()
