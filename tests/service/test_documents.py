"""Nothing that a caller can meet is missing from the documents."""

import inspect
import re
from pathlib import Path

import pytest

from copysight import errors
from service import errors as service_errors
from service.settings import Settings

DOCS = Path(__file__).parents[2] / "docs"


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
