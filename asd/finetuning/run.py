"""Fine-tuning wav2vec 2.0 on training clips (paper section II-A): from clips to a checkpoint."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from asd.artifact import RECORD, is_current
from asd.atomic import restore
from asd.clips.record import Clip
from asd.config import Channel, FinetuneConfig
from asd.device import choose_compute
from asd.features.projection import Head, Projection
from asd.features.transformer import LayerFrames
from asd.finetuning.artifact import write_checkpoint
from asd.finetuning.base import load_base
from asd.finetuning.batches import label_clips
from asd.finetuning.components import fit_components
from asd.finetuning.loop import (
    Setting,
    load_state,
    make_optimizer,
    read_progress,
    save_state,
    train,
)
from asd.finetuning.lora import add_adapters, merge_adapters
from asd.finetuning.objectives import (
    AttentiveClassify,
    Classify,
    Contrastive,
    Objective,
    has_quantizer,
    masker,
)
from asd.finetuning.plan import Plan, make_plan

_LEAST_HIDDEN = 256  # casts to bfloat16 cost a CPU more than they save on narrower models


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


def finetune(
    raw: Path,
    clips: Sequence[Clip],
    sample_rate: int,
    channel: Channel,
    config: FinetuneConfig,
    folder: Path,
    work: Path,
) -> Account:
    """Fine-tune a checkpoint on the training clips among ``clips`` and write it to ``folder``.

    Nothing is done where the folder holds what these parameters and clips give. A run that is
    killed goes on from its last state and ends with the same weights.

    Args:
        raw: the folder that the clips' paths begin at.
        clips: the indexes of all machines, one after the other.
        sample_rate: the rate clips are read at.
        channel: the channel that is read.
        config: the parameters.
        folder: where the checkpoint goes.
        work: where the state of an unfinished run lies, on the same disk; gone when it is done.

    Raises:
        UsageError: the parameters, the base checkpoint and the clips do not go together; nothing
            was touched.
        JobError: there is no training clip, the loss is not finite, or the disk is full.
    """
    started = time.monotonic()
    plan = make_plan(raw, clips, sample_rate, channel, config)
    count, machines = len(plan.recordings.clips), len({c.machine for c in plan.recordings.clips})

    def account(updates: int, resumed: int, reused: bool) -> Account:
        seconds = time.monotonic() - started
        return Account(count, machines, config.objectives, updates, resumed, reused, seconds)

    beside = work / "checkpoint"
    restore(folder)
    if is_current(folder / RECORD, plan.request):
        shutil.rmtree(beside, ignore_errors=True)  # of a run that was killed at its very end
        return account(0, 0, reused=True)
    run = _Run(plan, work / "state.safetensors")
    resumed = len(run.progress.history)
    tuned = run.objectives()
    weights, biases = run.components()
    if tuned is None:
        assert plan.layer is not None  # a mix is learned, and so is its projection
        tuned = Projection(weights[plan.layer], biases[plan.layer], plan.layer)
    head = Head(tuned, pca_weight=weights, pca_bias=biases, extra=run.extra)
    history = run.progress.history
    write_checkpoint(
        folder, beside, plan.checkpoint, run.model, head, plan.request, run.facts(head), history
    )
    shutil.rmtree(work, ignore_errors=True)
    return account(len(run.progress.history) - resumed, resumed, reused=False)


class _Run:
    """A run of all objectives over one model.

    Attributes:
        progress: how far it is.
        model: the whole body.
        compute: where it is computed.
        quantizer: where the quantizer of a contrastive objective came from.
        extra: weights that fine-tuning needed besides the body and the projection.
    """

    def __init__(self, plan: Plan, state: Path) -> None:
        config = plan.config
        self.plan, self._state = plan, state
        self.compute = choose_compute(
            config.device,
            config.precision,
            "finetune",
            worthwhile=plan.checkpoint.hidden >= _LEAST_HIDDEN,
        )
        self.model, self._head = load_base(
            config.base, plan.checkpoint, config.seed, config.allow_pickle
        )
        # Not by freeze_feature_encoder, which half of the family has at its heads alone.
        self.model.feature_extractor._freeze_parameters()
        if config.method == "lora":
            add_adapters(self.model, config.lora_rank, config.lora_alpha, config.seed)
        self.model.to(self.compute.device)
        # Taken before an objective leaves layers out: a state holds the whole body.
        self._body = {
            f"body.{name}": weight
            for name, weight in self.model.named_parameters()
            if weight.requires_grad
        }
        self.progress = read_progress(state, plan.request.digest)
        contrastive = "contrastive" in config.objectives
        origin = "continued" if has_quantizer(self._head) else "new"
        self.quantizer = origin if contrastive else None
        self.extra: dict[str, Any] = {}

    def objectives(self) -> Projection | None:
        """Work through the objectives and return the projection that was trained, if one was.

        Afterwards the model is a plain one: adapters are in its weights.
        """
        trained = None
        for number, name in enumerate(self.plan.config.objectives):
            if number < self.progress.objective:
                continue
            objective = self._contrastive() if name == "contrastive" else self._classify()
            self._train(objective, number)
            trained = self._finish(objective) if isinstance(objective, Classify) else None
        if self.plan.config.method == "lora":
            merge_adapters(self.model)
        return trained

    def facts(self, head: Head) -> dict[str, Any]:
        """Return what came of the run, for the record of its checkpoint."""
        config, clips = self.plan.config, self.plan.recordings.clips
        classifying = "classify" in config.objectives
        return {
            "clips": len(clips),
            "machines": sorted({clip.machine for clip in clips}),
            "classes": label_clips(clips).classes if classifying else {},
            "layer": "mix" if head.tuned.layer is None else head.tuned.layer,
            "projection": "trained" if classifying else "principal components",
            "quantizer": self.quantizer,
            "computed": self.compute.describe(),
            "last": self.progress.history[-1] if self.progress.history else {},
        }

    def components(self) -> tuple[Any, Any]:
        """Return the principal components of all layers."""
        plan = self.plan
        return fit_components(
            self.model,
            plan.recordings,
            plan.config.rows,
            plan.config.pca_clips,
            plan.checkpoint.normalize,
            self.compute,
        )

    def _contrastive(self) -> Contrastive:
        config = self.plan.config
        hide = masker(config.contrastive_mask_share, config.mask_span, fit=True)
        return Contrastive(self.model, self._head, hide, config.seed)

    def _classify(self) -> Classify:
        plan, config = self.plan, self.plan.config
        kind = AttentiveClassify if config.method == "lora" else Classify
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            return kind(
                LayerFrames(self.model, plan.layer),
                plan.checkpoint.hidden,
                config.rows,
                label_clips(plan.recordings.clips),
                masker(config.mask_share, config.mask_span, fit=False),
            )

    def _train(self, objective: Objective, number: int) -> None:
        """Make the updates of an objective, from an interrupted run's state if there is one."""
        plan = self.plan
        objective.module.to(self.compute.device)
        optimizer = make_optimizer(objective, self._body, plan.config)
        inside = {id(weight) for weight in self._body.values()}
        parameters = self._body | {
            f"new.{name}": weight
            for name, weight in objective.module.named_parameters()
            if weight.requires_grad and id(weight) not in inside
        }
        if number == self.progress.objective and self.progress.history:
            load_state(self._state, parameters, optimizer)
        else:
            self.progress.objective, self.progress.step = number, 0

        def save() -> None:
            save_state(self._state, plan.request.digest, self.progress, parameters, optimizer)

        setting = Setting(
            plan.config, plan.recordings, plan.cut, plan.checkpoint.normalize, self.compute
        )
        train(objective, optimizer, setting, self.progress, save)

    def _finish(self, objective: Classify) -> Projection:
        """Give the model its layers back, keep the classifiers, and return the projection."""
        frames: Any = objective.module["frames"]
        frames.whole()
        projection, *rest = (
            {key: value.detach().cpu().numpy() for key, value in part.state_dict().items()}
            for part in (objective.module[name] for name in ("projection", *objective.heads))
        )
        for name, values in zip(objective.heads, rest, strict=True):
            self.extra |= {f"{name}.{key}": value for key, value in values.items()}
        return Projection(
            weight=projection["weight"],
            bias=projection["bias"],
            layer=self.plan.layer,
            mix=None if frames.mix is None else frames.mix.detach().cpu().numpy(),
        )
