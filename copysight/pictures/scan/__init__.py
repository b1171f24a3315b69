"""List the picture files of a source, and account for all its files."""

from copysight.pictures.scan.account import Account, Failure
from copysight.pictures.scan.entry import Entry
from copysight.pictures.scan.kinds import SUFFIXES
from copysight.pictures.scan.options import ORDINARY, ScanOptions, limits_of_environment, scan_options
from copysight.pictures.scan.source import Scan, scan

__all__ = [
    "ORDINARY",
    "SUFFIXES",
    "Account",
    "Entry",
    "Failure",
    "Scan",
    "ScanOptions",
    "limits_of_environment",
    "scan",
    "scan_options",
]
