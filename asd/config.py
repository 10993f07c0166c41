"""Typed parameters: one frozen model per section of ``pipeline/params.yaml``.

A component (an extractor, a network, a scorer) has its own settings, which live beside its code;
here they are plain mappings, checked when the component is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from asd.errors import UsageError, unknown_name

Rules = Literal["2020", "2021", "2022", "2023", "2024", "2025"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "float32", "bfloat16"]
Objective = Literal["contrastive", "classify"]
Positive = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_+-]*$")]


class Settings(BaseModel):
    """Base of every typed parameter set: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DatasetConfig(Settings):
    """What is worked on. ``rules`` names the challenge year whose official score is computed."""

    name: str
    rules: Rules = "2022"
    raw: str
    machines: tuple[Name, ...]


class SynthConfig(Settings):
    """The demo data; ``machines`` is empty where recordings are given."""

    machines: tuple[Name, ...] = ()
    seed: int = 0
    seconds: float = Field(10.0, gt=0, le=60)
    sections: Positive = 3
    train_source: Positive = 54
    train_target: Annotated[int, Field(ge=0)] = 6
    test_clips: Positive = 10
    snr_db: float = 6.0


class IndexConfig(Settings):
    """How a raw folder is read; see :mod:`asd.clips.index`."""

    layout: Literal["auto", "dcase2020", "dcase2021", "dcase2022", "folder"] = "auto"
    sample_rate: Positive = 16000
    seconds: float | Literal["auto"] = "auto"
    channel: Annotated[int, Field(ge=0)] = 0
    train_share: float = Field(0.8, gt=0, lt=1)
    max_seconds: float = Field(600.0, gt=0)
    max_channels: Positive = 32


class FinetuneConfig(Settings):
    """How wav2vec 2.0 is fitted to the machines.

    Attributes:
        base: ``"builtin:tiny"``, a local folder, or a name on the Hugging Face hub.
        revision: branch, tag or commit on the hub.
        allow_pickle: whether weights that exist as a pickle alone may be read.
        objectives: ``"contrastive"`` (wav2vec 2.0's own loss), ``"classify"`` (machine, section and
            attributes), both in the order given, or ``"none"``, which keeps the weights.
        layer: hidden layer that is projected, 0 to n; ``"auto"`` for the one at three quarters of
            the depth, ``"mix"`` for a learned mix of all, which needs ``"classify"``.
        rows: rows F of the feature; the paper's is that of the log-mel.
        steps: updates of each objective.
        batch_size: clips computed at once.
        accumulate: batches an update.
        seconds: length of the random cut of a clip; never longer than the shortest machine's clips.
        learning_rate: highest rate of the transformer.
        head_learning_rate: highest rate of everything that is new.
        warm_up: share of the updates in which the rates rise.
        weight_decay: decay of AdamW.
        mask_share: share of the frames hidden under ``"classify"``.
        contrastive_mask_share: share of the frames hidden under ``"contrastive"``.
        mask_span: frames hidden in one piece.
        pca_clips: training clips that the principal components are fitted on.
        save_every: updates between two states that a killed run goes on from.
        seed: of everything random.
        device: where it is computed.
        precision: ``"auto"`` takes bfloat16 on a GPU, and on a CPU that multiplies matrices in it.
    """

    base: str = "builtin:tiny"
    revision: str = "main"
    allow_pickle: bool = False
    objectives: tuple[Objective, ...] = ("classify",)
    layer: Annotated[int, Field(ge=0)] | Literal["auto", "mix"] = "auto"
    rows: Positive = 128
    steps: Positive = 2000
    batch_size: Positive = 8
    accumulate: Positive = 4
    seconds: float = Field(4.0, ge=0.1)
    learning_rate: float = Field(2e-5, gt=0)
    head_learning_rate: float = Field(1e-3, gt=0)
    warm_up: float = Field(0.1, ge=0, le=1)
    weight_decay: float = Field(0.01, ge=0)
    mask_share: float = Field(0.05, ge=0, lt=1)
    contrastive_mask_share: float = Field(0.5, gt=0, lt=1)
    mask_span: Positive = 10
    pca_clips: Positive = 256
    save_every: Positive = 200
    seed: Annotated[int, Field(ge=0)] = 0
    device: Device = "auto"
    precision: Precision = "auto"

    @field_validator("objectives", mode="before")
    @classmethod
    def _one_or_none(cls, value: Any) -> Any:
        """Read ``none`` and a single objective as lists."""
        if value is None or value == "none":
            return ()
        return (value,) if isinstance(value, str) else value


class ExtractConfig(Settings):
    """How features are computed; nothing here changes what is computed."""

    workers: Annotated[int, Field(ge=0)] = 0
    device: Device = "auto"


class LossWeights(Settings):
    """Weights of the terms of Eq. 5; zero switches a term off."""

    cross_entropy: float = Field(1.0, ge=0)
    triplet: float = Field(1.0, ge=0)
    auxiliary: float = Field(0.0, ge=0)


class ModelConfig(Settings):
    """One model: the features it reads, its network and its losses.

    ``network`` is a name of the section ``networks`` or of the registry of networks; ``settings``
    override what that section sets. ``train`` overrides settings of the section ``train``; a
    network of the section ``networks`` may say it for all models that use it.
    """

    features: tuple[Name, ...] = Field(min_length=1)
    network: Name = "tdnn"
    settings: dict[str, Any] = {}
    losses: LossWeights = LossWeights()
    train: dict[str, Any] = {}


class TrainConfig(Settings):
    """How every model is trained."""

    epochs: Positive = 100
    learning_rate: float = Field(2e-4, gt=0)
    classes_per_batch: Annotated[int, Field(ge=2)] = 6
    clips_per_class: Annotated[int, Field(ge=2)] = 8
    batch_size: Annotated[int, Field(ge=2)] = 512
    seed: int = 0
    device: Device = "auto"
    precision: Precision = "auto"


class EmbedConfig(Settings):
    """How banks are computed."""

    batch_size: Positive = 32
    device: Device = "auto"
    precision: Precision = "auto"


class SystemConfig(Settings):
    """One system: a model and the scorer over its bank."""

    model: Name
    scorer: Name
    settings: dict[str, Any] = {}


class ScoreConfig(Settings):
    """How scores become decisions; see :mod:`asd.scoring.thresholds`."""

    threshold: Name = "gamma"
    false_alarm_rate: float = Field(0.1, gt=0, lt=1)


class EvaluateConfig(Settings):
    """How the official numbers are reported."""

    bootstrap: Annotated[int, Field(ge=0)] = 1000
    seed: int = 0


class Params(Settings):
    """The whole of ``pipeline/params.yaml``."""

    dataset: DatasetConfig
    synth: SynthConfig = SynthConfig()
    index: IndexConfig = IndexConfig()
    finetune: FinetuneConfig = FinetuneConfig()
    features: dict[Name, dict[str, Any]]
    extract: ExtractConfig = ExtractConfig()
    networks: dict[Name, dict[str, Any]] = {}
    models: dict[Name, ModelConfig]
    train: TrainConfig = TrainConfig()
    embed: EmbedConfig = EmbedConfig()
    systems: dict[Name, SystemConfig]
    score: ScoreConfig = ScoreConfig()
    evaluate: EvaluateConfig = EvaluateConfig()

    def model(self, name: str) -> ModelConfig:
        """Return a model with the settings and the training of its network filled in."""
        model = self.models[name]
        common = dict(self.networks.get(model.network, {}))
        kind = common.pop("network", model.network)
        train = dict(common.pop("train", {})) | model.train
        return model.model_copy(
            update={"network": kind, "settings": common | model.settings, "train": train}
        )


def settings(kind: type[Settings], values: Mapping[str, Any], where: str) -> Any:
    """Return ``kind(**values)``, with a one-line error naming ``where`` and the known keys.

    Raises:
        UsageError: an unknown key or an impossible value.
    """
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        raise _explain(kind, error, where) from None


def load_params(path: Path) -> Params:
    """Read and check a params file.

    Raises:
        UsageError: the file is missing, is no YAML, has an unknown key or an impossible value, or
            names a model or feature that is not defined.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        values = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file; run 'asd init demo' to write one") from None
    except (YAMLError, UnicodeDecodeError, ValueError, KeyError, RecursionError) as error:
        # A tag or a form that promises a number or a date fails in Python's own parsers.
        raise UsageError(f"{path}: not YAML: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(values, dict):
        raise UsageError(f"{path}: no parameters in it; run 'asd init demo' to write them")
    params: Params = settings(Params, values, str(path))
    _check_names(params, path)
    return params


def _check_names(params: Params, path: Path) -> None:
    for name, model in params.models.items():
        for feature in model.features:
            if feature not in params.features:
                error = unknown_name("feature", feature, params.features)
                raise UsageError(f"{path}: models.{name}.features: {error}")
    for name, system in params.systems.items():
        if system.model not in params.models:
            error = unknown_name("model", system.model, params.models)
            raise UsageError(f"{path}: systems.{name}.model: {error}")


def _explain(kind: type[Settings], error: ValidationError, where: str) -> UsageError:
    # A misspelt key is also a missing one; the misspelling is what the user can see.
    errors = error.errors()
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    location = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        owner = _model_at(kind, location[:-1])
        found = unknown_name("key", location[-1], owner.model_fields if owner else ())
        above = ".".join(location[:-1])
        return UsageError(f"{where}: {above + ': ' if above else ''}{found}")
    value = first.get("input")
    given = "" if first["type"] == "missing" else f", not {value!r}"
    return UsageError(f"{where}: {'.'.join(location)}: {first['msg']}{given}")


def _model_at(kind: type[Settings], location: list[str]) -> type[Settings] | None:
    """Return the model that holds the key below ``location``."""
    current: Any = kind
    for part in location:
        fields = getattr(current, "model_fields", None)
        if fields is not None:
            current = fields[part].annotation if part in fields else None
        else:  # a mapping of names to models
            current = next((a for a in get_args(current) if hasattr(a, "model_fields")), None)
    return current if hasattr(current, "model_fields") else None
