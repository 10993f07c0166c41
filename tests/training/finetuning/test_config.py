"""The parameters of fine-tuning."""

import pytest

from asd.config import FinetuneConfig, settings
from asd.errors import UsageError


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("none", ()),
        (None, ()),
        ([], ()),
        ("classify", ("classify",)),
        (["contrastive", "classify"], ("contrastive", "classify")),
    ],
)
def test_objectives(given, meant):
    assert settings(FinetuneConfig, {"objectives": given}, "finetune").objectives == meant


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"objectives": "regress"}, "finetune: objectives"),
        ({"layer": "last"}, "finetune: layer"),
        ({"learning_rat": 1}, "unknown key 'learning_rat'.*'learning_rate'"),
        ({"warm_up": 2}, "finetune: warm_up"),
        ({"method": "adapters"}, "finetune: method"),
        ({"lora_rank": 0}, "finetune: lora_rank"),
        ({"lora_alpha": 0}, "finetune: lora_alpha"),
    ],
)
def test_impossible_values(values, message):
    with pytest.raises(UsageError, match=message):
        settings(FinetuneConfig, values, "finetune")
