"""A network that is a plain function, to test what stands on its output."""

import numpy as np

from vipecli.embedding.embed import Model


class Session:
    """Stand in for a network: the mean is what `function` makes of the joints."""

    def __init__(self, function, metadata=(), std=0.1):
        self.function, self.metadata, self.std = function, dict(metadata), std

    def run(self, names, inputs):
        mean = self.function(inputs["joints"], inputs["visibility"]).astype(np.float32)
        return mean, np.full_like(mean, self.std)


def model(function, dims, metadata=(), sigmoid=(5.0, 2.0), std=0.1) -> Model:
    """Return a model whose means are what `function` makes of joints and visibility."""
    return Model("stub:0", sigmoid, dims, "nothing", Session(function, metadata, std))
