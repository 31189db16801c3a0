"""The synthetic cardiac CT: heart chambers and great vessels in contrast (labelled as in MM-WHS).

Anatomical millimetres: origin in the middle of the heart, x left, y back, z up. The chest that
surrounds the heart is drawn by `phantom_chest`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from globalmask.intake.phantom_canvas import (
    Array,
    Canvas,
    Point,
    Pose,
    Region,
    ellipsoid,
    paint,
    rotation,
    smooth_union,
    streaks,
)
from globalmask.intake.phantom_chest import draw_chest, draw_lung_vessels

LV, RV, LA, RA, MYO, AORTA, PULMONARY = 500, 600, 420, 550, 205, 820, 850
APEX_WARD = np.array([0.68, -0.52, -0.52]) / np.linalg.norm([0.68, -0.52, -0.52])
FAT_HU = -90.0


@dataclass(frozen=True)
class Heart:
    """One patient's heart: sizes in mm, blood and muscle in HU, and its turn within the chest."""

    turn: Array
    lv_length: float
    lv_radius: float
    wall: float
    rv_size: float
    la_size: float
    ra_size: float
    aorta_radius: float
    pulmonary_radius: float
    left_hu: float
    right_hu: float
    lung_artery_hu: float
    muscle_hu: float

    def at(self, *points: Point) -> list[Array]:
        """Points of the standard heart, turned with this patient's heart."""
        return [self.turn @ np.asarray(point, float) for point in points]

    @property
    def axes(self) -> Array:
        """Rows: towards the apex, towards the septum (right and front), and their normal (down)."""
        septal = np.array([-0.62, -0.78, 0.0])
        septal -= septal @ APEX_WARD * APEX_WARD
        septal /= np.linalg.norm(septal)
        return np.stack([APEX_WARD, septal, np.cross(APEX_WARD, septal)]) @ self.turn.T


def draw_heart(rng: np.random.Generator) -> Canvas:
    """Draw one synthetic chest with its labelled heart; every choice comes from `rng`."""
    in_plane = rng.uniform(1.5, 1.75)
    spacing = (rng.uniform(1.8, 2.6), in_plane, in_plane)
    shape = tuple(int(round(mm / step)) for mm, step in zip((226, 336, 336), spacing, strict=True))
    turn = rng.normal(0, 2.0, 3)
    position = (10 + rng.normal(0, 6), -22 + rng.normal(0, 6), -10 + rng.normal(0, 2.5))
    size = rng.normal(1.0, 0.035) * rng.normal(1.0, 0.02, 3)
    pose = Pose(rotation(turn), position, np.clip(size, 0.92, 1.07), 3.2, 55.0)
    canvas = Canvas(shape, spacing, pose=pose, rng=rng)
    heart = _sample(rng)
    outline = _outline(canvas.everything(), heart)
    draw_chest(canvas, rng, pose, heart=outline)
    _lung_trees(canvas, rng, heart)
    _pericardium(canvas, outline)
    _right_heart(canvas, heart)
    _left_heart(canvas, heart)
    _great_vessels(canvas, heart)
    _coronaries(canvas, heart)
    for height in rng.uniform(30, 105, 3):
        streaks(canvas, rng, pose, (-40, -6, height), strength=float(heart.right_hu) * 1.6)
    return canvas


def _sample(rng: np.random.Generator) -> Heart:
    return Heart(
        turn=rotation(np.clip(rng.normal(0, 5.0, 3), -9, 9)),
        lv_length=rng.uniform(60, 72),
        lv_radius=rng.uniform(21.5, 27),
        wall=rng.uniform(8.5, 12),
        rv_size=rng.uniform(0.9, 1.08),
        la_size=rng.uniform(0.86, 1.06),
        ra_size=rng.uniform(0.88, 1.1),
        aorta_radius=rng.uniform(13, 16.5),
        pulmonary_radius=rng.uniform(11.5, 14),
        left_hu=rng.uniform(310, 400),
        right_hu=rng.uniform(130, 200),
        lung_artery_hu=rng.uniform(170, 260),
        muscle_hu=rng.uniform(85, 115),
    )


def _outline(at: Region, heart: Heart) -> Array:
    """Distance (mm) to the surface of all four chambers together."""
    axes, (base, right, left) = heart.axes, heart.at((8, 8, 2), (-42, 6, -2), (-2, 29, 18))
    wide = heart.lv_radius + heart.wall
    ventricle = ellipsoid(at, base + 10 * axes[0], (heart.lv_length + heart.wall, wide, wide), axes=axes)
    rv = np.multiply((50, 29, 36), heart.rv_size) + 3
    front = ellipsoid(at, base + 27 * axes[0] + 30 * axes[1], rv, axes=axes)
    whole = smooth_union(ventricle, front, 16)
    whole = smooth_union(whole, ellipsoid(at, right, np.multiply((28, 30, 35), heart.ra_size)), 14)
    return smooth_union(whole, ellipsoid(at, left, np.multiply((33, 23, 27), heart.la_size)), 14)


def _pericardium(canvas: Canvas, outline: Array) -> None:
    """Epicardial fat under a thin sac."""
    at = canvas.everything()
    paint(at, outline - np.float32(6.5), 35.0)
    paint(at, outline - np.float32(5.2), FAT_HU)


def _lung_trees(canvas: Canvas, rng: np.random.Generator, heart: Heart) -> None:
    """Arteries and veins of both lungs, each from the end of its branch at the hilum."""
    ends: tuple[tuple[Point, Point, float], ...] = (
        ((52, 24, 56), (78, 20, 92), 5.0), ((50, 30, 50), (70, 62, -20), 6.0), ((52, 22, 50), (90, -10, 30), 4.0),
        ((-44, 12, 50), (-80, 0, 90), 5.0), ((-46, 20, 44), (-70, 56, -20), 6.0), ((-50, 10, 40), (-96, -20, 20), 4.4),
        ((54, 18, 58), (70, 40, 110), 4.0), ((54, 24, 52), (110, 30, 40), 4.0), ((56, 34, 40), (80, 10, -30), 4.2),
        ((-48, 12, 52), (-66, 40, 110), 4.0), ((-50, 14, 46), (-120, 40, 40), 4.0),
        ((-52, 22, 36), (-80, -6, -30), 4.2),
        ((60, 44, 40), (86, 40, 66), 3.6), ((58, 54, -8), (92, 66, -30), 3.8),
        ((-62, 32, 36), (-92, 26, 60), 3.6), ((-62, 52, -10), (-96, 66, -30), 3.8),
    )  # fmt: skip
    roots: list[tuple[Point, Point, float]] = []
    for start, towards, radius in ends:
        begin, aim = heart.at(start, towards)
        roots.append((begin, aim, radius))
    draw_lung_vessels(canvas, rng, roots)


def _right_heart(canvas: Canvas, heart: Heart) -> None:
    rv, axes = heart.rv_size, heart.axes
    (base, atrium, inflow) = heart.at((8, 8, 2), (-42, 6, -2), (-24, -14, -8))
    centre = base + 27 * axes[0] + 30 * axes[1]
    radii = (50 * rv, 29 * rv, 36 * rv)
    canvas.ellipsoid(centre, np.add(radii, 3), heart.muscle_hu, axes=axes)
    outflow = heart.at((20, -40, 6), (12, -46, 27))
    canvas.tube(outflow, (20, 16), heart.muscle_hu)
    canvas.ellipsoid(atrium, np.multiply((26, 28, 33), heart.ra_size) + 2, heart.muscle_hu)
    canvas.ellipsoid(centre, radii, heart.right_hu, axes=axes, label=RV)
    canvas.tube(outflow, (17, 13.5), heart.right_hu, label=RV)
    canvas.ellipsoid(inflow, (16, 16, 18), heart.right_hu, label=RV)
    canvas.ellipsoid(atrium, np.multiply((26, 28, 33), heart.ra_size), heart.right_hu - 8, label=RA)
    (upper, top, lower, bottom) = heart.at((-39, -4, 30), (-42, -6, 130), (-36, 18, -34), (-30, 30, -120))
    canvas.tube([upper, top], (9.5, 8.5), heart.right_hu + 60)
    canvas.tube([lower, bottom], (12, 12), heart.right_hu - 40)


def _left_heart(canvas: Canvas, heart: Heart) -> None:
    axes, (base, atrium) = heart.axes, heart.at((8, 8, 2), (-2, 29, 18))
    centre = base + 10 * axes[0]
    inner = np.array([heart.lv_length, heart.lv_radius, heart.lv_radius])
    outer = inner + np.array([heart.wall * 0.8, heart.wall, heart.wall])
    at = canvas.region(centre - outer.max(), centre + outer.max())
    along = sum(np.float32(axes[0][i]) * (axis - np.float32(base[i])) for i, axis in enumerate((at.x, at.y, at.z)))
    wall = np.maximum(ellipsoid(at, centre, outer, axes=axes), -along)
    paint(at, wall, heart.muscle_hu, label=MYO)
    radii = np.multiply((31, 21, 25), heart.la_size)
    _atrium(canvas, heart, atrium, radii)
    cavity = np.maximum(ellipsoid(at, centre, inner, axes=axes), -along - 2)
    paint(at, cavity, heart.left_hu, label=LV)
    for side, height in ((0.6, 0.45), (-0.35, 0.75)):
        root = base + 50 * axes[0] + heart.lv_radius * (height * axes[2] - side * axes[1]) * 0.8
        tip = base + 24 * axes[0] + heart.lv_radius * (height * axes[2] - side * axes[1]) * 0.5
        canvas.tube([root, tip], (4.5, 2.5), heart.muscle_hu)


def _atrium(canvas: Canvas, heart: Heart, centre: Array, radii: Array) -> None:
    """Left atrium with its four veins (labelled for their first centimetre) and its appendage."""
    veins = (
        ((20, 32, 28), (38, 38, 32), (66, 46, 44)),
        ((20, 38, 8), (36, 46, 4), (64, 58, -12)),
        ((-24, 28, 26), (-40, 28, 28), (-70, 34, 38)),
        ((-22, 36, 6), (-38, 44, 2), (-68, 56, -14)),
    )
    for path in veins:
        canvas.tube(heart.at(*path), (7.5, 6.5, 4), heart.left_hu - 10)
    canvas.ellipsoid(centre, radii + 2, heart.muscle_hu)
    for path in veins:
        canvas.tube(heart.at(*path[:2]), (7.5, 6.5), heart.left_hu - 10, label=LA)
    canvas.tube(heart.at((22, 16, 24), (38, -2, 30), (34, -16, 30)), (9, 8, 5), heart.left_hu - 25, label=LA)
    canvas.ellipsoid(centre, radii, heart.left_hu - 5, label=LA)


def _great_vessels(canvas: Canvas, heart: Heart) -> None:
    wide, narrow = heart.aorta_radius, heart.pulmonary_radius
    trunk = heart.at((11, -46, 28), (15, -38, 44), (15, -18, 57))
    left = heart.at((15, -18, 57), (34, 8, 61), (54, 26, 55))
    right = heart.at((14, -14, 56), (-10, 9, 55), (-46, 12, 50))
    for path, sizes in ((trunk, (1.1, 1.1, 1.0)), (left, (0.95, 0.8, 0.65)), (right, (0.95, 0.78, 0.65))):
        canvas.tube(path, [narrow * size for size in sizes], heart.lung_artery_hu, label=PULMONARY)
    rise = heart.at((1, -8, 14), (-8, -17, 36), (-15, -20, 60), (-13, -13, 73), (-4, 0, 80))
    arch: list[Point] = [rise[-1], *heart.at((7, 18, 80)), (14, 34, 74), (18, 46, 58)]
    down: list[Point] = [arch[-1], (17, 51, 20), (15, 53, -20), (12, 54, -70), (8, 55, -140)]
    canvas.tube(arch, [wide * 0.92, wide * 0.9, wide * 0.86, wide * 0.82], heart.left_hu - 10)
    canvas.tube(down, wide * 0.8, heart.left_hu - 15)
    for root, tip in (((-6, -4, 88), (-26, -6, 140)), ((2, 8, 90), (8, 8, 140)), ((9, 20, 88), (22, 26, 140))):
        canvas.tube([root, tip], (5.5, 4.5), heart.left_hu - 20)
    widths = [wide * 1.1, wide, wide, wide * 0.97, wide * 0.94]
    canvas.tube(rise, widths, heart.left_hu, label=AORTA)


def _coronaries(canvas: Canvas, heart: Heart) -> None:
    axes, (base,) = heart.axes, heart.at((8, 8, 2))
    reach = heart.lv_radius + heart.wall + 3
    groove = [
        base + step * axes[0] + reach * width * (0.35 * axes[1] - 0.94 * axes[2])
        for step, width in ((0, 1.05), (20, 1.05), (40, 0.95), (58, 0.75))
    ]
    canvas.tube([*heart.at((6, -8, 22)), *groove], (2.2, 2.1, 1.9, 1.6, 1.3), heart.left_hu - 10)
    right = heart.at((-8, -22, 20), (-26, -36, 10), (-38, -30, -12), (-36, -12, -32), (-12, 6, -42))
    canvas.tube(right, (2.2, 2.2, 2, 1.8, 1.5), heart.left_hu - 10)
