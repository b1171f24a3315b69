"""Turn off the telemetry of the libraries, before any of them is imported.

``copysight/__init__`` imports this module first, so it holds in every process: server, workers, jobs and commands. A
variable that is already set is left alone, so that its owner decides.
"""

import os

SWITCHES = {
    # ONNX Runtime from 1.29: uploads events, and writes a device id under ~/.cache (its Privacy.md).
    "ORT_DISABLE_TELEMETRY": "1",
    # huggingface_hub, which timm imports: usage counts.
    "HF_HUB_DISABLE_TELEMETRY": "1",
    # https://consoledonottrack.com
    "DO_NOT_TRACK": "1",
}
"""Environment variable -> the value that turns telemetry off, as each package documents it."""


def turn_off() -> None:
    """Set every switch that is not set yet."""
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)


turn_off()
