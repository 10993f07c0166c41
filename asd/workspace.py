"""A workspace: the folder that holds ``pipeline/params.yaml``, and where everything below it lies.

========================================  ======================================================
``data/index/<machine>.csv``              the clips; their record is ``<machine>.json``
``data/checkpoints/ptm/``                 the fine-tuned checkpoint
``data/features/<machine>/<feature>/``    the shards of the store
``data/models/<model>/<machine>/``        weights and history; a joint model has one folder, ``all``
``data/banks/<model>/<machine>/``         outputs of the model for training and test clips
``data/scores/<system>/<machine>.csv``    scores and decisions; ``.h5`` is the fitted detector
``data/reports/``                         figures, tables, the page; ``seeds/<N>/`` as ``data/``
``data/enrolled/<machine>/<NNNN>/``       detectors with enrolled recordings
``data/faults/<machine>/``                the sound of known faults
``data/thresholds/<machine>/<system>``    a working point (``.json``) other than that of the params
========================================  ======================================================

Each of these artifacts but the shards has a record (:mod:`asd.artifact`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from asd.atomic import restore
from asd.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from asd.params import Params

PARAMS = Path("pipeline") / "params.yaml"
RECORD = "record.json"
"""The name of the record of an artifact that is a folder of its own."""


def find_root(start: Path) -> Path | None:
    """Return the folder of the workspace that ``start`` (an absolute path) lies in, if it does."""
    folders = (start, *start.parents)
    return next((folder for folder in folders if (folder / PARAMS).is_file()), None)


def current_folder() -> Path:
    """Return the current folder.

    Raises:
        UsageError: it was removed.
    """
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise UsageError("the current folder is not there any more; change to another") from None


@dataclass(frozen=True)
class Workspace:
    """A workspace, its params, and every path below it.

    Attributes:
        root: the folder that holds ``pipeline/params.yaml``, as seen from the current one.
        seed: a seed of training other than that of the params (see :meth:`with_seed`).
    """

    root: Path
    seed: int | None = None

    @classmethod
    def find(cls, start: Path | None = None) -> Self:
        """Return the workspace that ``start`` (default: the current folder) lies in.

        A checkpoint that a killed run had set aside is put back before anything reads it.

        Raises:
            UsageError: no folder above has a params file.
        """
        here = (start or current_folder()).resolve()
        root = find_root(here)
        if root is None:
            raise UsageError(
                f"{here}: no {PARAMS} here or above; run 'asd init folder --raw DIR' for your"
                " recordings, or 'asd init demo' to write one"
            )
        # Messages name files as the user sees them.
        return cls.at(os.path.relpath(root))

    @classmethod
    def at(cls, folder: str | os.PathLike[str]) -> Self:
        """Return the workspace in ``folder`` itself.

        Raises:
            UsageError: it has no params file; or a link in the place of its data leads nowhere.
        """
        workspace = cls(Path(folder))
        if not (workspace.root / PARAMS).is_file():
            raise UsageError(f"{workspace.root}: no {PARAMS} in it; give the folder of a workspace")
        for path in (workspace.data, *workspace.data.glob("*")):
            # Recordings that are not there stop no detector.
            if path.name != "raw" and path.is_symlink() and not path.exists():
                raise UsageError(
                    f"{path}: links to {path.readlink()}, which is not there; mount its disk, or"
                    " remove the link"
                )
        restore(workspace.ptm)
        return workspace

    @cached_property
    def params(self) -> Params:
        """The checked parameters, with the workspace's own seed of training where it has one.

        Raises:
            UsageError: the file is missing or wrong.
        """
        from asd.params import load_params

        params = load_params(self.root / PARAMS)
        if self.seed is None:
            return params
        train = params.train.model_copy(update={"seed": self.seed})
        return params.model_copy(update={"train": train})

    def with_seed(self, seed: int) -> Self:
        """Return this workspace with another seed of training.

        It shares index, features and checkpoints; its models, banks, scores and reports lie in
        ``data/reports/seeds/<seed>``. The seed of the params is the workspace itself.
        """
        return self if seed == self.params.train.seed else replace(self, seed=seed)

    @property
    def data(self) -> Path:
        """Everything that stages read and write."""
        return self.root / "data"

    @property
    def work(self) -> Path:
        """What depends on the seed of training."""
        if self.seed is None:
            return self.data
        return self.data / "reports" / "seeds" / str(self.seed)

    @property
    def raw(self) -> Path:
        """The folder of recordings, one folder a machine below it; paths of an index begin here."""
        return self.root / self.params.dataset.raw

    @property
    def features(self) -> Path:
        """The feature store."""
        return self.data / "features"

    @property
    def checkpoints(self) -> Path:
        """Fine-tuned checkpoints, and the states that interrupted training goes on from."""
        return self.data / "checkpoints"

    @property
    def ptm(self) -> Path:
        """The fine-tuned checkpoint that features read where they name no other."""
        return self.checkpoints / "ptm"

    @property
    def reports(self) -> Path:
        """Metrics, tables, pictures and the report."""
        return self.work / "reports"

    def index_path(self, machine: str) -> Path:
        """Return a machine's index, a CSV table; its record lies beside it (``.json``)."""
        return self.data / "index" / f"{machine}.csv"

    def state_path(self, model: str, machine: str) -> Path:
        """Return where the state of a training that was interrupted is kept."""
        seed = "" if self.seed is None else f"_seed_{self.seed}"
        owner = self.params.owner(model, machine)
        return self.checkpoints / "train" / model / f"{owner}{seed}.safetensors"

    def model_record(self, model: str, machine: str) -> Path:
        """Return the record of a trained model; a joint one has one for all machines."""
        return self.work / "models" / model / self.params.owner(model, machine) / RECORD

    def bank_record(self, model: str, machine: str) -> Path:
        """Return the record of a model's banks."""
        return self.work / "banks" / model / machine / RECORD

    def score_record(self, system: str, machine: str) -> Path:
        """Return the record of a system's scores and detector of a machine."""
        return self.work / "scores" / system / f"{machine}.json"

    def enrolled(self, machine: str) -> Path:
        """Return the folder of a machine's enrolments."""
        return self.data / "enrolled" / machine

    def faults(self, machine: str) -> Path:
        """Return the folder of a machine's known faults."""
        return self.data / "faults" / machine

    def working_point(self, machine: str, system: str) -> Path:
        """Return the record of the working point of a system and machine."""
        return self.data / "thresholds" / machine / f"{system}.json"

    def machines(self, chosen: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the chosen machines, or all of the data set if none is chosen."""
        return _choose("machine", chosen, self.params.dataset.machines)

    def machine(self, chosen: str | None = None) -> str:
        """Return the machine that is meant: the given one, or the only one of the data set.

        Raises:
            UsageError: an unknown machine, or none is given and there are several.
        """
        machines = self.machines((chosen,) if chosen else ())
        if len(machines) > 1:
            raise UsageError(f"--machine: say which one; known: {', '.join(machines)}")
        return machines[0]

    def models(self, chosen: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the chosen models, or all, those that are joint over all machines last."""
        return _choose("model", chosen, self.params.every_model)

    def systems(self, chosen: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the chosen systems and fusions, or all."""
        return _choose("system", chosen, self.params.every_system)

    def feature_names(self, chosen: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the chosen features, or all."""
        return _choose("feature", chosen, self.params.features)

    @property
    def made_earlier(self) -> str:
        """Say so if what lies here was made by a version without records; ``""`` otherwise."""
        old = ("models/*/*/model.json", "scores/*/threshold_*.json", "features/*/inputs_*.json")
        if not any(next(self.data.glob(pattern), None) for pattern in old):
            return ""
        return f"{self.data} was made by an earlier version of asd; 'dvc repro' makes it anew"


def _choose(kind: str, chosen: Sequence[str], known: Iterable[str]) -> tuple[str, ...]:
    names = tuple(known)
    for name in chosen:
        if name not in names:
            raise unknown_name(kind, name, names)
    return tuple(dict.fromkeys(chosen)) or names
