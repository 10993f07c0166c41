"""How the pre-trained model is fitted to the machines: the section finetune."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from asd.config.base import Device, Positive, Precision, Settings

Objective = Literal["contrastive", "classify"]


class FinetuneConfig(Settings):
    """How wav2vec 2.0 is fitted to the machines.

    Attributes:
        base: ``"builtin:tiny"``, a local folder, or a name on the Hugging Face hub.
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
    method: Literal["full", "lora"] = "full"
    lora_rank: Positive = 64
    lora_alpha: float = Field(64.0, gt=0)
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
