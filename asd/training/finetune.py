"""Fine-tuning wav2vec 2.0 on training clips (paper section II-A): from clips to a checkpoint."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asd.artifact import RECORD, claimed
from asd.atomic import restore
from asd.clips.audio import REVISION
from asd.clips.record import Clip
from asd.config import Channel, FinetuneConfig
from asd.digest import sha256_json
from asd.errors import JobError, UsageError
from asd.features.checkpoint import Checkpoint
from asd.training.artifact import CheckpointRequest
from asd.training.data import Recordings
from asd.training.labels import kinds_of_classes
from asd.training.pretrained import BUILTIN, base_digest, find_base

VERSION = 1  # raised whenever the same parameters and clips give other weights
_LEAST_CONTRASTIVE_FRAMES = 8  # two pieces of two frames, so that each has something against it
_LORA = {"method", "lora_rank", "lora_alpha"}
_NOT_MEANT = {"base", "revision", "allow_pickle", "device"}


@dataclass(frozen=True)
class Account:
    """What a fine-tuning did.

    Attributes:
        clips: training clips.
        machines: machine types among them.
        objectives: what was minimised, in order.
        updates: updates made now.
        resumed: updates that an interrupted run had made before.
        reused: whether the checkpoint was there already, and nothing was done.
        seconds: wall time.
    """

    clips: int
    machines: int
    objectives: tuple[str, ...]
    updates: int
    resumed: int
    reused: bool
    seconds: float


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


def make_plan(recordings: Recordings, config: FinetuneConfig) -> Plan:
    """Check that the parameters, the clips and the base go together.

    Raises:
        UsageError: they do not, or the base cannot be found.
        JobError: there is no training clip.
    """
    checkpoint = find_base(config.base, config.revision, config.allow_pickle)
    if not recordings.clips:
        raise JobError("no usable training clip in the indexes; look at their status column")
    rate, shortest = recordings.sample_rate, min(clip.length for clip in recordings.clips)
    checkpoint.check_signal(rate, shortest)
    cut = min(shortest, checkpoint.kind.window or shortest, round(config.seconds * rate))
    checkpoint.check_signal(rate, cut)
    layer = _chosen_layer(checkpoint, config)
    _check_objectives(checkpoint, recordings.clips, cut, config)
    digest = base_digest(config.base, checkpoint, config.seed)
    request = request_of(recordings, config, digest)
    return Plan(config, recordings, checkpoint, layer, cut, request)


def request_of(recordings: Recordings, config: FinetuneConfig, digest: str) -> CheckpointRequest:
    """Return the request of a fine-tuning, the digest of its base being known."""
    name = config.base
    if name not in BUILTIN and Path(name).is_dir():
        name = Path(name).resolve().name  # no path of this machine
    return CheckpointRequest(
        version=VERSION,
        base={"name": name, "digest": digest},
        params=meant(config),
        inputs=_inputs_digest(recordings.clips),
        sample_rate=recordings.sample_rate,
        channel=recordings.channel,
    )


def meant(config: FinetuneConfig) -> dict[str, Any]:
    """Return the parameters that decide something: those of adapters only where there are any."""
    without = _NOT_MEANT if config.method == "lora" else _NOT_MEANT | _LORA
    return config.model_dump(mode="json", exclude=without)


def training_recordings(
    raw: Path, clips: Sequence[Clip], sample_rate: int, channel: Channel
) -> Recordings:
    """Return the usable normal training clips, ordered by machine, section and name."""
    chosen = [c for c in clips if c.usable and c.split == "train" and c.label != "anomaly"]
    chosen.sort(key=lambda clip: (clip.machine, clip.section, clip.name))
    return Recordings(raw, chosen, sample_rate, channel)


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
    layer = middle_layer(checkpoint.kind.layers) if config.layer == "auto" else config.layer
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
    if "classify" in objectives and not kinds_of_classes(clips):
        raise UsageError(
            "finetune.objectives: 'classify' needs two machines, sections or attributes among the"
            " training clips; choose contrastive or none"
        )
    if "contrastive" in objectives:
        if checkpoint.config["model_type"] != "wav2vec2":
            raise UsageError(
                f"{name}: the objective 'contrastive' is that of wav2vec2, and the checkpoint is of"
                f" {checkpoint.config['model_type']}; set finetune.objectives to classify"
            )
        frames = checkpoint.kind.grid.count(cut)
        if frames < _LEAST_CONTRASTIVE_FRAMES:
            raise UsageError(
                f"finetune.objectives: 'contrastive' needs {_LEAST_CONTRASTIVE_FRAMES} frames, and"
                f" {cut} samples give {frames}; set finetune.objectives to classify"
            )


def _inputs_digest(training: Sequence[Clip]) -> str:
    """Return the digest of the content and labels of training clips, in their order."""
    return sha256_json(
        [
            [c.machine, c.section, c.attributes, c.length, c.content, c.full_scale, REVISION]
            for c in training
        ]
    )


def finetune(recordings: Recordings, config: FinetuneConfig, folder: Path, work: Path) -> Account:
    """Fine-tune a checkpoint on training clips and write it to ``folder``.

    Nothing is done where the folder holds what these parameters and clips give. A run that is
    killed goes on from its last state and ends with the same weights.

    Args:
        recordings: from :func:`training_recordings`, of all machines.
        config: the parameters.
        folder: where the checkpoint goes.
        work: where the state of an unfinished run lies, on the same disk; gone when it is done.

    Raises:
        UsageError: the parameters, the base checkpoint and the clips do not go together; nothing
            was touched.
        JobError: there is no training clip, the loss is not finite, or the disk is full.
    """
    started = time.monotonic()
    plan = make_plan(recordings, config)
    resumed = updates = 0
    beside = work / "checkpoint"
    restore(folder)
    with claimed(folder / RECORD, plan.request) as wanted:
        if wanted:
            from asd.training.finetune_run import Run

            run = Run(plan, work / "state.safetensors")
            resumed = len(run.state.history)
            run.write(folder, beside)
            updates = len(run.state.history) - resumed
    # Beside a checkpoint that is there lies what a run left that was killed at its very end.
    shutil.rmtree(work if wanted else beside, ignore_errors=True)
    return Account(
        clips=len(recordings.clips),
        machines=len({clip.machine for clip in recordings.clips}),
        objectives=config.objectives,
        updates=updates,
        resumed=resumed,
        reused=not wanted,
        seconds=time.monotonic() - started,
    )
