"""The names of delegates, the same wherever one is typed: to inspect a file or to time it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Named:
    """A delegate. `rules`: the table in `lpie.export.delegates` that says what it takes, "" where
    there is none. `timed`: whether `lpie bench` runs it."""

    about: str
    rules: str = ""
    timed: bool = True


DELEGATES = {
    "cpu": Named("TFLite's own kernels, which run every builtin op"),
    "xnnpack": Named("the fast kernels for CPUs", rules="xnnpack"),
    "gpu": Named("the GPU delegate, by OpenCL where the phone has it", rules="gpu"),
    "gpu-cl": Named("the GPU delegate by OpenCL", rules="gpu"),
    "gpu-gl": Named("the GPU delegate by OpenGL", rules="gpu-gl"),
    "mldrift": Named("ML Drift, LiteRT's own GPU accelerator", rules="mldrift", timed=False),
    "nnapi": Named("NNAPI; its newest rules are those of Android API 31", rules="nnapi-31"),
    "npu": Named("LiteRT's NPU accelerator; `lpie inspect --npu` asks the maker's compiler"),
}
