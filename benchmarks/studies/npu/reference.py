"""The networks whose latencies were published, by name."""

from collections.abc import Callable, Mapping

import onnx

from lpie.benchmarks.studies.npu import classifiers, restorers
from lpie.benchmarks.studies.npu.builder import Builder, Value

Build = Callable[[Builder], Value]
_R50 = (3, 4, 6, 3)


def _classified(features: Build) -> Build:
    return lambda b: b.classes(features(b))


# Small ones first: a compiler takes seconds for the first and many minutes for the last.
NETWORKS: Mapping[str, tuple[int, int, Build]] = {
    "quicksrnetsmall": (128, 128, lambda b: restorers.quicksrnet(b, 32, 2)),
    "quicksrnetmedium": (128, 128, lambda b: restorers.quicksrnet(b, 32, 5)),
    "quicksrnetlarge": (128, 128, lambda b: restorers.quicksrnet(b, 64, 11, anchored=True)),
    "sesr_m5": (128, 128, restorers.sesr),
    "xlsr": (128, 128, restorers.xlsr),
    "squeezenet1_1": (224, 224, classifiers.squeezenet),
    "mobilenet_v2": (224, 224, classifiers.mobilenet_v2),
    "mnasnet05": (224, 224, classifiers.mnasnet05),
    "mobilenet_v3_small": (
        224,
        224,
        lambda b: classifiers.mobilenet_v3(b, classifiers.MOBILENET_V3_SMALL, 1024),
    ),
    "mobilenet_v3_large": (
        224,
        224,
        lambda b: classifiers.mobilenet_v3(b, classifiers.MOBILENET_V3_LARGE, 1280),
    ),
    "resnet18": (
        224,
        224,
        _classified(lambda b: classifiers.resnet(b, (2, 2, 2, 2), bottleneck=False)),
    ),
    "googlenet": (224, 224, classifiers.googlenet),
    "efficientnet_b0": (224, 224, lambda b: classifiers.efficientnet(b, 1.0, 1.0)),
    "densenet121": (224, 224, classifiers.densenet121),
    "inception_v3": (224, 224, classifiers.inception_v3),
    "resnet50": (224, 224, _classified(lambda b: classifiers.resnet(b, _R50))),
    "resnext50": (224, 224, _classified(lambda b: classifiers.resnet(b, _R50, groups=32, width=4))),
    "real_esrgan_general_x4v3": (128, 128, restorers.srvgg),
    "efficientnet_b4": (224, 224, lambda b: classifiers.efficientnet(b, 1.4, 1.8)),
    "efficientnet_v2_s": (224, 224, classifiers.efficientnet_v2_s),
    "resnet101": (224, 224, _classified(lambda b: classifiers.resnet(b, (3, 4, 23, 3)))),
    "wideresnet50": (224, 224, _classified(lambda b: classifiers.resnet(b, _R50, width=128))),
    "fcn_resnet50": (520, 520, classifiers.fcn_resnet50),
    "real_esrgan_x4plus": (128, 128, restorers.rrdb),
    "unet_segmentation": (640, 1280, restorers.unet),
}


def build(name: str, *, int8: bool) -> onnx.ModelProto:
    """The network `name` with random weights, at the size of its published latency."""
    height, width, network = NETWORKS[name]
    builder = Builder(height, width, int8=int8)
    return builder.finish(network(builder))
