#!/usr/bin/env python3
"""Cut the middle slice across one axis out of a magnetic-resonance volume and write it as a PNG picture.

    slice.py x slice-x.png

The volume is the first one of the magnetic-resonance series that the nibabel package ships for its own tests.
"""

import sys
from pathlib import Path

import nibabel
import numpy
from PIL import Image

VOLUME = Path(nibabel.__file__).parent / "tests" / "data" / "example4d.nii.gz"
#: Pixels of the picture for one millimetre.
ZOOM = 2


def middle_slice(volume: numpy.ndarray, axis: str) -> numpy.ndarray:
    """Return the middle plane across the axis, grey values 0 to 255, head up."""
    number = "xyz".index(axis)
    plane = numpy.take(volume, volume.shape[number] // 2, axis=number).astype(float)
    low, high = plane.min(), plane.max()
    grey = (plane - low) * 255 / (high - low or 1)
    return numpy.rot90(grey.astype(numpy.uint8))


def picture_size(axis: str, voxels: tuple[int, int], zooms: numpy.ndarray) -> tuple[int, int]:
    """Width and height in pixels, so that a millimetre is as long in both directions."""
    across, up = (zoom for name, zoom in zip("xyz", zooms, strict=False) if name != axis)
    return round(voxels[0] * across * ZOOM), round(voxels[1] * up * ZOOM)


def main() -> None:
    axis, target = sys.argv[1], Path(sys.argv[2])
    scan = nibabel.Nifti1Image.from_filename(VOLUME)
    volume = scan.dataobj[..., 0]
    plane = middle_slice(volume, axis)
    picture = Image.fromarray(numpy.ascontiguousarray(plane))
    size = picture_size(axis, picture.size, scan.header["pixdim"][1:4])
    picture.resize(size, Image.Resampling.BICUBIC).save(target)
    print(f"{VOLUME.name} {'x'.join(map(str, volume.shape))}: slice across {axis} -> {target}")


if __name__ == "__main__":
    main()
