"""Find the tensors of a state that are not finite."""

from collections.abc import Mapping

from torch import Tensor


def not_finite(state: Mapping[str, Tensor]) -> list[str]:
    """Names of the tensors of floating point that hold NaN or infinity."""
    floats = {name: value for name, value in state.items() if value.is_floating_point()}
    return [name for name, value in floats.items() if not bool(value.isfinite().all())]
