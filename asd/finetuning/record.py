"""finetune.json: what made a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asd.device import Compute
from asd.features.projection import Head
from asd.finetuning.base import BUILTIN
from asd.finetuning.batches import label_clips
from asd.finetuning.plan import Plan, meant
from asd.versions import versions

_LIBRARIES = ("numpy", "safetensors", "torch", "transformers")


def make_record(
    plan: Plan,
    compute: Compute,
    head: Head,
    history: Sequence[dict[str, Any]],
    quantizer: str | None,
) -> dict[str, Any]:
    """Return the content of finetune.json: no time, no host, no path of this machine.

    Args:
        plan: what was done.
        compute: where.
        head: the projection that came of it.
        history: one row an update.
        quantizer: whether the quantizer of a contrastive objective was ``"continued"`` from the
            base or ``"new"``; None without such an objective.
    """
    config, clips = plan.config, plan.recordings.clips
    name = config.base
    if name not in BUILTIN and Path(name).is_dir():
        name = Path(name).resolve().name
    layer: Any = "mix" if head.tuned.layer is None else head.tuned.layer
    return {
        "identity": plan.identity,
        "base": {"name": name, "revision": config.revision, "digest": plan.base_digest},
        "params": meant(config) | {"base": name},
        "inputs": {
            "clips": len(clips),
            "machines": sorted({clip.machine for clip in clips}),
            "digest": plan.inputs_digest,
        },
        "classes": label_clips(clips).classes if "classify" in config.objectives else {},
        "layer": layer,
        "projection": "trained" if "classify" in config.objectives else "principal components",
        "quantizer": quantizer,
        "seed": config.seed,
        "computed": compute.describe(),
        "versions": versions(*_LIBRARIES),
        "last": history[-1] if history else {},
    }
