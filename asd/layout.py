"""Where everything of a project lies, below its folder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from asd.params import Params

PARAMS = Path("pipeline") / "params.yaml"


def find_root(start: Path) -> Path | None:
    """Return the folder of the project that ``start`` (an absolute path) lies in, if it does."""
    folders = (start, *start.parents)
    return next((folder for folder in folders if (folder / PARAMS).is_file()), None)


@dataclass(frozen=True)
class ProjectLayout:
    """The folder of a project, its params, and every path below it.

    Attributes:
        root: the folder that holds ``pipeline/params.yaml``, as seen from the current one.
        seed: a seed of training other than that of the params (see :meth:`with_seed`).
    """

    root: Path
    seed: int | None = None

    @cached_property
    def params(self) -> Params:
        """The checked parameters, with the project's own seed of training where it has one.

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
        """Return this project with another seed of training.

        It shares index, features and checkpoints; its models, banks, scores and reports lie in
        ``data/reports/seeds/<seed>``. The seed of the params is the project itself.
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
