"""Why a recording scores as it does: the nearest normal clip, and which parts make the score.

A picture of it is PNG, SVG or PDF, drawn by matplotlib without a display.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asd.atomic import replacing
from asd.clips.audio import clip_at, read_windows
from asd.clips.scan import printable
from asd.detection.detector import Detector, Prediction
from asd.detection.occlusion import Grid, is_replaced, occluded
from asd.detection.reason import NormalLevels
from asd.detection.recording import Recording, read_sound
from asd.digest import sha256_json
from asd.errors import AsdError, JobError, UsageError
from asd.features import EXTRACTORS, Extractor, build_extractor
from asd.store import FeatureStore, Shard

_NORMAL = 64  # training clips tell what is normal
FORMATS = {"png": "Software", "svg": "Date", "pdf": "CreationDate"}
"""The formats of pictures, and what is left out of each, so that the same picture is the same."""

_LONGEST = 36  # characters of a name
_DPI = 150
_INK, _QUIET, _EDGE = "#1b2024", "#565e66", "#82898f"
_STYLE: Any = {
    "text.parse_math": False,  # a name may hold a dollar
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.edgecolor": _EDGE,
    "text.color": _INK,
    "axes.labelcolor": _QUIET,
    "xtick.color": _QUIET,
    "ytick.color": _QUIET,
}
_TICKS_HZ = (250, 500, 1000, 2000, 4000, 8000, 16000)


@dataclass(frozen=True, eq=False)
class Explanation:
    """What a picture shows.

    Attributes:
        prediction: of the recording.
        nearest: the name of the normal clip that it is compared with.
        nearest_score: the anomaly score of that clip against the same bank (which it is in).
        clip: (F, T) log-mel of the recording's window with the highest score.
        normal: (F, T) log-mel of the normal clip.
        drops: (Q, P) how much the score falls when a block is replaced by the normal clip's.
        grid: where the blocks lie.
        seconds: of the window.
        unit: of the log-mel, ``"dB"`` or ``"ln"``.
        passed_over: nearer normal clips whose recordings are gone.
    """

    prediction: Prediction
    nearest: str
    nearest_score: float
    clip: np.ndarray
    normal: np.ndarray
    drops: np.ndarray
    grid: Grid
    seconds: float
    unit: str
    passed_over: int

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Draw the two log-mels, their difference and the occlusion map, and return where.

        Args:
            path: the file to write, whole or not at all; its suffix says in which of
                :data:`FORMATS`.

        Raises:
            UsageError: another suffix.
            JobError: the file cannot be written.
        """
        _draw(self, Path(path), picture_format(Path(path)))
        return Path(path)


def picture_format(path: Path) -> str:
    """Return the format that a file's suffix says.

    Raises:
        UsageError: it is none of :data:`FORMATS`.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        known = ", ".join(f".{one}" for one in FORMATS)
        raise UsageError(f"{path}: a picture is one of {known}, by its suffix")
    return kind


def explain(detector: Detector, recording: Recording, section: str | None = None) -> Explanation:
    """Compare a recording with the nearest normal clip, part by part.

    The log-mel of the clip is divided into blocks; each is replaced by the same block of the normal
    clip, in all that the network reads (see :mod:`asd.detection.occlusion`), and what the score
    loses is the part's share in it. Of a long recording, the window with the highest score is
    explained. The normal clip's recording is looked for in the raw folder and then in the store; if
    both have lost it, the next nearest is taken.

    Raises:
        UsageError: the model reads only what a pre-trained model heard, or its clips have no
            neighbours.
        JobError: no training clip's recording is left.
    """
    embedder = detector.embedder
    view = _replaceable_view(detector)
    prediction = detector.predictions([recording], section)[0]
    start = round(prediction.start * detector.signal.sample_rate)
    wave = clip_at(recording.samples, start, detector.signal.length)[None]
    features = embedder.features(wave)
    order = detector.fitted.by_distance(embedder.outputs(features), prediction.section)
    if not len(order):
        raise UsageError(
            f"system {detector.system}: its model gives no embedding, so there is no nearest clip;"
            " choose a system with the scorer cosine"
        )
    passed_over, row, other, normal, sound = _nearest_kept(detector, view, order)
    waves = None if sound is None else (wave[0], sound[0])
    grid = Grid.over(view)
    return Explanation(
        prediction=prediction,
        nearest=detector.bank.clips.name[row],
        nearest_score=_score(detector, other, prediction.section)[0],
        clip=view(wave)[0].astype(np.float32),
        normal=normal.astype(np.float32),
        drops=_drops(detector, features, other, grid, prediction.section, waves),
        grid=grid,
        seconds=detector.signal.length / detector.signal.sample_rate,
        unit="dB" if view.config.log == "db" else "ln",
        passed_over=passed_over,
    )


def log_mel(detector: Detector) -> Extractor:
    """Return the extractor of the log-mel that sound is shown in: the model's, or the default."""
    own = [one for one in detector.embedder.extractors.values() if one.name == "logmel"]
    return own[0] if own else build_extractor(EXTRACTORS, "logmel", {}, detector.signal)


def normal_levels(detector: Detector, section: str, view: Extractor) -> NormalLevels | None:
    """Return what the log-mels of a section's training clips are like; None where none is left."""
    clips = _stored_log_mels(detector, section, view)
    if clips is None:
        waves = _waves(detector, section)
        if not waves:
            return None
        clips = view(np.concatenate(waves))
    return NormalLevels.of_log_mels(list(clips), view.config, view.signal.sample_rate)


def _stored_log_mels(detector: Detector, section: str, view: Extractor) -> np.ndarray | None:
    store = FeatureStore(detector.workspace.features)
    for folder in sorted((store.root / detector.machine).glob("*")):
        try:
            shard = Shard.open(store.path(detector.machine, folder.name, section, "train"))
        except AsdError:
            continue
        if shard.spec.digest == sha256_json(view.recipe) and len(shard):
            return np.array(shard.features[_some(len(shard))])
    return None


def _waves(detector: Detector, section: str) -> list[np.ndarray]:
    """Return some training clips (1, L) of a section, as far as their recordings are left."""
    contents = [detector.bank.clips.content[row] for row in detector.fitted.rows[section]]
    there = [
        one for one in contents if one in detector.kept_sounds or one in detector.training_clips
    ]
    waves = (clip_wave(detector, there[row]) for row in _some(len(there)))
    return [wave for wave in waves if wave is not None]


def _some(count: int) -> np.ndarray:
    return np.unique(np.linspace(0, max(count - 1, 0), min(count, _NORMAL)).astype(int))


def _replaceable_view(detector: Detector) -> Extractor:
    """Return the extractor of the log-mel to show, where parts of the sound can be replaced."""
    extractors = detector.embedder.extractors.values()
    if not any(is_replaced(extractor) for extractor in extractors):
        raise UsageError(
            f"system {detector.system}: its model reads what a pre-trained model heard alone, so no"
            " part of the sound can be replaced; choose a system whose model reads more"
        )
    return log_mel(detector)


def _nearest_kept(
    detector: Detector, view: Extractor, order: np.ndarray
) -> tuple[int, int, dict[str, np.ndarray], np.ndarray, np.ndarray | None]:
    """Return the nearest clip that is kept somewhere: how many are passed over, its row and sound.

    Args:
        order: the bank's rows, the nearest first.
    """
    for passed_over, row in enumerate(map(int, order)):
        found = _training_features(detector, view, row)
        if found is not None:
            return passed_over, row, *found
    workspace, section = detector.workspace, detector.bank.clips.section[int(order[0])]
    raise JobError(
        f"{workspace.raw}: no recording of a training clip of section {section} is there, and"
        f" {workspace.features} does not have them either; restore one of them"
    )


def _drops(
    detector: Detector,
    clip: dict[str, np.ndarray],
    other: dict[str, np.ndarray],
    grid: Grid,
    section: str,
    waves: tuple[np.ndarray, np.ndarray] | None,
) -> np.ndarray:
    """Return how much the score falls for each block (Q, P)."""
    before = _score(detector, clip, section)[0]
    extractors = detector.embedder.extractors
    rows = [
        before - _score(detector, occluded(extractors, clip, other, grid, band, waves), section)
        for band in range(grid.shape[0])
    ]
    return np.array(rows)


def _score(detector: Detector, features: dict[str, np.ndarray], section: str) -> np.ndarray:
    return detector.judge(detector.embedder.outputs(features), section)[0]


def _training_features(
    detector: Detector, view: Extractor, row: int
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray | None] | None:
    """Return what the models read of a row's clip, the log-mel to show, and its wave.

    Returns:
        Features (1, ...) by name, the log-mel (F, T) float16, and the wave (1, L) int16 where it is
        kept; None where neither the recording nor the store has them.
    """
    embedder = detector.embedder
    wave = clip_wave(detector, detector.bank.clips.content[row])
    if wave is not None:
        return embedder.features(wave), view(wave)[0], wave
    try:
        features = {
            name: _stored(detector, name, extractor, row)
            for name, extractor in embedder.extractors.items()
        }
    except (AsdError, ValueError):
        return None
    for name, extractor in embedder.extractors.items():
        if extractor.name == "wave":
            return features, view(features[name])[0], features[name]
        if extractor.recipe == view.recipe:
            return features, features[name][0], None
    return None


def clip_wave(detector: Detector, content: str) -> np.ndarray | None:
    """Read the clip (1, L) of the digest ``content``, if the index finds it, or the export has it.

    Returns:
        None where neither has.
    """
    try:
        if content in detector.kept_sounds:
            return read_sound(detector.kept_sounds[content])[None]
        clip = detector.training_clips[content]
        path = detector.workspace.raw / clip.path
        return read_windows(path, detector.signal, (clip.start,), clip.digest)
    except (AsdError, KeyError):
        return None


def _stored(detector: Detector, feature: str, extractor: Extractor, row: int) -> np.ndarray:
    """Read the row (1, ...) of a training clip from the store.

    Raises:
        AsdError, ValueError: it is not there.
    """
    clips, store = detector.bank.clips, FeatureStore(detector.workspace.features)
    shard = Shard.open(store.path(detector.machine, feature, clips.section[row], "train"))
    if shard.spec.digest != sha256_json(extractor.recipe):
        raise ValueError("another kind of the feature is stored")
    found = shard.row(clips.content[row])
    if found is None:
        raise ValueError("the clip is not stored")
    return found[None]


def _draw(found: Explanation, path: Path, kind: str) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    level = f"level ({found.unit})"
    low, high = np.percentile([found.clip, found.normal], [1, 99.8])
    difference = found.clip - found.normal
    reach = max(float(np.percentile(np.abs(difference), 99.5)), 1e-6)
    most = max(float(np.abs(found.drops).max()), 1e-12)
    with mpl.rc_context(_STYLE), replacing(path) as beside:
        figure = Figure(figsize=(10.0, 6.4), dpi=_DPI, layout="constrained")
        axes = figure.subplots(2, 2, sharex=True, sharey=True)
        panels = (
            (axes[0, 0], found.clip, f"This recording: {_short(found.prediction.name)}",
             "magma", low, high, level),
            (axes[0, 1], found.normal, f"Nearest normal clip: {_short(found.nearest)}",
             "magma", low, high, level),
            (axes[1, 0], difference, "Difference: this recording less the normal clip",
             "RdBu_r", -reach, reach, f"difference ({found.unit})"),
            (axes[1, 1], _spread(found), "What the score is made of",
             "PuOr_r", -most, most, "fall of the score when replaced"),
        )  # fmt: skip
        for ax, values, title, colours, least, largest, label in panels:
            image = ax.imshow(
                values, cmap=colours, vmin=least, vmax=largest, origin="lower", aspect="auto",
                interpolation="nearest", extent=(0, found.seconds, 0, len(values)),
            )  # fmt: skip
            ax.set_title(title)
            figure.colorbar(image, ax=ax, label=label, pad=0.02)
        for ax in axes[1]:
            ax.set_xlabel("time (s)")
        for ax in axes[:, 0]:
            ax.set_ylabel("frequency (kHz)")
        _frequency_ticks(axes[0, 0], found.grid.hertz)
        figure.suptitle(_headline(found), x=0.01, ha="left", fontsize=10.5)
        figure.savefig(beside, format=kind, metadata={FORMATS[kind]: None})


def _spread(found: Explanation) -> np.ndarray:
    """Return the map (F, T) with each block's fall in all of its bins."""
    grid = found.grid
    by_band = np.repeat(found.drops, np.diff(grid.bands), axis=0)
    return np.repeat(by_band, np.diff(grid.spans), axis=1)


def _frequency_ticks(ax: Any, hertz: np.ndarray) -> None:
    shown = [tick for tick in _TICKS_HZ if hertz[0] <= tick <= hertz[-1] * 1.05]
    ax.set_yticks(np.interp(shown, hertz, np.arange(len(hertz))))
    ax.set_yticklabels([f"{tick / 1000:g}" for tick in shown])


def _headline(found: Explanation) -> str:
    one = found.prediction
    verdict = "anomalous" if one.anomalous else "normal"
    line = (
        f"{verdict}: score {one.score:.4g}, threshold {one.threshold:.4g}, p {one.p_value:.2g},"
        f" section {one.section}"
    )
    if one.windows > 1:
        line += f"; the clip from {one.start:.1f} s of {one.windows} clips"
    if one.members:
        highest = [f"{name} {value:.1f}" for name, value in one.members.items()][:2]
        line += f"; highest {', '.join(highest)}"
    if found.passed_over:
        line += f"; {found.passed_over} nearer clips are not stored"
    return line


def _short(name: str) -> str:
    """Return the last part of a path, its middle left out if it is long."""
    name = printable(Path(name).name)
    if len(name) <= _LONGEST:
        return name
    half = (_LONGEST - 1) // 2
    return f"{name[:half]}…{name[-half:]}"
