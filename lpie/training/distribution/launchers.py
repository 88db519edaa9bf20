"""The hosts of a job as its launcher tells them, in the environment of every process."""

import json
import re
from collections.abc import Mapping

from lpie.errors import InputError, shown
from lpie.system.documents import parse_json

PORT = 9000  # of the first process of a machine, where the launcher names none
MOST_HOSTS = 10_000


def hosts_of(environment: Mapping[str, str]) -> tuple[list[str], int]:
    """(`address:port` of every process, the position of this one).

    `TF_CONFIG` lists them all, as Kubeflow, Vertex AI and SageMaker set it. Slurm lists its
    machines. Raises an `InputError` where neither is there.
    """
    if "TF_CONFIG" in environment:
        return _of_tf_config(environment["TF_CONFIG"])
    if "SLURM_PROCID" in environment:
        return _of_slurm(environment)
    raise InputError(
        "`hosts` auto needs a launcher that names them: TF_CONFIG (Kubeflow, Vertex AI) or Slurm "
        "(srun). Received: neither. Give --hosts ADDRESS:PORT,... and --host."
    )


def _of_tf_config(text: str) -> tuple[list[str], int]:
    """The tasks of a cluster; a chief comes before the workers."""
    try:
        config = parse_json(text)
        cluster, task = config["cluster"], config["task"]
        order = [kind for kind in ("chief", "master", "worker") if kind in cluster]
        hosts = [str(host) for kind in order for host in cluster[kind]]
        before = order[: order.index(task["type"])]
        return hosts, sum(len(cluster[kind]) for kind in before) + int(task["index"])
    except (ValueError, KeyError, TypeError, AttributeError):
        example = json.dumps(
            {"cluster": {"worker": ["a:9000", "b:9000"]}, "task": {"type": "worker", "index": 0}}
        )
        raise InputError(
            f"TF_CONFIG must hold a cluster of workers and a task of it, as {example}. "
            f"Received: {shown(text, 200)}."
        ) from None


def _of_slurm(environment: Mapping[str, str]) -> tuple[list[str], int]:
    """A process for each task of a step; those of one machine get one port after another."""
    names = _expanded(environment.get("SLURM_STEP_NODELIST", ""))
    counts = _counts(environment.get("SLURM_STEP_TASKS_PER_NODE", ""))
    number = environment["SLURM_PROCID"]
    if len(names) != len(counts) or not number.isdecimal():
        raise InputError(
            "SLURM_PROCID, SLURM_STEP_NODELIST and SLURM_STEP_TASKS_PER_NODE must fit together, as "
            "srun sets them. Start this with srun, or give --hosts and --host."
        )
    pairs = zip(names, counts, strict=True)
    return [f"{name}:{PORT + i}" for name, count in pairs for i in range(count)], int(number)


def _expanded(text: str) -> list[str]:
    """The machines of Slurm's list: `a[1-3,7],b` are a1, a2, a3, a7 and b."""
    names: list[str] = []
    for head, ranges, tail in re.findall(r"([^,\[\]]+)(?:\[([\d,-]+)\])?([^,\[\]]*)", text):
        if not ranges:
            names.append(f"{head}{tail}")
        for part in ranges.split(",") if ranges else ():
            match = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", part)
            first, last = (match[1], int(match[2] or match[1])) if match else ("0", -1)
            if not 0 <= last - int(first) < MOST_HOSTS:
                return []
            numbers = range(int(first), last + 1)
            names += [f"{head}{number:0{len(first)}d}{tail}" for number in numbers]
    return names[:MOST_HOSTS]


def _counts(text: str) -> list[int]:
    """The tasks of each machine: `2(x3),1` are 2, 2, 2 and 1."""
    if not re.fullmatch(r"\d{1,4}(\(x\d{1,4}\))?(,\d{1,4}(\(x\d{1,4}\))?)*", text):
        return []
    pairs = re.findall(r"(\d+)(?:\(x(\d+)\))?", text)
    return [int(count) for count, times in pairs for _ in range(int(times or 1))]
