"""Extras: a module that is there is imported, and what to install is said where it is not."""

import math

import pytest

from copysight.errors import InvalidArgument
from copysight.system.imports import extras


def test_a_module_that_is_there():
    assert extras.load("math", "COPYSIGHT_SUMS", "sums", "sums") is math


def test_a_package_that_is_missing():
    with pytest.raises(InvalidArgument, match=r"got COPYSIGHT_X, and the package pkg .* pip install 'copysight\[x\]'"):
        extras.load("copysight.no_such_module", "COPYSIGHT_X", "pkg", "x")
