"""Grids as scanners, and worse, may write them."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

# Rounded: ITK inverts a direction cosine of 4e-310 to NaN, and none comes from a scanner.
angles = st.tuples(*[st.floats(-180, 180).map(lambda turn: round(turn, 6))] * 3)


@st.composite
def grids(draw, smallest=8, largest=14, spacings_mm=(0.5, 3.0)):
    """Empty images with any orthonormal direction (also left-handed), uneven spacing, any origin."""
    image = sitk.Image([draw(st.integers(smallest, largest)) for _ in range(3)], sitk.sitkFloat32)
    image.SetSpacing([draw(st.floats(*spacings_mm)) for _ in range(3)])
    image.SetOrigin([draw(st.floats(-300, 300)) for _ in range(3)])
    matrix = Rotation.from_euler("xyz", draw(angles), degrees=True).as_matrix()
    if draw(st.booleans()):
        matrix[:, 0] *= -1
    image.SetDirection(matrix.ravel().tolist())
    return image


def points_of(image):
    """Physical point (x, y, z) of each voxel as an array (z, y, x, 3)."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in image.GetSize()[::-1]], indexing="ij"), axis=-1)[..., ::-1]
    matrix = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    return index @ matrix.T + image.GetOrigin()


def filled(image, array):
    result = sitk.GetImageFromArray(array.astype(np.float32))
    result.CopyInformation(image)
    return result
