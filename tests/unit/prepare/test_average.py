"""An average head: the mean where scans show, no slice that few show, and never of few scans."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from globalmask.commands.apply import average_template
from globalmask.errors import UserError
from globalmask.imaging.images import array_of, read_image, write_image
from globalmask.intake.split_table import Split, write_split
from globalmask.prepare.average import FEWEST, average_head


@pytest.fixture
def prepared(tmp_path):
    """Scans of 8 i HU, i = 1 .. FEWEST; those of odd i end two slices lower, one more ends one slice lower."""
    for number in range(1, FEWEST + 1):
        ct = np.full((6, 4, 4), 8 * number, np.int16)
        ct[0] = -1024 if number > 2 else 80
        ct[4 if number % 2 else 6 :] = -1024
        if number == 2:
            ct[5] = -1024
        image = sitk.GetImageFromArray(ct)
        image.SetSpacing((3.0, 3.0, 3.0))
        write_image(image, tmp_path / "prepared" / str(number) / "ct.nii.gz")
    return tmp_path / "prepared"


CASES = [str(number) for number in range(1, FEWEST + 1)]


def test_the_mean_of_those_that_show_a_slice(prepared):
    average_head(prepared, CASES, prepared / "average.nii.gz")
    average = read_image(prepared / "average.nii.gz")
    # Slice 0 is seen by two of ten, slice 5 by four; the means are rounded to whole steps of 8 HU.
    assert array_of(average)[:, 0, 0].tolist() == [8 * 6, 8 * 6, 8 * 6, 48]
    assert average.GetOrigin() == (0.0, 0.0, 3.0)
    assert average.GetSpacing() == (3.0, 3.0, 3.0)


def test_few_scans_are_no_average(prepared):
    with pytest.raises(UserError, match="Too few"):
        average_head(prepared, CASES[1:], prepared / "average.nii.gz")
    assert not (prepared / "average.nii.gz").exists()


def test_the_command_takes_the_training_cases_of_a_replicate(prepared):
    """Others are not even prepared here."""
    arm = prepared.parent
    write_split(Split(train_order=CASES, validation=["v"], test=["t"], fold=0), arm / "splits" / "r2.tsv")
    average_template(arm, arm / "found.nii.gz", 2)
    average_head(prepared, CASES, arm / "wanted.nii.gz")
    assert (arm / "found.nii.gz").read_bytes() == (arm / "wanted.nii.gz").read_bytes()
