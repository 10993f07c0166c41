"""A project on disk: its params, and where each stage reads and writes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from asd.atomic import restore
from asd.clips.record import Clip, read_index
from asd.errors import UsageError, unknown_name
from asd.params import Params, load_params

PARAMS = Path("pipeline") / "params.yaml"
_CHECKPOINT = Path("data") / "checkpoints" / "ptm"


@dataclass(frozen=True)
class Project:
    """The folder that holds ``pipeline/params.yaml``, with every path below it.

    Attributes:
        root: the folder, as seen from the current one.
        seed: a seed of training other than that of the params (see :meth:`with_seed`).
    """

    root: Path
    seed: int | None = None

    @classmethod
    def find(cls, start: Path | None = None) -> Project:
        """Return the project that ``start`` (default: the current folder) lies in.

        A checkpoint that a killed run had set aside is put back before anything reads it.

        Raises:
            UsageError: no folder above has a params file.
        """
        here = (start or Path.cwd()).resolve()
        for folder in (here, *here.parents):
            if (folder / PARAMS).is_file():
                # Messages name files as the user sees them.
                project = cls(Path(os.path.relpath(folder)))
                restore(project.ptm)
                return project
        raise UsageError(f"{here}: no {PARAMS} here or above; run 'asd init demo' to write one")

    @cached_property
    def params(self) -> Params:
        """The checked parameters, with the project's own seed of training where it has one."""
        params = load_params(self.root / PARAMS)
        if self.seed is None:
            return params
        train = params.train.model_copy(update={"seed": self.seed})
        return params.model_copy(update={"train": train})

    def with_seed(self, seed: int) -> Project:
        """Return this project with another seed of training.

        It shares index, features and checkpoints; its models, banks, scores and reports lie in
        ``data/reports/seeds/<seed>``. The seed of the params is the project itself.
        """
        return self if seed == self.params.train.seed else Project(self.root, seed)

    @property
    def work(self) -> Path:
        """What depends on the seed of training."""
        if self.seed is None:
            return self.data
        return self.data / "reports" / "seeds" / str(self.seed)

    @property
    def data(self) -> Path:
        """Everything that stages read and write."""
        return self.root / "data"

    @property
    def raw(self) -> Path:
        """The folder of recordings, one folder a machine below it."""
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
        return self.root / _CHECKPOINT

    def feature(self, name: str) -> dict[str, Any]:
        """Return a feature's settings, with the place of its weights as seen from here."""
        from asd.features.placement import placement

        values = self.params.features[name]
        return {**values, **placement(self._extractor(name), values, self.root)}

    def reads_checkpoint(self, feature: str) -> bool:
        """Return whether a feature is computed with a fine-tuned checkpoint."""
        kind, values = self._extractor(feature), self.params.features[feature]
        base = self.root / str(values.get("base", ""))
        return "checkpoint" in kind.Config.model_fields or base.resolve() == self.ptm.resolve()

    def _extractor(self, feature: str) -> Any:
        from asd.features import EXTRACTORS

        return EXTRACTORS[str(self.params.features[feature].get("extractor", feature))]

    @property
    def reports(self) -> Path:
        """Metrics, tables, pictures and the report."""
        return self.work / "reports"

    def index_path(self, machine: str) -> Path:
        """Return a machine's index."""
        return self.data / "index" / f"{machine}.csv"

    def model_dir(self, model: str, machine: str) -> Path:
        """Return the folder of a trained model; a joint one has one folder for all machines."""
        return self.work / "models" / model / self.params.owner(model, machine)

    def bank_dir(self, model: str, machine: str) -> Path:
        """Return the folder of a model's banks."""
        return self.work / "banks" / model / machine

    def score_dir(self, system: str) -> Path:
        """Return the folder of a system's score files."""
        return self.work / "scores" / system

    def clips(self, machine: str) -> list[Clip]:
        """Read a machine's index."""
        return read_index(self.index_path(machine))

    def machines(self, chosen: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the chosen machines, or all of the data set if none is chosen."""
        return _choose("machine", chosen, self.params.dataset.machines)

    def models(self, chosen: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the chosen models, or all, those that are joint over all machines last."""
        return _choose("model", chosen, self.params.every_model)

    def systems(self, chosen: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the chosen systems and fusions, or all."""
        return _choose("system", chosen, self.params.every_system)

    def feature_names(self, chosen: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the chosen features, or all."""
        return _choose("feature", chosen, self.params.features)


def _choose(kind: str, chosen: Sequence[str], known: Iterable[str]) -> tuple[str, ...]:
    names = tuple(known)
    for name in chosen:
        if name not in names:
            raise unknown_name(kind, name, names)
    return tuple(dict.fromkeys(chosen)) or names
