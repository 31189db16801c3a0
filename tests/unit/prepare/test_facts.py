"""Facts of a scan, counted by hand."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from globalmask.imaging.geometry import box_image
from globalmask.imaging.images import image_like
from globalmask.prepare.facts import scan_facts


def scan(direction=(1, 0, 0, 0, 1, 0, 0, 0, 1)):
    """10 x 20 x 30 voxels (z, y, x) of 4 x 2 x 1 mm, air but for one slice of 60 and 70 HU."""
    array = np.full((10, 20, 30), -1000, np.int16)
    array[3] = 60
    array[3, 0] = 70
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((1.0, 2.0, 4.0))
    image.SetDirection(direction)
    return image


def test_an_unregistered_scan_tells_its_extent_along_the_patient():
    facts = scan_facts(scan(), scan(), None)
    assert (facts["height_mm"], facts["depth_mm"], facts["width_mm"]) == (40.0, 40.0, 30.0)
    assert (facts["orientation"], facts["tilt_degrees"]) == ("LPS", 0.0)
    assert (facts["lowest_hu"], facts["tissue_hu"]) == (-1000.0, 60.0)
    assert "covered" not in facts


def test_axes_in_another_order_are_the_same_patient():
    # Voxel axes x, y, z run along the patient's z, x, y.
    turned = scan(direction=(0, 1, 0, 0, 0, 1, 1, 0, 0))
    facts = scan_facts(turned, turned, None)
    assert (facts["height_mm"], facts["depth_mm"], facts["width_mm"]) == (30.0, 40.0, 40.0)


def test_a_registered_scan_tells_what_share_of_the_box_it_covers():
    """A box of 40 mm, centred on the upper end of a scan that is wider than the box: half of it lies outside."""
    raw = sitk.Image([100, 100, 30], sitk.sitkInt16)
    box = box_image((49.5, 49.5, 29.5), spacing_mm=2.0, size_voxels=20)
    prepared = image_like(np.zeros((20, 20, 20), np.int16), box)
    stay = sitk.TranslationTransform(3, (0.0, 0.0, 0.0))
    assert scan_facts(raw, prepared, stay)["covered"] == 0.5
    assert scan_facts(raw, prepared, sitk.TranslationTransform(3, (0.0, 0.0, -10.0)))["covered"] == 0.75


def test_no_soft_tissue_has_no_median():
    empty = sitk.GetImageFromArray(np.full((4, 4, 4), -1000, np.int16))
    assert scan_facts(empty, empty, None)["tissue_hu"] is None
