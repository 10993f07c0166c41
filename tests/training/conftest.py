"""A small store for the tests of training."""

from contextlib import contextmanager
from types import MappingProxyType

import numpy as np
import pytest

from asd.artifact import RECORD
from asd.clip_table import ClipTable
from asd.config import EmbedConfig, LossWeights, ModelConfig, TrainConfig
from asd.digest import sha256_json
from asd.store import FeatureStore, ShardSpec, ShardWriter
from asd.training import loop
from asd.training.artifact import load_model
from asd.training.embedding import embed
from asd.training.train import make_plan, train
from tests.made import one_thread as one_thread

FRAMES, LENGTH = 11, 5_120
SHAPES = {"logmel": ((16, FRAMES), "float16"), "wave": ((LENGTH,), "int16")}
SMALL = {"channels": [8, 12], "kernels": [3, 1], "dilations": [1, 1], "embedding": 6}


def contents(folder):
    """The files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def fill(tmp_path):
    """Write shards: sections x clips, each section and machine at its level, attributes in turn."""

    def run(
        sections,
        attributes=("speed=1", "speed=2"),
        split="train",
        root="features",
        machine="fan",
        shapes=SHAPES,
        recipes=MappingProxyType({}),
        label="normal",
        domains=("source",),
    ):
        store = FeatureStore(tmp_path / root)
        above = 0 if machine == "fan" else 50
        for feature, (shape, dtype) in shapes.items():
            for section, count in sections.items():
                names = [f"{section}_{split}_{i:03d}.wav" for i in range(count)]
                table = ClipTable.of_columns(
                    {
                        "name": names,
                        "recording": names,
                        "section": [section] * count,
                        "split": [split] * count,
                        "domain": [domains[i % len(domains)] for i in range(count)],
                        "label": [label] * count,
                        "attributes": [attributes[i % len(attributes)] for i in range(count)],
                        "content": [sha256_json(name) for name in names],
                    }
                )
                random = np.random.default_rng([int(section), len(feature), len(split)])
                rows = random.normal(size=(count, *shape)) * 10 + 20 * int(section) + above
                recipe = dict(recipes.get(feature, {"of": feature}))
                spec = ShardSpec(machine, feature, section, split, recipe, shape, dtype)
                path = store.path(machine, feature, section, split)
                with ShardWriter(path, spec, table) as writer:
                    writer.write(range(count), rows.astype(dtype))
                    writer.finish()
        return store

    return run


@pytest.fixture
def fit(model, config, tmp_path):
    """Plan a training and do it; the model goes into a folder, the state beside it."""

    def run(store, folder="model", machine="fan", model=model, config=config):
        plan = make_plan(store, machine, "m", model, config)
        return train(plan, "m", tmp_path / folder / RECORD, tmp_path / f"{folder}.state")

    return run


@pytest.fixture
def embedded(tmp_path):
    """Embed the training clips of a machine by the model in a folder."""

    def run(store, folder="model", machine="fan"):
        trained = load_model(tmp_path / folder / RECORD)
        config = EmbedConfig(batch_size=4, precision="float32")
        return embed(store, machine, trained, "train", config)

    return run


@pytest.fixture
def dying(monkeypatch):
    """Return a context in which a training dies after its first epoch, its state being saved."""

    @contextmanager
    def block():
        plain = loop.State.save

        def save_and_die(*arguments):
            plain(*arguments)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(loop.State, "save", save_and_die)
            yield

    return block


@pytest.fixture
def model():
    losses = LossWeights(cross_entropy=1, triplet=1, auxiliary=1)
    return ModelConfig(features=("logmel", "wave"), settings=SMALL, losses=losses)


@pytest.fixture
def config():
    return TrainConfig(
        epochs=4, learning_rate=2e-3, classes_per_batch=3, clips_per_class=4, precision="float32"
    )
