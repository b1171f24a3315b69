from copysight.pictures.edits.chains import (
    NAMES,
    ONE_PICTURE,
    TWO_PICTURES,
    Strength,
    apply,
    chain,
    mild,
    strong,
    trace,
    trace_chain,
    trace_mild,
    trace_strong,
)
from copysight.pictures.edits.edited import Edited

__all__ = [
    "NAMES",
    "ONE_PICTURE",
    "TWO_PICTURES",
    "Edited",
    "Strength",
    "apply",
    "chain",
    "mild",
    "strong",
    "trace",
    "trace_chain",
    "trace_mild",
    "trace_strong",
]
