"""Create typed answers from JSON objects, and the error of one picture."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float32]
T = TypeVar("T")


@dataclass(frozen=True)
class Fault:
    """The error of one picture in a request with several pictures."""

    code: str
    detail: str


def from_json(kind: type[T], given: Mapping[str, Any], **more: Any) -> T:
    """Create a ``kind`` from the fields of a JSON object; other fields are ignored."""
    return kind(**{field.name: given[field.name] for field in fields(kind) if field.name in given} | more)  # type: ignore[arg-type]


def fault(item: Mapping[str, Any]) -> Fault | None:
    """The error of an item, or None."""
    return from_json(Fault, item["error"]) if "error" in item else None
