"""finetune: the pre-trained model, fitted to the machines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from asd.artifact import RECORD
from asd.config import FinetuneConfig
from asd.stages import lack_of
from asd.stages.check import check
from asd.stages.extract import reads_checkpoint
from asd.stages.index import clips_of
from asd.workspace import Workspace

if TYPE_CHECKING:
    from asd.training.artifact import CheckpointRequest
    from asd.training.data import Recordings
    from asd.training.finetune import Account


def is_needed(workspace: Workspace) -> bool:
    """Return whether any feature that is read needs the fine-tuned checkpoint."""
    return any(reads_checkpoint(workspace, feature) for feature in workspace.params.read_features)


def run(workspace: Workspace) -> Iterator[Account]:
    """Fine-tune the pre-trained model on the training clips of all machines.

    Nothing where no feature reads a checkpoint. One that is there already for the same clips and
    params is kept; an interrupted run goes on from where it was.

    Raises:
        UsageError: the parameters, the base and the clips do not go together.
        JobError: there is no training clip, or the disk is full.
    """
    check(workspace)
    from asd.training.finetune import finetune

    if not is_needed(workspace):
        # The stage has an output whether or not a feature reads it.
        workspace.ptm.mkdir(parents=True, exist_ok=True)
        return
    work = workspace.checkpoints / "train" / "ptm"
    yield finetune(_recordings(workspace), _config(workspace), workspace.ptm, work)


def request(workspace: Workspace) -> CheckpointRequest:
    """Return what the checkpoint would be made of now; no weights are fetched from a hub.

    Raises:
        UsageError: there is no index, or the base is not here.
    """
    from asd.training.artifact import read_checkpoint_record
    from asd.training.finetune import request_of
    from asd.training.pretrained import BUILTIN, base_digest, find_base

    config, recordings = _config(workspace), _recordings(workspace)
    if config.base in BUILTIN or (workspace.root / config.base).is_dir():
        digest = base_digest(config.base, find_base(config.base), config.seed)
    else:
        # What lies on the hub under this name is taken to be what was fetched then.
        was = read_checkpoint_record(workspace.ptm).request["base"]
        digest = was["digest"] if was["name"] == config.base else ""
    return request_of(recordings, config, digest)


def lacks(workspace: Workspace) -> str:
    """Say how the checkpoint differs from the params and the training clips; ``""`` if not."""
    return lack_of(workspace.ptm / RECORD, lambda: request(workspace))


def _recordings(workspace: Workspace) -> Recordings:
    from asd.training.finetune import training_recordings

    index = workspace.params.index
    clips = [clip for machine in workspace.machines() for clip in clips_of(workspace, machine)]
    return training_recordings(workspace.raw, clips, index.sample_rate, index.channel)


def _config(workspace: Workspace) -> FinetuneConfig:
    config = workspace.params.finetune
    folder = workspace.root / config.base
    return config.model_copy(update={"base": str(folder)}) if folder.is_dir() else config
