"""What detection reads of a project's folder: its params and where its artifacts lie."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from asd.config import Params, SystemConfig, load_params
from asd.errors import UsageError, unknown_name

PARAMS = Path("pipeline") / "params.yaml"


@dataclass(frozen=True)
class Layout:
    """A project as detection sees it: one machine, from params to banks.

    Attributes:
        root: the project's folder.
        params: its params.
        machine: the machine type.
    """

    root: Path
    params: Params
    machine: str

    @classmethod
    def find(cls, folder: str | os.PathLike[str], machine: str) -> Layout:
        """Read the params of the project in ``folder``.

        Raises:
            UsageError: there is no project, or it has no such machine.
        """
        root = Path(folder)
        if not (root / PARAMS).is_file():
            raise UsageError(f"{root}: no {PARAMS} in it; give the folder of a project")
        params = load_params(root / PARAMS)
        if machine not in params.dataset.machines:
            raise unknown_name("machine", machine, params.dataset.machines)
        return cls(root, params, machine)

    @property
    def raw(self) -> Path:
        """The folder that the paths of the index begin at."""
        return self.root / self.params.dataset.raw

    @property
    def index(self) -> Path:
        """The machine's index."""
        return self.root / "data" / "index" / f"{self.machine}.csv"

    @property
    def features(self) -> Path:
        """The feature store."""
        return self.root / "data" / "features"

    def model(self, name: str) -> Path:
        """Return the folder of a trained model."""
        return self.root / "data" / "models" / name / self.machine

    def bank(self, model: str) -> Path:
        """Return the bank of a model's training clips."""
        return self.root / "data" / "banks" / model / self.machine / "train.h5"


def choose_system(systems: Mapping[str, SystemConfig], name: str | None) -> str:
    """Return the system ``name``, or where none is named, the one to use.

    That is the last system of the params with the scorer ``cosine``, the paper's distance to normal
    clips; where none has it, the only system.

    Raises:
        UsageError: an unknown name, or there is nothing to choose by.
    """
    if name is not None:
        if name not in systems:
            raise unknown_name("system", name, systems)
        return name
    cosine = [key for key, system in systems.items() if system.scorer == "cosine"]
    if cosine:
        return cosine[-1]
    if len(systems) == 1:
        return next(iter(systems))
    raise UsageError(
        f"no system has the scorer cosine: choose one with --system; known: {', '.join(systems)}"
    )
