"""One number from a range of settings."""

import math

from numpy.random import Generator

from lpie.config.degrade import Range


def uniform(rng: Generator, bounds: Range) -> float:
    """Between low and high; low where they are equal, without using the generator."""
    return float(rng.uniform(*bounds)) if bounds[0] != bounds[1] else bounds[0]


def log_uniform(rng: Generator, bounds: Range) -> float:
    """Between low and high, both above 0, each factor as likely as its inverse."""
    return math.exp(uniform(rng, (math.log(bounds[0]), math.log(bounds[1]))))
