"""False alarms of normal clips where 10 % are asked for, over many random splits.

Banks of 8 to 1,000 clips: synthetic ones (two views whose bands move together, some clips odder
than others as a whole), and where the genuine sets lie beside the repository those of the normal
clips of fans (features) and of fans and slide rails (modulation spectra), twelve units in which
training and test clips are shuffled. So it is measured whether thresholds hold for clips of the
same kind; how much other recordings differ from those of training is not. The price is the share of
anomalies that are found. Ours is the mean rate, the peers' costs are those of each size of bank.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from tests.benchmarks.base import Bound, Result

ASKED = 0.1
SIZES = (8, 30, 60, 120, 250, 500, 1000)
ENOUGH = 30
BOUNDS = (Bound("30 clips or more", at_least=1.5, aim=1.2, lower_is_better=True),)
SPLITS, AT_MOST = 2, 300
REAL = Path(__file__).resolve().parents[3] / "shared" / "real"

Unit = tuple[tuple[tuple[str, str], ...], Mapping[str, np.ndarray], Mapping[str, np.ndarray]]
"""Its members (view, scorer); the views (N, ...) of its normal clips, and of its anomalies."""


def run(scratch: Path) -> Result:
    """Draw banks from every unit, and count what the others are called."""
    found: dict[int, list[tuple[float, float]]] = {}
    for unit in (synthetic(), *genuine()):
        for size in SIZES:
            if size + 20 <= _count(unit[1]):
                found.setdefault(size, []).append(rates(unit, size))
    table = {size: np.mean(of, axis=0) for size, of in found.items()}
    alarms = {size: float(of[0]) for size, of in table.items()}
    listed = ", ".join(f"{size}: {of[0]:.3f}, {of[1]:.2f}" for size, of in table.items())
    return Result(
        name="coverage",
        work=f"10 % asked for, {SPLITS} splits of {max(map(len, found.values()))} units",
        unit="of normal clips",
        ours=float(np.mean(list(alarms.values()))),
        peers={f"{size} clips": rate for size, rate in alarms.items()},
        ratios={BOUNDS[0].peer: max(alarms[size] for size in alarms if size >= ENOUGH) / ASKED},
        bounds=BOUNDS,
        notes=f"clips in the bank, false alarms, anomalies found: {listed}",
    )


def rates(unit: Unit, size: int, splits: int = SPLITS) -> tuple[float, float]:
    """Return the mean shares of normal and anomalous clips above thresholds of banks of a size."""
    from asd.clip_table import ClipTable
    from asd.config import ScoreConfig
    from asd.scoring import build
    from asd.scoring.bank import Bank
    from asd.scoring.calibration import calibrations
    from asd.scoring.system import Member, fit_system

    views, normal, anomalous = unit
    members = [Member("views", view, build(scorer, {})) for view, scorer in views]
    names = [f"{number:04d}" for number in range(size)]
    clips = ClipTable.of_columns({"name": names, "recording": names, "section": ["00"] * size})
    draw, count = np.random.default_rng(size), _count(normal)
    odd = {view: values[:AT_MOST] for view, values in anomalous.items()}
    found = []
    for _ in range(splits):
        order = draw.permutation(count)
        train, test = order[:size], order[size : size + AT_MOST]
        arrays = {view: values[train] for view, values in normal.items()}
        bank = Bank(clips, np.zeros(size, np.int32), arrays)
        system = fit_system(members, {"views": bank}, "max")
        threshold = calibrations(system, ScoreConfig(false_alarm_rate=ASKED))["00"].threshold()
        new = {view: values[test] for view, values in normal.items()}
        scores = [system.score({"views": of}, ["00"] * _count(of)) for of in (new, odd)]
        found.append([np.mean(of > threshold.value) for of in scores])
    alarms, hits = np.mean(found, axis=0)
    return float(alarms), float(hits)


def synthetic(seed: int = 0, count: int = 1400) -> Unit:
    """Return two views of clips; in anomalies one band is louder."""
    draw = np.random.default_rng(seed)
    common = draw.normal(size=(count, 3)) @ draw.normal(size=(3, 24))
    odd = np.exp(0.3 * draw.normal(size=(count, 1)))
    first = (0.7 * common + draw.normal(size=(count, 24))) * odd
    first[-AT_MOST:, 5] += 4
    second = first + draw.gamma(2, 1, size=first.shape)
    views = {"first": first.astype(np.float32), "second": second.astype(np.float32)}
    members = (("first", "bands"), ("second", "bands"), ("first", "varmin"))
    return (
        members,
        {view: values[:-AT_MOST] for view, values in views.items()},
        {view: values[-AT_MOST:] for view, values in views.items()},
    )


def genuine() -> Iterator[Unit]:
    """Yield the genuine units that lie beside the repository."""
    import h5py

    for number in range(4):
        parts = [REAL / f"mimii_fan_shift/{part}/section_{number:02d}.npz" for part in _PARTS]
        if all(path.is_file() for path in parts):
            yield _fan(*(np.load(path) for path in parts))
    path = REAL / "dcase2020_modspec.h5"
    if not path.is_file():
        return
    with h5py.File(path) as file:
        for machine in ("fan", "slider"):
            for unit in file[machine].values():
                train, test = (np.log10(unit[part][()] + 1e-10) for part in _PARTS)
                odd = unit["label"][()].astype(bool)
                yield _split(
                    (("whole", "varmin"),),
                    {"whole": np.concatenate([train, test]).reshape(len(train) + len(test), -1)},
                    np.concatenate([np.zeros(len(train), bool), odd]),
                )


_PARTS = ("train", "test")


def _fan(train: np.lib.npyio.NpzFile, test: np.lib.npyio.NpzFile) -> Unit:
    """Return a fan's source domain, in which there are clips enough."""
    source = np.concatenate([["_source_" in name for name in of["names"]] for of in (train, test)])
    odd = np.concatenate([np.zeros(len(train["names"]), bool), test["y"].astype(bool)])
    values = np.concatenate([train["X"], test["X"]])
    columns = train["columns"].tolist()
    mean, deviation = (
        values[:, [columns.index(f"logmel_{kind}_band_{band}") for band in range(1, 65)]]
        for kind in ("mu", "std")
    )
    kept = source | odd
    views = {
        "mean": mean[kept],
        "level_free": (mean - mean.mean(axis=1, keepdims=True))[kept],
        "deviation": deviation[kept],
    }
    members = (*((view, "bands") for view in views), ("mean", "varmin"))
    return _split(members, views, odd[kept])


def _split(
    members: tuple[tuple[str, str], ...], views: Mapping[str, np.ndarray], odd: np.ndarray
) -> Unit:
    single = {view: values.astype(np.float32) for view, values in views.items()}
    return (
        members,
        {view: values[~odd] for view, values in single.items()},
        {view: values[odd] for view, values in single.items()},
    )


def _count(views: Mapping[str, np.ndarray]) -> int:
    return len(next(iter(views.values())))
