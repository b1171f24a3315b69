"""Every golden case file has a test, and every test has a case file."""

import os


def test_every_case_file_has_a_test(case_files, tested_kinds):
    unknown = {str(path): kind for path, kind in case_files.items() if kind not in tested_kinds}
    assert case_files
    assert not unknown


def test_every_test_has_a_case_file(case_files, tested_kinds):
    assert "COPYSIGHT_GOLDEN" in os.environ or tested_kinds == set(case_files.values())
