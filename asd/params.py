"""The whole of ``pipeline/params.yaml``: read, checked, and what its names mean together."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from asd.config import (
    ALL,
    CLASS_PARTS,
    SELECTED,
    Channel,
    DatasetConfig,
    EmbedConfig,
    EvaluateConfig,
    ExtractConfig,
    FinetuneConfig,
    FusionConfig,
    IndexConfig,
    LadderRow,
    ModelConfig,
    Name,
    ReportConfig,
    ScoreConfig,
    SelectConfig,
    Settings,
    SynthConfig,
    SystemConfig,
    TrainConfig,
    channel_of,
    settings,
)
from asd.errors import UsageError, unknown_name
from asd.yaml_text import read_yaml


class Params(Settings):
    """The whole of ``pipeline/params.yaml``."""

    dataset: DatasetConfig
    synth: SynthConfig = SynthConfig()
    index: IndexConfig = IndexConfig()
    finetune: FinetuneConfig = FinetuneConfig()
    features: dict[Name, dict[str, Any]]
    extract: ExtractConfig = ExtractConfig()
    networks: dict[Name, dict[str, Any]] = Field({})
    models: dict[Name, ModelConfig]
    joint: dict[Name, ModelConfig] = Field({})
    train: TrainConfig = TrainConfig()
    embed: EmbedConfig = EmbedConfig()
    systems: dict[Name, SystemConfig]
    fusions: dict[Name, FusionConfig] = Field({})
    select: SelectConfig = SelectConfig()
    ladder: tuple[LadderRow, ...] = ()
    score: ScoreConfig = ScoreConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    report: ReportConfig = ReportConfig()

    @property
    def every_model(self) -> dict[str, ModelConfig]:
        """The models of one machine each, and those that are joint over all machines."""
        return self.models | self.joint

    @property
    def read_features(self) -> tuple[str, ...]:
        """The features that models read; where none reads a log-mel, one for pictures too.

        All of them where there is no model: then the store itself is what is wanted.
        """
        read = {name for model in self.every_model.values() for name in model.features}
        drawn = self.features_of("logmel")
        if not read.intersection(drawn):
            read.update(drawn[:1])
        return tuple(name for name in self.features if name in read or not self.every_model)

    def extractor(self, feature: str) -> str:
        """Return the name of the extractor of a feature."""
        return str(self.features[feature].get("extractor", feature))

    def features_of(self, extractor: str) -> list[str]:
        """Return the features of an extractor."""
        return [name for name in self.features if self.extractor(name) == extractor]

    def owner(self, model: str, machine: str) -> str:
        """Return whose a model is: the machine's, or of :data:`ALL` machines if it is joint."""
        return ALL if model in self.joint else machine

    def place(self, model: str) -> str:
        """Return where a model stands in the file, such as ``"models.both"``."""
        return f"{'joint' if model in self.joint else 'models'}.{model}"

    @property
    def every_system(self) -> tuple[str, ...]:
        """The names of the systems, and of the fusions that join some."""
        return (*self.systems, *self.fusions)

    def members(self, system: str, machine: str) -> tuple[SystemConfig, ...]:
        """Return what a system is made of on a machine; nothing where it is to be selected."""
        if system in self.systems:
            return (self.systems[system],)
        fusion = self.fusions[system]
        of_machine = fusion.machines.get(machine)
        return of_machine or tuple(self.systems[name] for name in fusion.members)

    def join(self, system: str) -> Literal["mean", "max"]:
        """Return how the members of a system are joined."""
        return self.fusions[system].join if system in self.fusions else "mean"

    def models_of(self, system: str) -> tuple[str, ...]:
        """Return the models that a system may read, on any machine."""
        fusion = self.fusions.get(system)
        if fusion is not None and not fusion.members:
            chosen = [one.model for of_machine in fusion.machines.values() for one in of_machine]
            return tuple(dict.fromkeys([*self.select.models, *chosen]))
        members = self.members(system, "")
        return tuple(dict.fromkeys(one.model for one in members))

    def default_system(self, name: str | None = None) -> str:
        """Return the system ``name``, or where none is named, the one that decides.

        That is the fusion :data:`asd.config.SELECTED`, whose members are chosen for each machine;
        else the last system with the scorer ``cosine``, the paper's distance to normal clips; else
        the only system.

        Raises:
            UsageError: an unknown name, or there is nothing to choose by.
        """
        names = self.every_system
        if name is not None:
            if name not in names:
                raise unknown_name("system", name, names)
            return name
        if SELECTED in self.fusions:
            return SELECTED
        cosine = [key for key, system in self.systems.items() if system.scorer == "cosine"]
        if cosine:
            return cosine[-1]
        if len(names) == 1:
            return names[0]
        raise UsageError(
            f"no system has the scorer cosine: choose one with --system; known: {', '.join(names)}"
        )

    def model(self, name: str) -> ModelConfig:
        """Return a model with the settings and the training of its network filled in.

        Where it has pseudo-labels, what the model that makes them reads is filled in too.
        """
        model = self._filled(name)
        pseudo = model.pseudo
        # In params that are being checked it may be the name of nothing.
        if pseudo is None or pseudo.model not in self.every_model:
            return model
        of = self._filled(pseudo.model)
        read = {"features": of.features, "network": of.network, "settings": of.settings}
        return model.model_copy(update={"pseudo": pseudo.model_copy(update=read)})

    def _filled(self, name: str) -> ModelConfig:
        model = self.every_model[name]
        common = dict(self.networks.get(model.network, {}))
        kind = common.pop("network", model.network)
        train = dict(common.pop("train", {})) | model.train
        settings = common | model.settings
        return model.model_copy(update={"network": kind, "settings": settings, "train": train})


def load_params(path: Path) -> Params:
    """Read and check a params file, and what names of its sections refer to.

    Raises:
        UsageError: the file is missing, is no YAML, has unknown keys or impossible values, or names
            models, features or systems that are not defined; a line for each.

    Example:
        >>> params = load_params(Path("pipeline/params.yaml"))
        >>> params.dataset.machines, params.model("both").features
        (('pump',), ('logmel', 'wave'))
    """
    return parse_params(read_params_file(path), str(path))


def read_params_file(path: Path) -> bytes:
    """Return what stands in a params file.

    Raises:
        UsageError: there is none.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file; run 'asd init demo' to write one") from None


def parse_params(content: bytes, where: str) -> Params:
    """Check the text of a params file; ``where`` it is from is named in errors.

    Raises:
        UsageError: as of :func:`load_params`.
    """
    params: Params = settings(Params, values_of(content, where), where)
    faults = [f"{where}: {one}" for one in unresolved(params)]
    if faults:
        raise UsageError("\n".join(faults))
    return params


def values_of(content: bytes, where: str) -> dict[str, Any]:
    """Return the plain values of the text of a params file.

    Raises:
        UsageError: it is no YAML, or no mapping.
    """
    try:
        values = read_yaml(content)
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None
    if not isinstance(values, dict):
        raise UsageError(f"{where}: no parameters in it; run 'asd init demo' to write them")
    return values


def unresolved(params: Params) -> Iterator[str]:
    """Yield each name that should be one of another section and is not, and each that is twice."""
    for name in params.joint:
        if name in params.models:
            yield f"joint.{name}: 'models' has one of this name; rename it"
    for name, model in params.every_model.items():
        other = params.every_model.get(model.pseudo.model) if model.pseudo else None
        if other is not None and other.pseudo is not None:
            place = f"{params.place(name)}.pseudo.model"
            yield f"{place}: it has pseudo-labels itself; name a pooled one"
    for name, model in params.models.items():
        if model.classes != CLASS_PARTS:
            yield f"models.{name}.classes: only a model of 'joint' chooses them"
    for name, fusion in params.fusions.items():
        if name in params.systems:
            yield f"fusions.{name}: systems has one of this name; rename one"
        if not fusion.members and not params.select.candidates() and not fusion.machines:
            yield (
                f"fusions.{name}: no members, and the section select has no models and scorers to"
                " choose them from"
            )
    yield from _strange_channels(params)
    for where, kind, name, known in _references(params):
        if name not in known:
            yield f"{where}: {unknown_name(kind, name, known)}"


def _strange_channels(params: Params) -> Iterator[str]:
    """Yield channels of features that are none, and models that would hear more than one."""
    heard: dict[str, Channel] = {}
    for name, values in params.features.items():
        try:
            heard[name] = channel_of(values, params.index.channel, f"features.{name}")
        except UsageError as error:
            yield str(error)
    for name, model in params.every_model.items():
        channels = {heard[feature]: feature for feature in model.features if feature in heard}
        if len(channels) > 1:
            yield (
                f"{params.place(name)}.features: {' and '.join(channels.values())} hear different"
                " channels, and a model hears one; join models of one channel each in a fusion"
            )


def _references(params: Params) -> Iterator[tuple[str, str, str, Collection[str]]]:
    """Yield each place that names something of another section: what, the name, and the known."""
    features, models = params.features, params.every_model
    for name, model in params.every_model.items():
        for feature in model.features:
            yield f"{params.place(name)}.features", "feature", feature, features
        if model.pseudo is not None:
            yield f"{params.place(name)}.pseudo.model", "model", model.pseudo.model, models
    for name, system in params.systems.items():
        yield f"systems.{name}.model", "model", system.model, models
    for name in params.select.models:
        yield "select.models", "model", name, models
    for name in params.select.otherwise:
        yield "select.otherwise", "scorer of the selection", name, params.select.scorers
    for name, fusion in params.fusions.items():
        for member in fusion.members:
            yield f"fusions.{name}.members", "system", member, params.systems
        for machine, members in fusion.machines.items():
            for one in members:
                yield f"fusions.{name}.machines.{machine}", "model", one.model, models
    for row in params.ladder:
        yield "ladder", "system", row.system, params.every_system
