"""A detector as one file that works anywhere: ``pump.asd``.

It is a zip of a small workspace: the params, the fitted detector with what was enrolled, its
models and their checkpoints, known faults, the working point, and the sound of the normal clips
that span the others, for :func:`asd.detection.explanation.explain`. One record vouches for all of
it. Nothing in it is pickled. Opened, it is unpacked into a folder of its own for as long as the
process lives, and loaded as any workspace.
"""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from asd.artifact import RECORD, Request, read_record, stamp_of, steady, write_record
from asd.atomic import refusals, replacing
from asd.errors import JobError, UsageError, one_line, unknown_name
from asd.training.artifact import WEIGHTS
from asd.workspace import PARAMS, Workspace

if TYPE_CHECKING:
    from asd.detection.detector import Detector

SOUNDS = "sounds"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same detector gives the same bytes
_NO_ZIP = (
    zipfile.BadZipFile, zlib.error, KeyError, OSError, RuntimeError, ValueError, EOFError,
)  # fmt: skip
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


class ExportRequest(Request):
    """What an exported detector is made of.

    Attributes:
        machine, system: which.
        scores: the digest of the scores that its detector was made with.
        models: by model, its digest.
        enrolment, faults, working_point: the digests of their records, ``""`` where there is none.
        sounds: how many normal clips are kept as sound.
    """

    kind: ClassVar[str] = "exported detector"
    verb: ClassVar[str] = "export"

    machine: str
    system: str
    scores: str
    models: dict[str, str]
    enrolment: str
    faults: str
    working_point: str
    sounds: int


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        path: the file.
        machine, system: of the detector.
        bytes: its size.
        sounds: how many normal clips are in it as sound.
        compared: how many clips got the same prediction from it as from the workspace.
    """

    path: Path
    machine: str
    system: str
    bytes: int
    sounds: int
    compared: int


def export(detector: Detector, path: Path, sounds: int = 20) -> Exported:
    """Write a detector as one file, and check that it predicts what it does.

    What was enrolled, learned or set since the detector was loaded is taken up.

    Args:
        detector: of a workspace.
        path: the file.
        sounds: how many normal clips a section are kept as sound.

    Raises:
        UsageError: a checkpoint has its weights as a pickle alone.
        JobError: the file cannot be written, or what it predicts differs.
    """
    return steady(lambda: _export(detector, path, sounds), detector.stamp)[0]


def _export(detector: Detector, path: Path, sounds: int) -> Exported:
    # Its record names what is in the file, which is what the workspace has now.
    if not detector.is_current:
        detector.reload()
    with tempfile.TemporaryDirectory(prefix="asd-export-") as name:
        root = Path(name)
        request, kept = _gather(detector, root, sounds)
        names = [one.relative_to(root).as_posix() for one in root.rglob("*") if one.is_file()]
        write_record(root / RECORD, request, names, {}, "numpy", "torch")
        with replacing(path) as beside:
            with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as file:
                for one in (RECORD, *sorted(names)):
                    entry, content = zipfile.ZipInfo(one, _EPOCH), (root / one).read_bytes()
                    file.writestr(entry, content, zipfile.ZIP_DEFLATED)
            compared = _compare(detector, beside, kept)
            if not detector.is_current:  # a part of it may be of before, and another of now
                raise JobError(
                    f"{detector.machine}: what decides was changed during the export; nothing is"
                    " written; export it again"
                )
    return Exported(
        path, detector.machine, detector.system, path.stat().st_size, len(kept), compared
    )


def chosen(path: Path, machine: str | None, system: str | None) -> tuple[Workspace, str, str]:
    """Return the workspace of an exported detector, its machine and its system.

    Args:
        path: the file.
        machine, system: what is asked for, if any is.

    Raises:
        UsageError: it is of another one.
        JobError: it is no exported detector, or is damaged.
    """
    where = path.resolve()
    workspace, own_machine, own_system = _opened(where, stamp_of((where,)))
    for kind, asked, own in (("machine", machine, own_machine), ("system", system, own_system)):
        if asked is not None and asked != own:
            raise UsageError(f"{path}: {unknown_name(kind, asked, [own])}")
    return workspace, own_machine, own_system


@cache
def _opened(path: Path, stamp: object) -> tuple[Workspace, str, str]:
    root = Path(tempfile.mkdtemp(prefix="asd-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)

    def unpack(file: zipfile.ZipFile, name: str) -> None:
        place = root / name
        with file.open(name) as source, _unpacking(root):
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("wb") as target:
                shutil.copyfileobj(source, target)

    try:
        with zipfile.ZipFile(path) as file:
            unpack(file, RECORD)
            record = read_record(root / RECORD, ExportRequest)
            for name in record.files:
                unpack(file, name)
        request = record.check().asked(ExportRequest)
    except _NO_ZIP as error:
        raise JobError(
            f"{path}: no whole exported detector ({one_line(error)}); export it again"
        ) from None
    except (JobError, UsageError) as error:
        raise JobError(f"{path}: {error}") from None
    return Workspace.at(root), request.machine, request.system


@contextmanager
def _unpacking(root: Path) -> Iterator[None]:
    """Say of the folder of temporary files that it cannot be written, where that is the reason."""
    try:
        with refusals(root):
            yield
    except JobError as error:
        raise JobError(
            f"cannot be unpacked: {error}; make room there, or set TMPDIR to another folder"
        ) from None


def _gather(detector: Detector, root: Path, sounds: int) -> tuple[ExportRequest, list[np.ndarray]]:
    """Copy all that the detector needs below a folder; return also the clips kept as sound."""
    from asd.detection.enroll import last_enrolment
    from asd.scoring.scored import read_scores_record

    space, machine, system = detector.workspace, detector.machine, detector.system
    scores = read_scores_record(space.score_record(system, machine))
    enrolled = last_enrolment(space, machine)
    if enrolled is not None and enrolled.request["scores"].get(system) != scores.digest:
        enrolled = None
    _copy(space, root, scores.path)
    if enrolled is None:
        _copy(space, root, scores.file(f"{machine}.h5"))
    else:
        _copy(space, root, enrolled.path)
        _copy(space, root, enrolled.file(f"{system}.h5"))
    for model in detector.models:
        record = space.model_record(model, machine)
        _copy(space, root, record)
        _copy(space, root, record.with_name(WEIGHTS))
    index = space.index_path(machine).with_suffix(".json")
    if index.exists():  # says what the training recordings are like
        _copy(space, root, index)
    digests = {"faults": "", "working_point": ""}
    for name, path in (
        ("faults", space.faults(machine) / RECORD),
        ("working_point", space.working_point(machine, system)),
    ):
        if path.exists():
            found = read_record(path).check()
            digests[name] = found.digest
            for file in (path.name, *found.files):
                _copy(space, root, path.with_name(file))
    places = _checkpoints(detector, root)
    (root / PARAMS).parent.mkdir(parents=True)
    (root / PARAMS).write_text(_params(space, machine, places), encoding="utf-8")
    kept = _sounds(detector, root, sounds)
    request = ExportRequest(
        machine=machine,
        system=system,
        scores=scores.digest,
        models=dict(detector.models),
        enrolment=enrolled.digest if enrolled else "",
        sounds=len(kept),
        **digests,
    )
    return request, kept


def _copy(workspace: Workspace, root: Path, file: Path) -> None:
    """Copy a file to where it lies in a workspace; what depends on a seed loses that place."""
    base = workspace.work if file.is_relative_to(workspace.work) else workspace.data
    place = root / "data" / file.relative_to(base)
    content = file.read_bytes()
    with refusals(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


def _checkpoints(detector: Detector, root: Path) -> dict[str, dict[str, str]]:
    """Copy the checkpoints that features read; return, by feature, where the params find them."""
    from asd.features.base import NetworkExtractor

    places = {}
    for name, extractor in detector.embedder.extractors.items():
        if not isinstance(extractor, NetworkExtractor):
            continue
        place = Path("data") / "checkpoints" / name
        (root / place).mkdir(parents=True)
        for file in sorted(extractor.folder.iterdir()):
            if file.is_file() and file.suffix not in _PICKLES:
                shutil.copyfile(file, root / place / file.name)
        if not any(one.suffix == ".safetensors" for one in (root / place).iterdir()):
            raise UsageError(
                f"{extractor.folder}: its weights are a pickle, which is never exported; save them"
                " as safetensors"
            )
        places[name] = {extractor.places[0]: place.as_posix()}
    return places


def _params(workspace: Workspace, machine: str, places: Mapping[str, Mapping[str, str]]) -> str:
    """Return the params of the small workspace, as JSON, which is YAML."""
    values = workspace.params.model_dump(mode="json")
    values["dataset"] |= {"machines": [machine], "raw": "data/raw"}
    for feature, place in places.items():
        values["features"][feature] |= place
    return json.dumps(values, indent=1)


def _sounds(detector: Detector, root: Path, most: int) -> list[np.ndarray]:
    """Keep the sound of normal clips (L,) of each section, those that span the others."""
    from asd.detection.explanation import clip_wave
    from asd.detection.recording import write_sound

    kept = []
    for rows in detector.fitted.rows.values():
        left = most
        for row in _spanning(detector, rows) if most else ():
            content = detector.bank.clips.content[row]
            wave = clip_wave(detector, content)
            if wave is None:
                continue
            left -= 1
            path = root / "data" / SOUNDS / f"{content}.flac"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_sound(path, wave[0], detector.signal.sample_rate)
            kept.append(wave[0])
            if not left:
                break
    return kept


def _spanning(detector: Detector, rows: np.ndarray) -> Iterator[int]:
    """Yield a section's rows, each the one that lies farthest from those before it."""
    fitted = detector.fitted
    if not fitted.comparing:
        yield from rows.tolist()
        return
    points = fitted.views[fitted.comparing[0]]["embedding"][rows].astype(np.float64)
    points = (points - points.mean(axis=0)) / (points.std(axis=0) + 1e-9)
    place = int((points**2).sum(axis=1).argmin())
    apart = np.full(len(points), np.inf)
    for _ in rows:
        yield int(rows[place])
        apart = np.minimum(apart, ((points - points[place]) ** 2).sum(axis=1))
        apart[place] = -1  # and stays below every distance
        place = int(apart.argmax())


def _compare(detector: Detector, path: Path, kept: list[np.ndarray]) -> int:
    """Check that a file predicts what the detector does, and return for how many clips.

    Raises:
        JobError: it does not.
    """
    from asd.detection.detector import Detector

    noise = np.random.default_rng(0).normal(
        scale=0.1, size=kept[0].shape if kept else (detector.signal.length,)
    )
    waves = [*kept, noise, (0.5 * noise).astype(np.float32)]
    twin = Detector(path, pooling=detector.pooling)
    for ours, theirs in zip(detector.predictions(waves), twin.predictions(waves), strict=True):
        for key in ("section", "score", "threshold", "p_value", "nearest", "fault"):
            if getattr(ours, key) != getattr(theirs, key):
                raise JobError(
                    f"the exported detector says otherwise: {key} {getattr(theirs, key)}, and not"
                    f" {getattr(ours, key)}; nothing is written"
                )
    return len(waves)
