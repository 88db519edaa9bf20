"""Training images per second of lpie and of a plain PyTorch training of the same network.

    python -m lpie.benchmarks.training_speed
"""

import contextlib
import dataclasses
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.random import default_rng

from lpie.benchmarks.child import Child
from lpie.benchmarks.measure import photo_like
from lpie.benchmarks.script import markdown, sentences
from lpie.config import Config, to_dict
from lpie.errors import InputError, LpieError, unknown_name
from lpie.files import to_json
from lpie.machine import environment

BACKENDS = ("tensorflow", "jax", "torch")
PRECISIONS = ("float32", "bfloat16")
BATCHES = 4  # different ones that the steps go through
# Largest relative difference between lpie and PyTorch on the same weights: of the loss, of the
# first gradient, and of how far the averaged weights move in as many steps as there are batches.
# Rounding alone gave 2e-7, 2e-6 and 1e-4; a PyTorch without clipping gives 0.9 for the last.
TOLERANCES = {"loss": 1e-5, "gradient": 1e-4, "weights": 1e-2}
