"""The run of a fine-tuning: the objectives one after the other, and what comes of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from asd.device import choose_compute
from asd.features.projection import Head, Projection
from asd.features.transformer import LayerFrames
from asd.training.adapters import add_adapters, merge_adapters
from asd.training.artifact import write_checkpoint
from asd.training.data import Cuts
from asd.training.finetune_objectives import (
    AttentiveClassify,
    Classify,
    Contrastive,
    FrameObjective,
    has_quantizer,
)
from asd.training.labels import Classes, kinds_of_classes
from asd.training.loop import Course, State, go_through, identity
from asd.training.pretrained import fit_components, load_base

if TYPE_CHECKING:
    from asd.training.finetune import Plan

_LEAST_HIDDEN = 256  # casts to bfloat16 cost a CPU more than they save on narrower models
_LARGEST_GRADIENT = 1.0


def rate_at(step: int, steps: int, warm_up: float) -> float:
    """Return the share of the highest learning rate in update ``step``, from 0.

    It rises linearly over the first ``warm_up`` of the ``steps``, then falls linearly to zero.
    """
    rising = round(warm_up * steps)
    if step < rising:
        return (step + 1) / rising
    return (steps - step) / max(1, steps - rising)


class Run:
    """A run of all objectives over one body.

    Attributes:
        state: how far it is.
        body: the whole body.
    """

    def __init__(self, plan: Plan, state: Path) -> None:
        config = plan.config
        self.plan = plan
        self.compute = choose_compute(
            config.device,
            config.precision,
            "finetune",
            worthwhile=plan.checkpoint.kind.hidden >= _LEAST_HIDDEN,
        )
        self.body, self._beside = load_base(
            config.base, plan.checkpoint, config.seed, config.allow_pickle
        )
        if hasattr(self.body, "feature_extractor"):
            # Not by freeze_feature_encoder, which half of the family has at its heads alone.
            self.body.feature_extractor._freeze_parameters()
        if config.method == "lora":
            add_adapters(self.body, config.lora_rank, config.lora_alpha, config.seed)
        self.body.to(self.compute.device)
        # Taken before an objective leaves layers out: a state holds the whole body.
        self._trained = {k: w for k, w in self.body.named_parameters() if w.requires_grad}
        self.state = State(state, identity(plan.request, self.compute))

    def write(self, folder: Path, beside: Path) -> None:
        """Work through the objectives and write what comes of it to ``folder``."""
        plan, config = self.plan, self.plan.config
        classes = kinds_of_classes(plan.recordings.clips) if "classify" in config.objectives else {}
        tuned, extra = self._objectives(classes)
        weights, biases = fit_components(
            self.body,
            plan.recordings,
            config.rows,
            config.pca_clips,
            plan.checkpoint.kind,
            self.compute,
        )
        if tuned is None:
            assert plan.layer is not None  # a mix is learned, and so is its projection
            tuned = Projection(weights[plan.layer], biases[plan.layer], plan.layer)
        origin = "continued" if has_quantizer(self._beside) else "new"
        facts = {
            "clips": len(plan.recordings.clips),
            "machines": sorted({clip.machine for clip in plan.recordings.clips}),
            "classes": {kind: list(one.names) for kind, one in classes.items()},
            "layer": "mix" if tuned.layer is None else tuned.layer,
            "projection": "trained" if classes else "principal components",
            "quantizer": origin if "contrastive" in config.objectives else None,
            "computed": self.compute.describe(),
            "last": self.state.history[-1] if self.state.history else {},
        }
        head = Head(tuned, pca_weight=weights, pca_bias=biases, extra=extra)
        write_checkpoint(
            folder,
            beside,
            plan.checkpoint,
            self.body,
            head,
            plan.request,
            facts,
            self.state.history,
        )

    def _objectives(
        self, classes: dict[str, Classes]
    ) -> tuple[Projection | None, dict[str, np.ndarray]]:
        """Return the projection that was trained, if one was, and the weights of its classifiers.

        Afterwards the body is a plain one: adapters are in its weights.
        """
        plan, config = self.plan, self.plan.config
        trained: tuple[Projection | None, dict[str, np.ndarray]] = (None, {})
        for number, name in enumerate(config.objectives):
            if len(self.state.history) > (number + 1) * config.steps:
                continue
            cuts = Cuts(plan.recordings, plan.cut, config.batch_size, (config.seed, number))
            shared = config, cuts, plan.checkpoint.kind
            if name == "contrastive":
                self._train(Contrastive(*shared, self.body, self._beside), number)
                continue
            classifier = AttentiveClassify if config.method == "lora" else Classify
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(config.seed)
                objective = classifier(*shared, LayerFrames(self.body, plan.layer), classes)
            self._train(objective, number)
            trained = self._finish(objective)
        if config.method == "lora":
            merge_adapters(self.body)
        return trained

    def _train(self, objective: FrameObjective, number: int) -> None:
        """Make the updates of an objective, from an interrupted run's state if there is one."""
        config, module = self.plan.config, objective.module.to(self.compute.device)
        inside = {id(weight) for weight in self._trained.values()}
        learned = {k: w for k, w in module.named_parameters() if w.requires_grad}
        new = {k: w for k, w in learned.items() if id(w) not in inside}
        groups: list[dict[str, Any]] = [
            {"params": [w for w in learned.values() if id(w) in inside]},
            {"params": list(new.values()), "lr": config.head_learning_rate},
        ]
        name = config.objectives[number]
        go_through(
            objective,
            module,
            {f"body.{k}": w for k, w in self._trained.items()}
            | {f"new.{k}": w for k, w in new.items()},
            torch.optim.AdamW(groups, lr=config.learning_rate, weight_decay=config.weight_decay),
            Course(
                what=f"fine-tune {name}",
                section="finetune",
                unit="update",
                rounds=config.steps,
                seed=(config.seed, 2, number),
                before=number * config.steps,
                accumulate=config.accumulate,
                rate=lambda update: rate_at(update, config.steps, config.warm_up),
                largest_gradient=_LARGEST_GRADIENT,
                facts={"objective": name},
            ),
            self.state,
            self.compute,
        )

    def _finish(self, objective: Classify) -> tuple[Projection, dict[str, np.ndarray]]:
        """Give the body its layers back; return the projection and the classifiers' weights."""
        parts = dict(objective.module.items())
        frames: LayerFrames = parts["frames"]
        frames.whole()
        projection = _arrays(parts["projection"])
        mix = None if frames.mix is None else frames.mix.detach().cpu().numpy()
        extra = {
            f"{name}.{key}": values
            for name in objective.heads
            for key, values in _arrays(parts[name]).items()
        }
        tuned = Projection(projection["weight"], projection["bias"], self.plan.layer, mix)
        return tuned, extra


def _arrays(module: nn.Module) -> dict[str, np.ndarray]:
    return {key: value.detach().cpu().numpy() for key, value in module.state_dict().items()}
