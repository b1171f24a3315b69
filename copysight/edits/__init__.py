from copysight.edits.chains import ALONE, NAMES, WITH_OTHER, Strength, apply, mild, strong

__all__ = ["ALONE", "NAMES", "WITH_OTHER", "Strength", "apply", "mild", "strong"]
