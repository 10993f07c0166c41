"""A project on disk as the verbs see it: found from below, its names checked, its clips read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asd.atomic import restore
from asd.clips.record import Clip, read_index
from asd.errors import UsageError, unknown_name
from asd.layout import PARAMS, ProjectLayout, find_root


@dataclass(frozen=True)
class Project(ProjectLayout):
    """The folder that holds ``pipeline/params.yaml``, with every path below it."""

    @classmethod
    def find(cls, start: Path | None = None) -> Project:
        """Return the project that ``start`` (default: the current folder) lies in.

        A checkpoint that a killed run had set aside is put back before anything reads it.

        Raises:
            UsageError: no folder above has a params file.
        """
        here = (start or Path.cwd()).resolve()
        root = find_root(here)
        if root is None:
            raise UsageError(f"{here}: no {PARAMS} here or above; run 'asd init demo' to write one")
        # Messages name files as the user sees them.
        project = cls(Path(os.path.relpath(root)))
        restore(project.ptm)
        return project

    def feature(self, name: str) -> dict[str, Any]:
        """Return a feature's settings, with the place of its weights as seen from here."""
        from asd.features.base import placement

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
