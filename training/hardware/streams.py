"""A CUDA stream beside the training's: a GPU makes the next views while it computes a step. Not run on a GPU yet."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


class SideStream:
    """A stream of ``device``; on a CPU work runs as it is called. What exists on the device already may be used."""

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]
        if self._stream is not None:
            self._stream.wait_stream(torch.cuda.current_stream(device))

    def run(self, work: Callable[[], T]) -> T:
        """Do ``work`` in this stream, from any thread."""
        if self._stream is None:
            return work()
        with torch.cuda.stream(self._stream):
            return work()

    def take(self, tensors: Iterable[Tensor]) -> None:
        """Let the caller's stream wait for ``tensors`` that were made here, before it uses them."""
        if self._stream is None:
            return
        current = torch.cuda.current_stream(self._stream.device)
        current.wait_stream(self._stream)
        for tensor in tensors:
            tensor.record_stream(current)  # its memory is not given away while the step reads it
