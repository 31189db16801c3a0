"""Face and neck of the synthetic head: facial bones, sinuses, airway, teeth, orbits with the eyes, neck.

Anatomical millimetres as in `phantom_head`.
"""

from __future__ import annotations

import numpy as np

from globalmask.intake.phantom_canvas import Array, Canvas, capsule, ellipsoid, paint

EYES = {1: 2, -1: 3}
"""Side (+1 is the patient's left) to label."""
AIR_HU, ORBIT_FAT_HU, MUSCLE_HU = -995.0, -92.0, 58.0
JAW = ((50, -6, -36), (46, -10, -60), (44, -14, -76), (30, -52, -90), (12, -76, -93), (0, -79, -93))
HEIGHTS = (-67.0, -83.0, -100.0, -117.0, -134.0, -151.0)
"""Middle of the cervical vertebrae, from the atlas down."""


def draw_neck(canvas: Canvas, rng: np.random.Generator) -> None:
    """Cervical spine with its cord, muscles, vessels, hyoid and larynx."""
    for side in (-1, 1):
        canvas.tube([(side * 54, 26, -44), (side * 44, 4, -95), (side * 26, -22, -170)], (8, 10, 9), MUSCLE_HU)
        canvas.ellipsoid((side * 27, -2, -110), (11, 11, 70), -70.0)
        canvas.tube([(side * 24, -3, -50), (side * 26, -6, -170)], 3.8, 46.0)
        canvas.tube([(side * 32, 2, -50), (side * 34, -2, -170)], 5.5, 42.0)
        canvas.tube([(side * 14, 52, -62), (side * 16, 58, -170)], (14, 15), MUSCLE_HU + 2)
        canvas.tube([(side * 34, 44, -66), (side * 40, 48, -170)], (13, 15), MUSCLE_HU - 2)
        canvas.tube([(side * 38, -26, -84), (side * 26, -40, -98)], 8.0, 40.0)
    for number, height in enumerate(HEIGHTS):
        _vertebra(canvas, number, height)
    canvas.tube([(0, 9, -84), (0, 9, -62)], (5.5, 4.5), 800.0)
    canvas.tube([(0, 27, -72), (0, 30, -180)], 8.5, 8.0)
    canvas.tube([(0, 27, -72), (0, 30, -180)], 5.6, 36.0)
    arc = [(-16, -24, -104), (-10, -36, -106), (0, -40, -107), (10, -36, -106), (16, -24, -104)]
    canvas.tube(arc, 3.0, 420.0)
    for side in (-1, 1):
        canvas.tube([(side * 16, -22, -120), (0, -42, -124)], 2.6, 180.0)
        canvas.tube([(side * 15, -20, -132), (0, -40, -134)], 2.6, 160.0)


def _vertebra(canvas: Canvas, number: int, height: float) -> None:
    if number:
        canvas.ellipsoid((0, 10, height), (13.5, 10, 7.3), 650.0)
        canvas.ellipsoid((0, 10, height), (11.5, 8, 5.5), 290.0)
    else:
        canvas.tube([(-20, 12, height), (-8, 1, height), (8, 1, height), (20, 12, height)], 3.6, 780.0)
    for side in (-1, 1):
        canvas.ellipsoid((side * 19, 19, height), (7.5, 7.5, 7.0), 560.0)
        canvas.tube([(side * 18, 16, height), (side * 30, 14, height - 1)], (4, 3), 520.0)
        canvas.tube([(side * 17, 26, height), (side * 10, 37, height - 2), (0, 42, height - 4)], 3.2, 720.0)
    spine = 48 if number == 0 else 60 if number == 1 else 54 + 2.5 * number
    canvas.tube([(0, 42, height - 4), (0, spine, height - 7)], (3.6, 3.2), 650.0)


def draw_face(canvas: Canvas, rng: np.random.Generator, rough: Array) -> None:
    """Bones of the face, then the air in them, then the mouth."""
    bone = rng.uniform(800, 1000)
    _cheeks(canvas, bone)
    _mandible(canvas, rng)
    _temporal(canvas, rng, bone)
    _maxilla(canvas, bone)
    _mouth(canvas, rng)
    _airway(canvas, rng)
    _frontal(canvas, rng, bone)


def _cheeks(canvas: Canvas, bone: float) -> None:
    for side in (-1, 1):
        arch = [(side * x, y, z) for x, y, z in ((40, -70, -24), (53, -56, -25), (62, -34, -24), (63, -6, -22))]
        canvas.ellipsoid((side * 53, -24, -52), (8, 16, 28), MUSCLE_HU + 4)
        canvas.ellipsoid((side * 40, -50, -52), (8, 15, 15), -95.0)
        canvas.ellipsoid((side * 33, -22, -52), (9, 14, 20), MUSCLE_HU)
        canvas.tube(arch, (5, 5, 3, 3.4), bone)
        canvas.tube([(side * 24, -26, -28), (side * 20, -24, -56)], 3.0, bone * 0.7)


def _mandible(canvas: Canvas, rng: np.random.Generator) -> None:
    wide = rng.uniform(0.96, 1.04)
    for side in (-1, 1):
        path = [(side * x * wide, y, z) for x, y, z in JAW]
        canvas.tube(path, (5.5, 5, 6.5, 7.2, 7.5, 7.5), 1250.0)
        canvas.tube(path[2:], (3, 4, 4.3, 4.3), 320.0)


def _temporal(canvas: Canvas, rng: np.random.Generator, bone: float) -> None:
    """Mastoid with its cells, inner ear, ear canal."""
    phase = rng.uniform(0, 6.28, 3)
    for side in (-1, 1):
        canvas.ellipsoid((side * 54, 24, -38), (11, 15, 20), bone)
        at = canvas.region((side * 52 - 16, 2, -62), (side * 52 + 16, 44, -12))
        inside = ellipsoid(at, (side * 54, 24, -37), (8.5, 12.5, 17))
        u, v, w = (
            axis * np.float32(1.05) + np.float32(turn) for axis, turn in zip((at.x, at.y, at.z), phase, strict=True)
        )
        walls = np.sin(u) * np.cos(v) + np.sin(v) * np.cos(w) + np.sin(w) * np.cos(u)
        paint(at, np.maximum(inside, (walls - np.float32(0.35)) * 2), -820.0)
        canvas.ellipsoid((side * 36, 8, -26), (4, 5, 5), -900.0)
        canvas.tube([(side * 36, 8, -27), (side * 58, 8, -27), (side * 80, 9, -25)], (3, 3.2, 4.2), AIR_HU)
        canvas.tube([(side * 24, 7, -25), (side * 33, 8, -25)], 2.4, 20.0)


def _maxilla(canvas: Canvas, bone: float) -> None:
    for side in (-1, 1):
        canvas.ellipsoid((side * 28, -57, -42), (18.5, 20.5, 18.5), bone)
        canvas.tube([(side * 11, -84, -8), (side * 15, -78, -44)], (3, 4), bone)
    canvas.ellipsoid((0, -52, -56), (24, 30, 4), bone)
    canvas.tube([(0, -87, 8), (0, -91, -10)], (4, 2.5), bone)


def _frontal(canvas: Canvas, rng: np.random.Generator, bone: float) -> None:
    """Brow with the frontal sinuses (of very different size from one to the next)."""
    canvas.ellipsoid((0, -78, 17), (26, 9, 13), bone)
    for side in (-1, 1):
        size = rng.uniform(0.6, 1.15)
        canvas.ellipsoid((side * 9.5, -79.5, 18), (8.5 * size, 5, 10 * size), AIR_HU)


def _arch(count: int, width: float, front: float) -> list[tuple[float, float]]:
    """Positions of the teeth along the dental arch."""
    angles = np.deg2rad(np.linspace(-82, 82, count))
    return [(width * np.sin(t), -44 - (-front - 44) * np.cos(t) ** 0.8) for t in angles]


def _mouth(canvas: Canvas, rng: np.random.Generator) -> None:
    upper, lower = _arch(14, 26, -84), _arch(14, 24, -81)
    canvas.tube([(x, y, -59) for x, y in upper], 5.5, 560.0)
    canvas.tube([(x, y, -84) for x, y in lower], 5.5, 620.0)
    canvas.ellipsoid((0, -52, -74), (19, 27, 15), 62.0)
    canvas.ellipsoid((0, -50, -60.5), (15, 22, 2.2), -900.0)
    missing = rng.uniform(0, 0.3)
    for row, height, sign in ((upper, -68.0, 1), (lower, -75.0, -1)):
        for x, y in row:
            if rng.uniform() < missing:
                continue
            canvas.tube([(x, y, height + sign * 9), (x, y, height)], (2.2, 3.4), 1500.0)
            canvas.ellipsoid((x, y, height), (3.2, 3.2, 3.6), rng.uniform(1900, 2500))


def _airway(canvas: Canvas, rng: np.random.Generator) -> None:
    for side in (-1, 1):
        size = rng.uniform(0.92, 1.05)
        canvas.ellipsoid((side * 28, -57, -41), np.multiply((16, 18, 16), size), AIR_HU)
        canvas.ellipsoid((side * 7, -58, -36), (6, 30, 17), AIR_HU)
        canvas.tube([(side * 6, -84, -40), (side * 6.5, -97, -45)], (4, 3.4), AIR_HU)
        for height, radius in ((-45, 3.6), (-33, 2.6)):
            canvas.tube([(side * 9, -76, height), (side * 9, -40, height)], radius, 45.0)
        for y in (-68, -54, -41):
            canvas.ellipsoid((side * 7.5, y, -9), (7, 8, 13), 350.0)
            canvas.ellipsoid((side * 7.5, y, -9), (5.6, 6.2, 11), -960.0)
        canvas.ellipsoid((side * 8, -28, -13), np.multiply((8, 11, 9), size * 1.1), 420.0)
        canvas.ellipsoid((side * 7.5, -28, -13), np.multiply((6.5, 9.5, 8), size * 1.1), AIR_HU)
    canvas.tube([(0, -86, -36), (0, -32, -38)], (0.9, 0.9), 120.0)
    canvas.tube([(0, -34, -40), (0, -20, -50)], (9, 8), AIR_HU)
    canvas.tube(
        [(0, -20, -50), (0, -13, -74), (0, -13, -104), (0, -20, -122), (0, -21, -180)], (8, 6, 7, 7, 8.5), AIR_HU
    )
    canvas.tube([(0, -28, -54), (0, -21, -70)], (4, 3.5), 55.0)


def draw_eyes(canvas: Canvas, rng: np.random.Generator, *, head_size: float) -> None:
    """Both orbits: bony cone, fat, muscles, optic nerve, globe with its label.

    Eyes vary less than heads, so their radius is divided by the head's size.
    """
    radius, apart = rng.uniform(12.0, 12.7) / head_size, rng.normal(0, 1.2)
    height, depth = rng.normal(-8, 1.2), rng.normal(-62, 1.3)
    for side, label in EYES.items():
        centre = np.array((side * (32 + apart), depth, height)) + rng.normal(0, 0.5, 3)
        _orbit(canvas, side, centre)
        apex = np.array((side * 15.0, -24, height + 2))
        gaze = _gaze(rng)
        _globe(canvas, centre, apex, radius + rng.normal(0, 0.1), label, gaze)


def _gaze(rng: np.random.Generator) -> Array:
    """Unit vector of sight: forwards, a few degrees off."""
    gaze = np.array((rng.normal(0, 0.1), -1.0, rng.normal(0, 0.1)))
    return gaze / np.linalg.norm(gaze)


def _orbit(canvas: Canvas, side: int, centre: Array) -> None:
    apex, mouth = np.array((side * 15.0, -24, centre[2] + 2)), np.add(centre, (side, -8, 0))
    at = canvas.region(np.minimum(apex, mouth) - 26, np.maximum(apex, mouth) + 26)
    cone = capsule(at, mouth, apex, 17.5, 5.0)
    slope = np.float32(0.35 * side)
    rim = (centre[1] - 9) - at.y + slope * (at.x - np.float32(centre[0]))
    paint(at, np.maximum(cone - 2.8, rim), 880.0)
    paint(at, np.maximum(cone, (centre[1] - 9.5) - at.y), ORBIT_FAT_HU)


def _globe(canvas: Canvas, centre: Array, apex: Array, radius: float, label: int, gaze: Array) -> None:
    back = centre - gaze * radius
    for right, up in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        off = np.array((right, 0.0, up)) * (radius - 0.5)
        canvas.tube(
            [apex + 0.15 * off, 0.5 * (apex + centre) + off * 0.85, np.add(centre + off, (0, 2, 0))],
            (1.6, 2.4, 1.2),
            50.0,
        )
    canvas.ellipsoid(np.add(centre, (np.sign(centre[0]) * 11, -1, 11)), (5, 6, 4), 40.0)
    canvas.tube([apex, np.add(0.5 * (apex + back), (0, 0, -1.5)), back], 2.3, 36.0)
    canvas.ellipsoid(centre, [radius] * 3, 45.0, label=label)
    canvas.ellipsoid(centre + gaze * (radius - 4.5), [6.2] * 3, 25.0)
    canvas.ellipsoid(centre, [radius - 1.3] * 3, 12.0)
    canvas.ellipsoid(centre + gaze * (radius - 4.0), (4.6, 2.3, 4.6), 75.0)
