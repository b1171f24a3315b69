"""``evaluate copy --copydays``: the command, and incomplete layouts."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

DISTRACTORS = 12


def picture(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize((96, 72), Image.Resampling.BICUBIC)


@pytest.fixture
def copydays(tmp_path: Path) -> Path:
    """Five originals; each is also recompressed, cropped, and edited strongly twice."""
    root = tmp_path / "copydays"
    for block in ("original", "strong", "jpegqual/20", "crops/10"):
        (root / block).mkdir(parents=True)
    for number in range(5):
        original, name = picture(number), f"20{number}000.jpg"
        original.save(root / "original" / name, quality=95)
        original.save(root / "jpegqual/20" / name, quality=20)
        original.crop((4, 3, 92, 69)).save(root / "crops/10" / name)
        original.convert("L").convert("RGB").save(root / "strong" / f"20{number}001.jpg")
        original.transpose(Image.Transpose.ROTATE_180).save(root / "strong" / f"20{number}002.jpg")
    (tmp_path / "distractors").mkdir()
    for number in range(DISTRACTORS):
        picture(100 + number).save(tmp_path / "distractors" / f"{number}.jpg")
    return root


def test_blocks_distractors_and_whitening(copysight, copydays):
    distractors = copydays.parent / "distractors"
    command = ("evaluate", "copy", "pixels", "--copydays", copydays, "--distractors", distractors, "--json")
    found = json.loads(copysight(*command).stdout)
    assert set(found["blocks"]) == {"original", "strong", "jpegqual/20", "crops/10"}
    assert found["blocks"]["original"] == found["blocks"]["jpegqual/20"] == found["blocks"]["crops/10"] == 1
    # Half of the strong copies are upside down. `pixels` finds only the other half.
    assert 0.5 < found["blocks"]["strong"] < 0.9
    assert 0.5 < found["overall"] < 1
    white = json.loads(copysight(*command, "--whitening", distractors).stdout)
    centred = json.loads(copysight(*command, "--whitening", distractors, "--centred").stdout)
    assert white["blocks"] != found["blocks"]
    assert white["overall"] != centred["overall"]


def test_a_block_with_a_missing_picture_is_rejected(copysight, copydays):
    next((copydays / "crops" / "10").iterdir()).unlink()
    result = copysight("evaluate", "copy", "pixels", "--copydays", copydays)
    assert result.exit_code == 1
    assert "crops/10 has 4 pictures, original has 5" in result.output


def test_a_strong_copy_without_original_is_rejected(copysight, copydays):
    picture(9).save(copydays / "strong" / "999900.jpg")
    result = copysight("evaluate", "copy", "pixels", "--copydays", copydays)
    assert "1 strong copies match no original (999900.jpg, for example)" in result.output


def test_a_folder_without_originals_is_rejected(copysight, copydays):
    shutil.rmtree(copydays / "original")
    result = copysight("evaluate", "copy", "pixels", "--copydays", copydays)
    assert "it needs original and edits" in result.output


def test_a_call_without_data_is_rejected(copysight):
    result = copysight("evaluate", "copy", "pixels")
    assert result.exit_code == 2
    assert "--copydays" in result.output
