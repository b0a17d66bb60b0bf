"""View-invariant probabilistic embeddings of 2D poses (Sun et al., ECCV 2020)."""

from dataclasses import dataclass

import numpy as np

from vipecli.errors import FormatError


@dataclass(frozen=True)
class Embeddings:
    """One Gaussian per frame, in the space of one model.

    Attributes
    ----------
    mean, std
        shape (T, D) float32: mean and standard deviation per dimension; a row of NaN where no
        person was found.
    times
        shape (T,) float64, presentation times in seconds.
    model
        name of the weights and the first 8 hex digits of their SHA-256, ``prvipe-1:0123abcd``.
    sigmoid
        the model's (a, b) of p(z1, z2) = 0.9 sigmoid(-a |z1 - z2| + b) + 0.05 (equation 5).
    """

    mean: np.ndarray
    std: np.ndarray
    times: np.ndarray
    model: str
    sigmoid: tuple[float, float]

    def __post_init__(self) -> None:
        """Check the shapes once.

        Raises
        ------
        FormatError
            if the shapes of mean, std and times disagree.
        """
        if self.mean.shape != self.std.shape or len(self.mean) != len(self.times):
            raise FormatError(
                f"embeddings: mean {self.mean.shape}, std {self.std.shape} and "
                f"{len(self.times)} times do not belong together"
            )

    def __len__(self) -> int:
        """Return the number of frames, T."""
        return len(self.times)
