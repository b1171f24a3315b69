from copysight.pictures.edits.chains import ALONE, NAMES, WITH_OTHER, Strength, apply, chain, mild, strong

__all__ = ["ALONE", "NAMES", "WITH_OTHER", "Strength", "apply", "chain", "mild", "strong"]
