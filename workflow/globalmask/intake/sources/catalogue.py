"""The data sets that `globalmask import` knows: licence, citation, page, and how to get them.

Standard library only, so that the help is immediate. Every address and commit stands where it was read:
the data set's own page or repository. No checksum is given here that its publisher does not state.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType

from globalmask.errors import UserError


@dataclass(frozen=True)
class Source:
    """One kind of data; the module of the same name (with `_`) reads its files."""

    name: str
    title: str
    licence: str
    citation: str
    page: str
    get: str
    """How its files are had; the folder that then holds them is FROM."""
    structures: Mapping[str, int] = field(default_factory=dict)
    """Value of each structure in the labels; empty where the user names the structures."""
    ignored_values: tuple[int, ...] = ()
    options: frozenset[str] = frozenset()
    """Options of `globalmask import` that mean something here."""
    zenodo: tuple[str, str] | None = None
    """Record and file that `globalmask download` fetches; the record states the checksum."""

    @property
    def module(self) -> ModuleType:
        return importlib.import_module(f"globalmask.intake.sources.{self.name.replace('-', '_')}")


_OWN = "yours: nothing leaves this machine"

HEART_PARTS = ("myocardium", "left_atrium", "left_ventricle", "right_atrium", "right_ventricle")

ALL = (
    Source(
        name="dicom-rt",
        title="CT series with RTSTRUCT contours, as a treatment planning system exports them",
        licence=_OWN,
        citation="none",
        page="none",
        get="Export CT and RTSTRUCT of each patient into a folder of its own below FROM.",
        options=frozenset({"structures", "allow_missing"}),
    ),
    Source(
        name="mmwhs",
        title="MM-WHS, whole hearts on CT angiography (20 of its 60 CTs come with labels)",
        licence="for research, on the terms of its registration; not to be passed on",
        citation="Zhuang and Shen, Med Image Anal 31:77-87 (2016); Zhuang et al., Med Image Anal 58:101537 (2019)",
        page="http://www.sdspeople.fudan.edu.cn/zhuangxiahai/0/mmwhs/",
        get="Register on the page; unpack ct_train (ct_train_1001_image.nii.gz, ct_train_1001_label.nii.gz, …).",
        structures=dict(zip(HEART_PARTS, (205, 420, 500, 550, 600), strict=True))
        | {"aorta": 820, "pulmonary_artery": 850},
    ),
    Source(
        name="openkbp",
        title="OpenKBP, head-and-neck planning CTs with clinical contours",
        licence="MIT (c) 2021 Aaron Babier; the CTs come from The Cancer Imaging Archive",
        citation="Babier et al., Med Phys 48:5549-5561 (2021)",
        page="https://github.com/ababier/open-kbp",
        get="git clone https://github.com/ababier/open-kbp && "
        "git -C open-kbp checkout ce625e62f3b04203f22bd9d1634f3e8fb0245e46",
        structures={"brain_stem": 1},
        ignored_values=(2, 3, 4, 5, 6, 7),
    ),
    Source(
        name="tcia-deepmind",
        title="Head-and-neck planning CTs of TCIA with 21 organs at risk by two readers (DeepMind, UCLH)",
        licence="CC BY 4.0; the CTs are Head-Neck Cetuximab and TCGA-HNSC of The Cancer Imaging Archive",
        citation="Nikolov et al., arXiv:1809.04430 (2018)",
        page="https://github.com/google-deepmind/tcia-ct-scan-dataset",
        get="with Git LFS: git clone https://github.com/google-deepmind/tcia-ct-scan-dataset && "
        "git -C tcia-ct-scan-dataset checkout 2edb50947e50ef26e60b72dec89d36d71efe5549",
        structures={"brain_stem": 1, "left_eye": 2, "right_eye": 3},
        ignored_values=(4, 5, 6),
    ),
    Source(
        name="totalsegmentator",
        title="TotalSegmentator, version 1: 1204 CTs, one mask a structure (later versions have no heart chambers)",
        licence="CC BY 4.0",
        citation="Wasserthal et al., Radiol Artif Intell 5:e230024 (2023); doi:10.5281/zenodo.6802614",
        page="https://doi.org/10.5281/zenodo.6802614",
        get="globalmask download totalsegmentator FOLDER",
        options=frozenset({"structures"}),
        zenodo=("6802614", "Totalsegmentator_dataset.zip"),
    ),
    Source(
        name="imagecas-stacom",
        title="ImageCAS CT angiography with the whole-heart labels of STACOM 2025 (computed, not drawn by hand)",
        licence="labels MIT; CTs on the terms of ImageCAS (Kaggle, with an account)",
        citation="Hansen et al., A Public Cardiac CT Dataset Featuring the Left Atrial Appendage, STACOM 2025, "
        "arXiv:2510.06090; Zeng et al., Comput Med Imaging Graph 109:102287 (2023)",
        page="https://github.com/Bjonze/Public-Cardiac-CT-Dataset",
        get="Labels: ImageCAS-STACOM2025-02-10-2025.zip from the page; CTs: ImageCAS from "
        "https://www.kaggle.com/datasets/xiaoweixumedicalai/imagecas; unpack both below FROM.",
        structures={name: value for value, name in enumerate((*HEART_PARTS, "aorta", "pulmonary_artery"), 1)},
        ignored_values=(8, 9, 10),
    ),
    Source(
        name="folder",
        title="CTs and labels of your own, paired by their names",
        licence=_OWN,
        citation="none",
        page="none",
        get="Nothing to get: say how the files are called, for example "
        "--ct 'scans/{case}.nii.gz' --label 'contours/{case}_seg.nii.gz'.",
        options=frozenset({"ct", "label", "mask", "label2"}),
    ),
)
SOURCES = {source.name: source for source in ALL}


def source_of(name: str) -> Source:
    """The source of that name; UserError with the nearest one otherwise."""
    if name in SOURCES:
        return SOURCES[name]
    near = difflib.get_close_matches(name.lower(), SOURCES, n=1, cutoff=0.4)
    raise UserError(
        "Unknown source of data.",
        found=name,
        expected=", ".join(SOURCES),
        todo=f"Did you mean '{near[0]}'?" if near else None,
    )
