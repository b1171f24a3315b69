"""Import what needs an optional package (an extra of Copysight) when a setting asks for it, and not before."""

from importlib import import_module
from typing import Any

from copysight.errors import InvalidArgument


def load(module: str, setting: str, package: str, extra: str) -> Any:
    """Import ``module``, which needs ``package``, because of ``setting``.

    Raises ``InvalidArgument``, which names the setting and how to install ``extra``, if the package is missing.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise InvalidArgument(
            f"got {setting}, and the package {package} is not installed; run pip install 'copysight[{extra}]'"
        ) from error
