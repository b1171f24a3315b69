from copysight.pictures.edits.chains import NAMES, ONE_PICTURE, TWO_PICTURES, Strength, apply, chain, mild, strong

__all__ = ["NAMES", "ONE_PICTURE", "TWO_PICTURES", "Strength", "apply", "chain", "mild", "strong"]
