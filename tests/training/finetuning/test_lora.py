"""Low-rank adapters: what they are, what they train, and what is left of them."""

import csv

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file as load_arrays
from safetensors.torch import load_file

from asd.training.adapters import add_adapters, merge_adapters
from asd.training.artifact import read_checkpoint_record
from asd.training.pretrained import find_base, load_base
from tests.training.conftest import contents

WAVES = torch.randn(2, 3200, generator=torch.Generator().manual_seed(1))


def tiny():
    return load_base("builtin:tiny", find_base("builtin:tiny"), 0)[0]


@pytest.fixture
def lora(config):
    def make(**changes):
        return config(**{"method": "lora", "lora_rank": 4, "lora_alpha": 8} | changes)

    return make


def test_they_begin_as_nothing_and_merge_exactly():
    model = tiny()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.inference_mode():
        wanted = model(WAVES).last_hidden_state
    add_adapters(model, rank=4, alpha=8, seed=0)
    with torch.inference_mode():
        assert torch.equal(model(WAVES).last_hidden_state, wanted)
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert len(trained) == 2 * 2 * 4  # two maps of two factors in each of four layers
    assert all(".parametrizations.weight.0." in name for name in trained)
    factors = {}
    for name, parameter in trained.items():
        parameter.data.normal_(generator=torch.Generator().manual_seed(len(name)))
        factors[name] = parameter.detach().double().numpy()
    with torch.inference_mode():
        adapted = model(WAVES).last_hidden_state
    assert not torch.allclose(adapted, wanted, atol=1e-2)
    merge_adapters(model)
    after = model.state_dict()
    assert set(after) == set(before)
    with torch.inference_mode():
        assert torch.equal(model(WAVES).last_hidden_state, adapted)
    for name, value in after.items():
        place = name.removesuffix("weight") + "parametrizations.weight.0"
        if f"{place}.up" not in factors:
            assert torch.equal(value, before[name]), name
            continue
        wanted_weight = before[name].double().numpy() + 2 * (
            factors[f"{place}.up"] @ factors[f"{place}.down"]
        )
        np.testing.assert_allclose(value.numpy(), wanted_weight, rtol=1e-5, atol=1e-5)


def test_the_seed_makes_them_and_nothing_else_does():
    before = torch.random.get_rng_state()
    models = []
    for seed in (0, 0, 1):
        models.append(tiny())
        add_adapters(models[-1], rank=4, alpha=8, seed=seed)
    assert torch.equal(torch.random.get_rng_state(), before)
    key = "encoder.layers.1.attention.v_proj.parametrizations.weight.0.down"
    first, same, other = (model.state_dict()[key] for model in models)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_queries_and_values_alone_are_trained(run, folder, lora):
    from transformers import AutoModel

    run(lora(steps=30, learning_rate=3e-3))
    before, after = tiny().state_dict(), load_file(folder / "model.safetensors")
    assert set(before) == set(after)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    maps = {f"encoder.layers.{i}.attention.{m}_proj.weight" for i in range(3) for m in "qv"}
    assert changed == maps  # the layer that is projected is the third of four
    for name in maps:
        singular = torch.linalg.svdvals((after[name] - before[name]).double())
        assert singular[3] > 1e-4  # of rank 4, up to the rounding of the sum
        assert singular[4] < 1e-3 * singular[0]
    library = AutoModel.from_pretrained(folder).state_dict()
    assert all(torch.equal(after[name], library[name]) for name in after)
    with (folder / "history.csv").open() as file:
        history = [float(row["loss"]) for row in csv.DictReader(file)]
    assert np.mean(history[-5:]) < 0.8 * np.mean(history[:5])
    assert read_checkpoint_record(folder).request["params"]["method"] == "lora"
    head = load_arrays(folder / "asd_head.safetensors")
    assert head["extra.classifiers.attributes.centres"].shape == (6 * 16, 256)


@pytest.mark.parametrize("layer", [2, "mix"])
def test_a_killed_run_ends_with_the_same_bytes(layer, run, folder, lora, killed_at):
    both = lora(objectives=["contrastive", "classify"], steps=5, layer=layer, batch_size=3)
    run(both, "undisturbed")
    killed_at(4, 9)
    for _ in range(2):  # once in each objective
        with pytest.raises(KeyboardInterrupt):
            run(both)
    account = run(both)
    assert 0 < account.resumed < 10
    assert contents(folder) == contents(folder.with_name("undisturbed"))


def test_settings_of_adapters_mean_something_only_to_adapters(run, folder, config, lora):
    run(config(steps=1))
    assert run(config(steps=1, lora_rank=7)).reused
    assert "lora_rank" not in read_checkpoint_record(folder).request["params"]
    assert not run(lora(steps=1)).reused
    assert run(lora(steps=1)).reused
    assert not run(lora(steps=1, lora_alpha=9)).reused
