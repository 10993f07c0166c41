"""What detection reads of a project's folder: its params and where its artifacts lie."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from asd.config import SELECTED, SystemConfig, settings
from asd.errors import UsageError, unknown_name
from asd.layout import PARAMS, ProjectLayout
from asd.params import Params
from asd.scoring.thresholds import read_provenance


@dataclass(frozen=True, kw_only=True)
class Layout(ProjectLayout):
    """A project as detection sees it: one machine, from params to banks.

    Attributes:
        machine: the machine type.
    """

    machine: str

    @classmethod
    def find(cls, folder: str | os.PathLike[str], machine: str) -> Layout:
        """Read the params of the project in ``folder``.

        Raises:
            UsageError: there is no project, or it has no such machine.
        """
        layout = cls(Path(folder), machine=machine)
        if not (layout.root / PARAMS).is_file():
            raise UsageError(f"{layout.root}: no {PARAMS} in it; give the folder of a project")
        machines = layout.params.dataset.machines
        if machine not in machines:
            raise unknown_name("machine", machine, machines)
        return layout

    @property
    def index(self) -> Path:
        """The machine's index."""
        return self.index_path(self.machine)

    def model(self, name: str) -> Path:
        """Return the folder of a trained model."""
        return self.model_dir(name, self.machine)

    def bank(self, model: str) -> Path:
        """Return the bank of a model's training clips."""
        return self.bank_dir(model, self.machine) / "train.h5"

    def members(self, system: str) -> tuple[SystemConfig, ...]:
        """Return what a system is made of on this machine.

        Raises:
            UsageError: it is to be selected, and that has not been done.
            JobError: the file that says what was selected is damaged.
        """
        members = self.params.members(system, self.machine)
        if members:
            return members
        path = self.score_dir(system) / f"threshold_{self.machine}.json"
        if not path.exists():
            raise UsageError(
                f"{path}: what '{system}' is made of is not chosen yet; run 'asd score --system"
                f" {system}', or 'asd select'"
            )
        chosen = read_provenance(path).get("system", {}).get("members", ())
        where = f"{path}: members"
        return tuple(settings(SystemConfig, one, where) for one in chosen)


def choose_system(params: Params, name: str | None) -> str:
    """Return the system ``name``, or where none is named, the one to use.

    That is the fusion :data:`SELECTED`, whose members are chosen for each machine; else the last
    system with the scorer ``cosine``, the paper's distance to normal clips; else the only system.

    Raises:
        UsageError: an unknown name, or there is nothing to choose by.
    """
    names = params.every_system
    if name is not None:
        if name not in names:
            raise unknown_name("system", name, names)
        return name
    if SELECTED in params.fusions:
        return SELECTED
    cosine = [key for key, system in params.systems.items() if system.scorer == "cosine"]
    if cosine:
        return cosine[-1]
    if len(names) == 1:
        return names[0]
    raise UsageError(
        f"no system has the scorer cosine: choose one with --system; known: {', '.join(names)}"
    )
