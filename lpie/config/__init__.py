"""The settings of a training run."""

from lpie.config.config import Config, DataConfig, LossConfig, ModelConfig, TrainConfig, load_config

__all__ = ["Config", "DataConfig", "LossConfig", "ModelConfig", "TrainConfig", "load_config"]
