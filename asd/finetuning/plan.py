"""What a fine-tuning will do, checked against its clips and its base before anything is touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asd.clips.audio import REVISION
from asd.clips.record import Clip
from asd.config import Channel, FinetuneConfig
from asd.digest import sha256_json
from asd.errors import JobError, UsageError
from asd.features.wav2vec2 import Checkpoint
from asd.finetuning.artifact import CheckpointRequest
from asd.finetuning.base import BUILTIN, base_digest, find_base
from asd.finetuning.batches import Recordings, label_clips

VERSION = 1  # raised whenever the same parameters and clips give other weights
_LEAST_CONTRASTIVE_FRAMES = 8  # two pieces of two frames, so that each has something against it
_LORA = {"method", "lora_rank", "lora_alpha"}
_NOT_MEANT = {"base", "revision", "allow_pickle", "device", "save_every"}


@dataclass(frozen=True)
class Plan:
    """A fine-tuning that can be done.

    Attributes:
        config: the parameters.
        recordings: the training clips, ordered by machine, section and name.
        checkpoint: what the base says of itself.
        layer: the layer that is projected; None for a learned mix.
        cut: samples of a cut of a clip.
        request: all that decides the result.
    """

    config: FinetuneConfig
    recordings: Recordings
    checkpoint: Checkpoint
    layer: int | None
    cut: int
    request: CheckpointRequest


def make_plan(
    raw: Path, clips: Sequence[Clip], sample_rate: int, channel: Channel, config: FinetuneConfig
) -> Plan:
    """Check that the parameters, the clips and the base go together.

    Raises:
        UsageError: they do not, or the base cannot be found.
        JobError: there is no training clip.
    """
    checkpoint = find_base(config.base, config.revision, config.allow_pickle)
    training = training_clips(clips)
    if not training:
        raise JobError("no usable training clip in the indexes; look at their status column")
    shortest = min(clip.length for clip in training)
    checkpoint.check_signal(sample_rate, shortest)
    cut = min(shortest, round(config.seconds * sample_rate))
    checkpoint.check_signal(sample_rate, cut)
    layer = _chosen_layer(checkpoint, config)
    _check_objectives(checkpoint, training, cut, config)
    digest = base_digest(config.base, checkpoint, config.seed)
    return Plan(
        config=config,
        recordings=Recordings(raw, training, sample_rate, channel),
        checkpoint=checkpoint,
        layer=layer,
        cut=cut,
        request=request_of(training, sample_rate, channel, config, digest),
    )


def request_of(
    training: Sequence[Clip],
    sample_rate: int,
    channel: Channel,
    config: FinetuneConfig,
    digest: str,
) -> CheckpointRequest:
    """Return the request of a fine-tuning, the digest of its base being known.

    Args:
        training: from :func:`training_clips`.
        sample_rate, channel: how they are read.
        config: the parameters.
        digest: of the base.
    """
    name = config.base
    if name not in BUILTIN and Path(name).is_dir():
        name = Path(name).resolve().name  # no path of this machine
    return CheckpointRequest(
        version=VERSION,
        base={"name": name, "digest": digest},
        params=meant(config),
        inputs=inputs_digest(training),
        sample_rate=sample_rate,
        channel=channel,
    )


def meant(config: FinetuneConfig) -> dict[str, Any]:
    """Return the parameters that decide something: those of adapters only where there are any."""
    without = _NOT_MEANT if config.method == "lora" else _NOT_MEANT | _LORA
    return config.model_dump(mode="json", exclude=without)


def training_clips(clips: Sequence[Clip]) -> list[Clip]:
    """Return the usable normal training clips, ordered by machine, section and name."""
    chosen = [c for c in clips if c.usable and c.split == "train" and c.label != "anomaly"]
    return sorted(chosen, key=lambda clip: (clip.machine, clip.section, clip.name))


def middle_layer(layers: int) -> int:
    """Return the layer at three quarters of the depth: 9 of 12.

    The last layers of a model of speech are the most about speech.
    """
    return max(1, round(0.75 * layers))


def _chosen_layer(checkpoint: Checkpoint, config: FinetuneConfig) -> int | None:
    if config.layer == "mix":
        if "classify" not in config.objectives:
            raise UsageError("finetune.layer: a mix is learned by the objective 'classify'; add it")
        return None
    layer = middle_layer(checkpoint.layers) if config.layer == "auto" else config.layer
    checkpoint.check_layer(layer)
    return layer


def _check_objectives(
    checkpoint: Checkpoint, clips: Sequence[Clip], cut: int, config: FinetuneConfig
) -> None:
    objectives, name = config.objectives, checkpoint.folder
    if "classify" in objectives[:-1]:
        raise UsageError(
            "finetune.objectives: 'classify' must come last, since the projection it trains"
            " belongs to the weights it leaves behind"
        )
    if "classify" in objectives and not label_clips(clips).classes:
        raise UsageError(
            "finetune.objectives: 'classify' needs two machines, sections or attributes among the"
            " training clips; choose contrastive or none"
        )
    if "contrastive" in objectives:
        if checkpoint.model_type != "wav2vec2":
            raise UsageError(
                f"{name}: the objective 'contrastive' is that of wav2vec2, and the checkpoint is of"
                f" {checkpoint.model_type}; set finetune.objectives to classify"
            )
        frames = checkpoint.grid.count(cut)
        if frames < _LEAST_CONTRASTIVE_FRAMES:
            raise UsageError(
                f"finetune.objectives: 'contrastive' needs {_LEAST_CONTRASTIVE_FRAMES} frames, and"
                f" {cut} samples give {frames}; set finetune.objectives to classify"
            )


def inputs_digest(training: Sequence[Clip]) -> str:
    """Return the digest of the content and labels of training clips, in their order."""
    return sha256_json([_meaning(clip) for clip in training])


def _meaning(clip: Clip) -> list[Any]:
    of_sound = [clip.length, clip.content, clip.full_scale, REVISION]
    return [clip.machine, clip.section, clip.attributes, *of_sound]
