"""The folder of a feature store: which shard lies where, and which model reads which shards."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from asd.errors import JobError, UsageError
from asd.store.atomic import replacing
from asd.store.digest import canonical_json
from asd.store.shard import Shard


@dataclass(frozen=True)
class FeatureStore:
    """A folder of shards ``<machine>/<feature>/section_<NN>_<split>.h5``.

    Example:
        >>> store = FeatureStore(Path("data/features"))
        >>> store.path("fan", "logmel", "00", "train").as_posix()
        'data/features/fan/logmel/section_00_train.h5'
    """

    root: Path

    def path(self, machine: str, feature: str, section: str, split: str) -> Path:
        """Return where a shard lies."""
        return self.root / machine / feature / f"section_{section}_{split}.h5"

    def open(self, machine: str, feature: str, section: str, split: str) -> Shard:
        """Open one shard; see :meth:`Shard.open` for the errors."""
        return Shard.open(self.path(machine, feature, section, split))

    def paths(self, machine: str, feature: str, split: str | None = None) -> list[Path]:
        """Return the files of a machine's feature, sorted by section and split."""
        pattern = f"section_*_{split or '*'}.h5"
        return sorted((self.root / machine / feature).glob(pattern))

    def shards(self, machine: str, feature: str, split: str | None = None) -> list[Shard]:
        """Open the shards of a machine's feature, sorted by section and split.

        Raises:
            UsageError: there are none.
        """
        found = [Shard.open(path) for path in self.paths(machine, feature, split)]
        if not found:
            which = f"{split} shard" if split else "shard"
            raise UsageError(
                f"{self.root / machine / feature}: no {which};"
                f" run 'asd extract --machine {machine} --feature {feature}' first"
            )
        return found

    def inputs_path(self, machine: str, model: str) -> Path:
        """Return where the record of a model's inputs lies (see :meth:`write_inputs`)."""
        return self.root / machine / f"inputs_{model}.json"

    def write_inputs(self, machine: str, model: str, features: Iterable[str]) -> None:
        """Record the identity of every shard that ``model`` reads.

        The record's bytes change exactly when that data changes, so a pipeline that depends on it
        trains a model again when one of its own features changed, and not when another did.
        """
        record = {
            feature: {path.stem: Shard.open(path).identity for path in self.paths(machine, feature)}
            for feature in features
        }
        path = self.inputs_path(machine, model)
        data = (canonical_json(record) + "\n").encode()
        if not path.exists() or path.read_bytes() != data:
            with replacing(path) as beside:
                beside.write_bytes(data)

    def read_inputs(self, path: Path) -> dict[str, dict[str, str]]:
        """Read a record of :meth:`write_inputs`: feature -> name of the shard -> its identity.

        Raises:
            JobError: the file does not hold such a record.
        """
        try:
            text = path.read_text(encoding="utf-8")
            record: dict[str, dict[str, str]] = json.loads(text)
            kinds = {type(identity) for of in record.values() for identity in of.values()}
            if kinds - {str} or canonical_json(record) + "\n" != text:
                raise ValueError("other contents")
        except (OSError, ValueError, AttributeError, RecursionError) as error:
            reason = " ".join(str(error).split())
            raise JobError(
                f"{path}: not a record of a model's inputs ({reason}); run 'asd extract'"
            ) from None
        return record
