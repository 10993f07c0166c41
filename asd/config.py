"""Typed parameters: one frozen model for each section of ``pipeline/params.yaml``.

A component (an extractor, a network, a scorer) has its own settings, which live beside its code;
here they are plain mappings, checked when the component is built.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from functools import reduce
from operator import getitem
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from asd.errors import UsageError, unknown_name

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "float32", "bfloat16"]
Positive = Annotated[int, Field(ge=1)]
AtOnce = Annotated[int, Field(ge=1, le=65_536)]
"""Of what is held in memory together."""
_KEY = "[key]"  # the last part of pydantic's location of a key
_MACHINE = re.compile(r"\w(?:[\w .,+()&@=-]*[\w+()=])?")


def _of_signs(signs: str) -> AfterValidator:
    """Return what refuses a name that has others than letters, digits and some signs."""
    allowed = re.compile(rf"[A-Za-z0-9][A-Za-z0-9{re.escape(signs)}]*")

    def check(name: str) -> str:
        if allowed.fullmatch(name):
            return name
        raise ValueError(
            "a name begins with a letter or a digit, and has letters, digits and"
            f" {' '.join(signs)} alone"
        )

    return AfterValidator(check)


def machine_name(name: str) -> str:
    """Return a machine's name: that of a folder, and of files.

    Raises:
        ValueError: no file of every system can be called so; the message says the way out.
    """
    if _MACHINE.fullmatch(unicodedata.normalize("NFC", name)) and name.isprintable():
        return name
    raise ValueError(
        "a machine's name begins and ends with a letter or a digit, and has letters, digits, spaces"
        " and . , + - _ = ( ) & @ between them; rename its folder"
    )


Name = Annotated[str, _of_signs("_+-")]
MachineName = Annotated[str, AfterValidator(machine_name)]
Component = Annotated[str, _of_signs("_.:+-")]
"""A name of a registry, or ``package.module:Name`` (:mod:`asd.registry`)."""


class Settings(BaseModel):
    """Base of every typed parameter set: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def settings(kind: type[Settings], values: Mapping[str, Any], where: str) -> Any:
    """Return ``kind(**values)``, with an error naming ``where`` and the known keys.

    Raises:
        UsageError: an unknown key or an impossible value, a line for each.
    """
    found, lines, _ = partly(kind, values, where)
    if lines:
        raise UsageError("\n".join(lines))
    return found


def partly(
    kind: type[Settings], values: Mapping[str, Any], where: str
) -> tuple[Any, list[str], set[str]]:
    """Return ``kind(**values)`` without what is wrong in the values; the rest can be judged then.

    Returns:
        The settings, None where too much is wrong; the faults, a line each, naming ``where``; and
        the names of what was left out whole.
    """
    left, lines, gone = deepcopy(dict(values)), list[str](), set[str]()
    while True:
        try:
            return kind.model_validate(left), lines, gone
        except ValidationError as error:
            if not lines:
                told = (f"{where}: {one}" for one in _explain(kind, error, values))
                lines = list(dict.fromkeys(told))
            # What lacks a value goes whole; the last of a list goes first, as the others move up.
            places = {
                _place(one["loc"], left)[: -1 if one["type"] == "missing" else None]
                for one in error.errors()
            }
            if () in places:
                return None, lines, gone
            fewer = False
            for *above, last in sorted(places, key=lambda place: [*map(str, place)], reverse=True):
                gone |= {str(last)} if len(above) == 1 else set()
                with suppress(LookupError, TypeError):  # what it was in is gone already
                    del reduce(getitem, above, left)[last]  # type: ignore[arg-type]
                    fewer = True
            if not fewer:
                return None, lines, gone


def _explain(
    kind: type[Settings], error: ValidationError, values: Mapping[str, Any]
) -> Iterator[str]:
    # A value that may be of several types has an error for each; the first one is told.
    errors = list({_place(one["loc"], values): one for one in reversed(error.errors())}.values())
    errors.reverse()
    misspelt = {one["loc"][:-1] for one in errors if one["type"] == "extra_forbidden"}
    for one in errors:
        location = [str(part) for part in _place(one["loc"], values)]
        if one["type"] == "extra_forbidden":
            owner = _model_at(kind, location[:-1])
            found = unknown_name("key", location[-1], owner.model_fields if owner else ())
            above = ".".join(location[:-1])
            yield f"{above + ': ' if above else ''}{found}"
        # A misspelt key is also a missing one; the misspelling is what the user can see.
        elif one["type"] != "missing" or one["loc"][:-1] not in misspelt:
            given = "" if one["type"] == "missing" else f", not {one.get('input')!r}"
            yield f"{'.'.join(location)}: {one['msg'].removeprefix('Value error, ')}{given}"


def _place(location: Sequence[int | str], values: Any) -> tuple[int | str, ...]:
    """Return the part of a location that leads to a value, without the names of types after it.

    A key that cannot be one is the place of its value.
    """
    for depth, part in enumerate(location):
        if part == _KEY:
            return tuple(location[:depth])
        inside = isinstance(values, Mapping) or (isinstance(part, int) and isinstance(values, list))
        if not inside:
            return tuple(location[:depth])
        values = values.get(part) if isinstance(values, Mapping) else values[part]
    return tuple(location)


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


Rules = Literal["2020", "2021", "2022", "2023", "2024", "2025", "2026"]


class DatasetConfig(Settings):
    """What is worked on. ``rules`` names the challenge year whose official score is computed."""

    name: str
    rules: Rules = "2022"
    raw: str
    machines: tuple[MachineName, ...]

    @field_validator("rules", mode="before")
    @classmethod
    def _year(cls, value: Any) -> Any:
        """Take a year without quotes too."""
        return str(value) if isinstance(value, int) else value


RESIDUAL: Literal["residual"] = "residual"
Channel = Annotated[int, Field(ge=0)] | Literal["residual"]
_MICROPHONES = {"near": 0, "far": 1}


class SynthConfig(Settings):
    """The demo data; ``machines`` is empty where recordings are given.

    Attributes:
        channels: 2 for a far microphone too, which hears mostly the hall.
        hidden: machines whose attributes neither names nor tables tell.
    """

    machines: tuple[Name, ...] = ()
    seed: int = 0
    seconds: float = Field(10.0, gt=0, le=60)
    sections: Positive = 3
    train_source: Positive = 54
    train_target: Annotated[int, Field(ge=0)] = 6
    test_clips: Positive = 10
    snr_db: float = 0.0
    channels: Literal[1, 2] = 1
    hidden: tuple[Name, ...] = ()


class IndexConfig(Settings):
    """How a raw folder is read; see :mod:`asd.clips.index`.

    Attributes:
        layout: how the names are read; ``"auto"`` looks at them.
        sample_rate: rate of the clips in Hz.
        seconds: length of a clip; ``"auto"`` takes the most common one of a machine's training
            clips, and 10 s in a plain folder where that is 30 s or more.
        windows: ``"auto"`` cuts recordings of plain folders that are longer than a clip into
            consecutive clips, the last of which ends at the end; ``"off"`` takes their beginning.
        channel: of recordings with several, the one that is used: a number, ``"near"`` (0),
            ``"far"`` (1), or ``"residual"``, what of the near one the far one does not explain
            (:func:`asd.clips.channels.residual`).
        train_share: share of the normal recordings that is for training, where no folder says it.
        full_scale: of recordings stored as floats, the value that counts as full scale.
        normal: folders below the raw folder whose recordings are normal, whatever they are called.
        max_seconds: longest recording.
        max_channels: most channels of a recording.
    """

    layout: Literal["auto", "dcase2020", "dcase2021", "dcase2022", "folder"] = "auto"
    sample_rate: Annotated[int, Field(ge=1, le=768_000)] = 16000
    seconds: Annotated[float, Field(ge=0.05, le=3600)] | Literal["auto"] = "auto"
    windows: Literal["auto", "off"] = "auto"
    channel: Channel = 0
    train_share: float = Field(0.8, gt=0, lt=1)
    full_scale: float = Field(1.0, gt=0)
    normal: tuple[str, ...] = ()
    max_seconds: float = Field(14_400.0, gt=0)
    max_channels: Positive = 32

    @field_validator("channel", mode="before")
    @classmethod
    def _numbered(cls, value: Any) -> Any:
        """Take the microphones' names: what is asked for is the same."""
        number = _MICROPHONES.get(value, value) if isinstance(value, str) else value
        if isinstance(number, str) and number != RESIDUAL:
            raise ValueError("give a number from 0, near, far or residual")
        return number


def channel_of(values: Mapping[str, Any], default: Channel, where: str) -> Channel:
    """Return what a feature hears: its own ``channel``, or that of the index.

    Raises:
        UsageError: it is none.
    """
    given = {"channel": values.get("channel", default)}
    found: Channel = settings(IndexConfig, given, where).channel
    return found


Objective = Literal["contrastive", "classify"]


class FinetuneConfig(Settings):
    """How wav2vec 2.0, or an encoder in its place, is fitted to the machines.

    Attributes:
        base: ``"builtin:tiny"``, ``"builtin:bank"`` (the same with a filter bank for convolutions),
            a local folder, or a name on the Hugging Face hub: of the wav2vec 2.0 family, or BEATs,
            EAT, CED or Dasheng, whose frequency bands are averaged.
        revision: branch, tag or commit on the hub.
        allow_pickle: whether weights that exist as a pickle alone may be read.
        objectives: ``"contrastive"`` (wav2vec 2.0's own loss), ``"classify"`` (machine, section and
            attributes), both in the order given, or ``"none"``, which keeps the weights.
        method: ``"full"`` trains the transformer; ``"lora"`` low-rank adapters of its queries and
            values, which are in the weights in the end, under attentive statistics and sub-cluster
            AdaCos.
        lora_rank: rank of the adapters.
        lora_alpha: their scale; they are multiplied by ``lora_alpha / lora_rank``.
        layer: hidden layer that is projected, 0 to n; ``"auto"`` for the one at three quarters of
            the depth, ``"mix"`` for a learned mix of all, which needs ``"classify"``.
        rows: rows F of the feature; the paper's is that of the log-mel.
        steps: updates of each objective.
        batch_size: clips computed at once.
        accumulate: batches an update.
        seconds: length of the random cut of a clip; never longer than the shortest machine's clips.
        learning_rate: highest rate of the transformer, or of its adapters.
        head_learning_rate: highest rate of everything that is new.
        warm_up: share of the updates in which the rates rise.
        weight_decay: decay of AdamW.
        mask_share: share of the frames hidden under ``"classify"``, by wav2vec 2.0 and its family.
        contrastive_mask_share: share of the frames hidden under ``"contrastive"``.
        mask_span: frames hidden in one piece.
        pca_clips: training clips that the principal components are fitted on.
        seed: of everything random.
        device: where it is computed.
        precision: ``"auto"`` takes bfloat16 on a GPU, and on a CPU that is faster in it.
    """

    base: str = "builtin:tiny"
    revision: str = "main"
    allow_pickle: bool = False
    objectives: tuple[Objective, ...] = ("classify",)
    method: Literal["full", "lora"] = "full"
    lora_rank: Positive = 64
    lora_alpha: float = Field(64.0, gt=0)
    layer: Annotated[int, Field(ge=0)] | Literal["auto", "mix"] = "auto"
    rows: Positive = 128
    steps: Positive = 2000
    batch_size: AtOnce = 8
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


ClassPart = Literal["machine", "section", "domain", "attributes"]
CLASS_PARTS: tuple[ClassPart, ...] = ("machine", "section", "domain", "attributes")

# What stands for the machine where a model is of all machines.
ALL = "all"


class ExtractConfig(Settings):
    """How features are computed; nothing here changes what is computed."""

    workers: Annotated[int, Field(ge=0, le=1024)] = 0
    device: Device = "auto"


class LossWeights(Settings):
    """Weights of the terms of Eq. 5; zero switches a term off."""

    cross_entropy: float = Field(1.0, ge=0)
    triplet: float = Field(1.0, ge=0)
    auxiliary: float = Field(0.0, ge=0)


class PseudoLabels(Settings):
    """What stands for attributes that are hidden; see :mod:`asd.training.pseudo`.

    Attributes:
        model: a training-free model (network ``pooled``).
        embedding: which of its embeddings is clustered.
        share: clusters, as a share of a section's source clips; two at least.
        features, network, settings: of that model, filled in by :meth:`asd.params.Params.model`.
    """

    model: Name
    embedding: str = "mean"
    share: float = Field(0.008, gt=0, le=0.5)
    features: tuple[Name, ...] = ()
    network: Component = "pooled"
    settings: dict[str, Any] = Field({})


Supplemental = Literal["clips", "mix", "class"]


class ModelConfig(Settings):
    """One model: the features it reads, its network and its losses.

    ``network`` is a name of the section ``networks`` or of the registry of networks; ``settings``
    override what that section sets. ``head`` names the head of a classifier as ``kind``, one of
    :mod:`asd.models.heads`, with its settings; none is a linear one. ``classes`` says what makes a
    class of a joint model. ``pseudo`` gives clips with hidden attributes pseudo-labels.
    ``supplemental`` says what a classifier makes of the supplemental clips: ``clips`` are further
    training clips, of the machine without the hall; ``mix`` mixes the noise of the hall alone into
    training clips; ``class`` has what is not taken as clips as one class of its own. ``train``
    overrides settings of the section ``train``; a network of the section ``networks`` may say it
    for all models that use it.
    """

    features: tuple[Name, ...] = Field(min_length=1)
    network: Component = "tdnn"
    settings: dict[str, Any] = Field({})
    head: dict[str, Any] = Field({})
    classes: tuple[ClassPart, ...] = Field(CLASS_PARTS, min_length=1)
    losses: LossWeights = LossWeights()
    pseudo: PseudoLabels | None = None
    supplemental: tuple[Supplemental, ...] = ()
    train: dict[str, Any] = Field({})


class TrainConfig(Settings):
    """How every model is trained.

    ``mixup`` is the share of the clips of a batch that are mixed with another clip
    (:mod:`asd.training.examples`), ``noise_share`` that of clips that supplemental noise is mixed
    into, where a model says so, at a ratio drawn from ``noise_snr_db``.
    """

    epochs: Positive = 100
    learning_rate: float = Field(2e-4, gt=0)
    classes_per_batch: Annotated[int, Field(ge=2, le=1024)] = 6
    clips_per_class: Annotated[int, Field(ge=2, le=1024)] = 8
    batch_size: Annotated[int, Field(ge=2, le=65_536)] = 512
    mixup: float = Field(0.0, ge=0, le=1)
    noise_share: float = Field(0.5, ge=0, le=1)
    noise_snr_db: tuple[float, float] = (5.0, 20.0)
    held_out: float = Field(0.0, ge=0, lt=1)
    seed: int = 0
    device: Device = "auto"
    precision: Precision = "auto"


class EmbedConfig(Settings):
    """How banks are computed."""

    batch_size: AtOnce = 32
    device: Device = "auto"
    precision: Precision = "auto"


SELECTED = "selected"
"""The fusion that is used where no system is named, made of what is best for each machine."""


class SystemConfig(Settings):
    """One system: a model and the scorer over its bank.

    ``embedding`` names the array of the bank that the scorer compares; a training-free model has
    one for each of its poolings.
    """

    model: Name
    embedding: str = "embedding"
    scorer: Component
    settings: dict[str, Any] = Field({})


class FusionConfig(Settings):
    """A system that joins others, each standardised by its training scores.

    Attributes:
        members: names of systems. None: what ``select`` chooses for each machine.
        join: the mean or the maximum over members.
        machines: by machine, the members written out; ``asd select`` writes them. They go before
            ``members``.
    """

    members: tuple[Name, ...] = ()
    join: Literal["mean", "max"] = "mean"
    machines: dict[MachineName, tuple[SystemConfig, ...]] = Field({})


class ScorerConfig(Settings):
    """A scorer with its settings."""

    scorer: Component
    settings: dict[str, Any] = Field({})


class SelectConfig(Settings):
    """What a fusion without members is chosen from; see :mod:`asd.scoring.selection`.

    Attributes:
        models: by name, the embeddings of each that are tried.
        scorers: by name, the scorers that are tried on each of them.
        criterion: how candidates are ranked, from training clips alone.
        members: how many of the best are joined.
        otherwise: scorers, by name, whose candidates are joined where the criterion says nothing;
            none for all of them.
    """

    models: dict[Name, tuple[str, ...]] = Field({})
    scorers: dict[Name, ScorerConfig] = Field({})
    criterion: Component = "strangers"
    members: Positive = 5
    otherwise: tuple[Name, ...] = ()

    def candidates(self) -> dict[str, SystemConfig]:
        """Return every combination as a system, named ``model/embedding/scorer``."""
        return {
            f"{model}/{embedding}/{name}": SystemConfig(
                model=model, embedding=embedding, scorer=scorer.scorer, settings=scorer.settings
            )
            for model, embeddings in self.models.items()
            for embedding in embeddings
            for name, scorer in self.scorers.items()
        }


class LadderRow(Settings):
    """One row of the ladder: a system, and what it changes from the row before."""

    system: Name
    change: str = ""


Domains = Literal["alike", "as_found"]


class ScoreConfig(Settings):
    """How scores become decisions; see :mod:`asd.scoring.calibration`.

    ``false_alarm_rate`` is that of normal recordings, whatever their length. ``windows`` is how the
    clips that a long recording is cut into make one score. ``domains`` is whether the source and
    the target domain count alike in thresholds, however rare the target is in training.
    """

    threshold: Name = "gamma"
    false_alarm_rate: float = Field(0.1, gt=0, lt=1)
    domains: Domains = "alike"
    windows: Literal["max", "mean"] = "max"


class EvaluateConfig(Settings):
    """How the official numbers are reported."""

    bootstrap: Annotated[int, Field(ge=0, le=1_000_000)] = 1000
    seed: int = 0


class ReportConfig(Settings):
    """Which page a report is: of a challenge's results, or of one's own recordings."""

    page: Literal["results", "recordings"] = "results"
