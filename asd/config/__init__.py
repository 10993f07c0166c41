"""Typed parameters: one frozen model for each section of ``pipeline/params.yaml``.

A component (an extractor, a network, a scorer) has its own settings, which live beside its code;
here they are plain mappings, checked when the component is built.
"""

from __future__ import annotations

from asd.config.base import (
    Device,
    Name,
    Positive,
    Precision,
    Settings,
    settings,
)
from asd.config.finetune import (
    FinetuneConfig,
    Objective,
)
from asd.config.learning import (
    ALL,
    CLASS_PARTS,
    ClassPart,
    EmbedConfig,
    ExtractConfig,
    LossWeights,
    ModelConfig,
    TrainConfig,
)
from asd.config.scoring import (
    SELECTED,
    EvaluateConfig,
    FusionConfig,
    LadderRow,
    ScoreConfig,
    ScorerConfig,
    SelectConfig,
    SystemConfig,
)
from asd.config.sound import (
    DatasetConfig,
    IndexConfig,
    Rules,
    SynthConfig,
)

__all__ = [
    "ALL",
    "CLASS_PARTS",
    "SELECTED",
    "ClassPart",
    "DatasetConfig",
    "Device",
    "EmbedConfig",
    "EvaluateConfig",
    "ExtractConfig",
    "FinetuneConfig",
    "FusionConfig",
    "IndexConfig",
    "LadderRow",
    "LossWeights",
    "ModelConfig",
    "Name",
    "Objective",
    "Positive",
    "Precision",
    "Rules",
    "ScoreConfig",
    "ScorerConfig",
    "SelectConfig",
    "Settings",
    "SynthConfig",
    "SystemConfig",
    "TrainConfig",
    "settings",
]
