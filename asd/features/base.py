"""The contract of an extractor: from canonical clips to rows of the store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from asd.clips.audio import Signal
from asd.config import Settings, channel_of, settings
from asd.errors import JobError, UsageError
from asd.registry import Registry

if TYPE_CHECKING:
    from asd.features.frozen import FrozenNetwork

LEAST_COSINE = 0.999
"""Mean cosine to float32 below which frames of a lower precision are refused."""


class Extractor(ABC):
    """Computes one feature.

    An extractor is cheap to build: it knows the shape, type and recipe of its rows before anything
    is computed or any model is loaded, so that deciding what to reuse costs nothing.

    Args:
        config: the settings of the feature.
        signal: the form of the clips it will be given.

    Attributes:
        name: the name in the registry.
        version: raised whenever the values of a row change for the same config.
        Config: its settings, none unless it says otherwise.
        batch_size: clips a call; part of the contract, since values may depend on it in the last
            bits. A shorter batch is padded with zeros by the caller.
        on_one_thread: whether a call computes on the thread that makes it and on no other, so that
            as many batches as torch has threads are computed side by side.
        device: where an extractor that runs a network computes; set before the first call.
        reference: the name that the params call it by, where that is another than its own.
        plugin: the package that it is of, with the version, if that is not this one.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    Config: ClassVar[type[Settings]] = Settings
    batch_size: int = 16
    on_one_thread: bool = False
    device: str = "cpu"
    reference: str = ""
    plugin: str = ""

    def __init__(self, config: Any, signal: Signal) -> None:
        self.config = config
        self.signal = signal

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what it is built from; a checkpoint stays where it lies."""
        state = {key: getattr(self, key) for key in ("reference", "plugin", "device")}
        return type(self), (self.config, self.signal), state

    @property
    @abstractmethod
    def row_shape(self) -> tuple[int, ...]:
        """The shape of one row."""

    @property
    def dtype(self) -> np.dtype:
        """The type of the values: float16, unless an extractor says otherwise."""
        return np.dtype(np.float16)

    @property
    def checkpoint_digest(self) -> str | None:
        """The digest of the checkpoint that is read, if any."""
        return None

    @property
    def recipe(self) -> dict[str, Any]:
        """Everything that decides the values of a row; its digest is the feature digest."""
        recipe = {
            "extractor": self.reference or self.name,
            "version": self.version,
            "config": self.config.model_dump(mode="json"),
            "signal": asdict(self.signal),
            "checkpoint": self.checkpoint_digest,
        }
        return recipe | {"plugin": self.plugin} if self.plugin else recipe

    @abstractmethod
    def __call__(self, waves: np.ndarray) -> np.ndarray:
        """Compute rows (B, *row_shape) of canonical clips ``waves`` (B, L) int16."""


class NetworkExtractor(Extractor):
    """Computes a feature by a frozen network, in a stated precision; batches (B, F, T) float16.

    The first batch that holds sound is compared with float32.

    Attributes:
        folder: where the network's checkpoint lies.
        places: the settings that say where; its digest says what it is.
        called: what errors call the network.
        prefix: what errors put before the name of a setting.
        safer: the precision to take where one is too coarse.
    """

    folder: Path
    places: ClassVar[tuple[str, ...]]
    called: ClassVar[str]
    prefix: ClassVar[str]
    safer: ClassVar[Mapping[str, str]] = {"int8": "bfloat16", "bfloat16": "float32"}
    batch_size = 8
    _compared = False

    @property
    def recipe(self) -> dict[str, Any]:
        """As for every extractor, without the checkpoint's place."""
        recipe = super().recipe
        config = {k: v for k, v in recipe["config"].items() if k not in self.places}
        return recipe | {"config": config}

    @abstractmethod
    def build(self, precision: str) -> FrozenNetwork:
        """Build what computes rows of waves in a precision."""

    def macs(self) -> int:
        """Return the multiply-accumulates of the network for one clip."""
        return self.build("float32").macs(self.signal.length)

    @cached_property
    def _network(self) -> Callable[[np.ndarray], np.ndarray]:
        return self.build(self.config.precision)

    def __call__(self, waves: np.ndarray) -> np.ndarray:
        """Compute rows (B, F, T) float16 of ``waves`` (B, L) int16.

        Raises:
            JobError: a value is not finite, or a lower precision strays from float32.
            UsageError: the precision is not for this device.
        """
        rows = self._network(waves)
        if not np.isfinite(rows).all():
            raise JobError(
                f"{self.folder}: the {self.called} gives values beyond float16;"
                f" choose another {self.prefix}layer"
            )
        heard = waves.any(axis=1)  # the others fill up a short batch
        if self.config.precision != "float32" and not self._compared and heard.any():
            self._compare(rows[heard], self.build("float32")(waves[heard]))
        return rows

    def _compare(self, rows: np.ndarray, exact: np.ndarray) -> None:
        """Check on one batch that frames (B, F, T) point where those of float32 do."""
        self._compared = True
        cosine, precision = mean_cosine(rows, exact), self.config.precision
        if cosine < LEAST_COSINE:
            raise JobError(
                f"{self.folder}: {precision} gives frames of cosine {cosine:.4f} to float32, less"
                f" than {LEAST_COSINE}; set {self.prefix}precision to {self.safer[precision]}"
            )


def mean_cosine(rows: np.ndarray, exact: np.ndarray) -> float:
    """Return the mean cosine of frames ``rows`` to ``exact``, both (B, F, T)."""
    a, b = rows.astype(np.float64), exact.astype(np.float64)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(np.mean((a * b).sum(axis=1) / np.maximum(lengths, 1e-12)))


def build_extractor(
    registry: Registry[type[Extractor]], feature: str, values: Mapping[str, Any], signal: Signal
) -> Extractor:
    """Build the extractor of a feature from its section of the params.

    Args:
        registry: the extractors by name.
        feature: the feature's name, for error messages.
        values: ``extractor`` (default: the feature's name), ``channel`` where it hears another one
            than the index, and the extractor's own settings.
        signal: the form of the clips.

    Raises:
        UsageError: the extractor or one of the settings is unknown or impossible.

    Example:
        >>> from asd.features import EXTRACTORS
        >>> signal = Signal(sample_rate=16000, length=160_000, channel=0)
        >>> logmel = build_extractor(EXTRACTORS, "logmel", {"mels": 64}, signal)
        >>> logmel(np.zeros((2, 160_000), np.int16)).shape, logmel.dtype.name
        ((2, 64, 313), 'float16')
    """
    own = dict(values)
    name = own.pop("extractor", feature)
    if not isinstance(name, str):
        raise UsageError(f"features.{feature}: extractor: must be a name, not {name!r}")
    signal = replace(signal, channel=channel_of(own, signal.channel, f"features.{feature}"))
    own.pop("channel", None)
    kind = registry[name]
    found = kind(settings(kind.Config, own, f"features.{feature}"), signal)
    found.reference, found.plugin = name, registry.origin(name)
    return found


def placement(kind: type[Extractor], values: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """Return the settings that say where an extractor's weights lie, as seen from here.

    Args:
        kind: the extractor.
        values: the feature's section of the params.
        root: the project's folder, which paths in the params are relative to.
    """
    fields, found = kind.Config.model_fields, {}
    if "checkpoint" in fields:
        place = values.get("checkpoint", fields["checkpoint"].default)
        found["checkpoint"] = str((root / str(place)).resolve())
    if "base" in fields:
        found = {key: values[key] for key in ("base", "revision", "allow_pickle") if key in values}
        folder = root / str(values.get("base", ""))
        if "base" in values and folder.is_dir():  # else a name on the hub
            found["base"] = str(folder.resolve())
    return found
