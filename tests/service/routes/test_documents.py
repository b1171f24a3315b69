"""The reference documents every setting, endpoint and error code."""

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
        row = next((line for line in text.splitlines() if line.startswith(f"| `COPYSIGHT_{name.upper()}` |")), "")
        assert row.endswith(f"| {field.description} |"), name


def test_every_endpoint(http):
    text = (DOCS / "api.md").read_text()
    paths = http.get("/openapi.json").json()["paths"]
    calls = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert calls == set(re.findall(r"^\| `((?:GET|POST|PUT|PATCH|DELETE) [^`]+)`", text, re.MULTILINE))


@pytest.mark.parametrize("module", [errors, service_errors])
def test_every_error_code(module):
    text = (DOCS / "errors.md").read_text()
    for _, kind in inspect.getmembers(module, inspect.isclass):
        if not issubclass(kind, errors.CopysightError) or issubclass(kind, errors.JobError):
            continue
        if kind in {errors.CopysightError, errors.PictureError, errors.ExportFailed}:
            continue
        row = next((line for line in text.splitlines() if f"`{kind.code}`" in line and line.startswith("|")), None)
        assert row is not None, kind.code
        status = next(service_errors.STATUS[one] for one in kind.__mro__ if one in service_errors.STATUS)
        assert f"| {status} |" in row, (kind.code, status)


def test_only_existing_error_codes_are_documented():
    text = (DOCS / "errors.md").read_text()
    table = text[text.index("| code | status | meaning |") :]
    explained = set(re.findall(r"^\| `([a-z_0-9]+)` \| \d", table, re.MULTILINE))
    assert explained == set(known_codes()) - {errors.CopysightError.code, errors.PictureError.code}


def known_codes():
    """All codes that the service can return: those of the error classes, and those without a class."""
    none = (errors.JobError, errors.ExportFailed)
    kinds = [kind for module in (errors, service_errors) for _, kind in inspect.getmembers(module, inspect.isclass)]
    for kind in kinds:
        if issubclass(kind, errors.CopysightError) and not issubclass(kind, none):
            yield kind.code
    yield from ("method_not_allowed", service_errors.UNEXPECTED)
