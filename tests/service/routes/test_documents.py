"""Nothing that a caller can meet is missing from the documents."""

import inspect
import re
from pathlib import Path

import pytest

from copysight import errors
from service.http import problems as service_errors
from service.runtime.settings import Settings

DOCS = Path(__file__).parents[3] / "docs" / "reference"


def test_every_setting():
    text = (DOCS / "settings.md").read_text()
    for name, field in Settings.model_fields.items():
        default = f"`{field.default}`" if field.default != "" else "(empty)"
        line = f"| `COPYSIGHT_{name.upper()}` | {default} | {field.description} |"
        assert line in text, line


def test_every_endpoint(http):
    text = (DOCS / "api.md").read_text()
    paths = http.get("/openapi.json").json()["paths"]
    calls = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert calls == set(re.findall(r"^\| `((?:GET|POST|PATCH|DELETE) [^`]+)`", text, re.MULTILINE))


@pytest.mark.parametrize("module", [errors, service_errors])
def test_every_code_that_the_service_can_answer(module):
    text = (DOCS / "api.md").read_text()
    for _, kind in inspect.getmembers(module, inspect.isclass):
        if not issubclass(kind, errors.CopysightError) or issubclass(kind, errors.JobError):
            continue
        if kind in {errors.CopysightError, errors.PictureError, errors.ExportFailed}:
            continue
        row = next((line for line in text.splitlines() if f"`{kind.code}`" in line and line.startswith("|")), None)
        assert row is not None, kind.code
        status = next(service_errors.STATUS[one] for one in kind.__mro__ if one in service_errors.STATUS)
        assert f"| {status} |" in row, (kind.code, status)


def test_no_code_is_explained_that_does_not_exist():
    text = (DOCS / "api.md").read_text()
    table = text[text.index("| code | status | means |") :]
    explained = set(re.findall(r"`([a-z_0-9]+)`", "".join(re.findall(r"^\| (`.*?) \| \d", table, re.MULTILINE))))
    assert explained == set(known_codes()) - {errors.CopysightError.code, errors.PictureError.code}


def known_codes():
    """Every class's code that a service can answer, and those that have no class."""
    none = (errors.JobError, errors.ExportFailed)
    kinds = [kind for module in (errors, service_errors) for _, kind in inspect.getmembers(module, inspect.isclass)]
    for kind in kinds:
        if issubclass(kind, errors.CopysightError) and not issubclass(kind, none):
            yield kind.code
    yield from ("method_not_allowed", service_errors.UNEXPECTED)
