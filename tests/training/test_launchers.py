"""The hosts of a job by the environment that its launcher sets."""

import json

import pytest

from lpie.errors import InputError
from lpie.training.distribution.launchers import hosts_of


def tf_config(cluster, kind, index):
    task = {"type": kind, "index": index}
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})}


def slurm(nodes, tasks, number):
    return {
        "SLURM_STEP_NODELIST": nodes,
        "SLURM_STEP_TASKS_PER_NODE": tasks,
        "SLURM_PROCID": number,
    }


@pytest.mark.parametrize(
    ("environment", "hosts", "host"),
    [
        (tf_config({"worker": ["a:1", "b:2"]}, "worker", 1), ["a:1", "b:2"], 1),
        (tf_config({"worker": ["b:2"], "chief": ["a:1"]}, "worker", 0), ["a:1", "b:2"], 1),
        (tf_config({"worker": ["b:2"], "chief": ["a:1"]}, "chief", 0), ["a:1", "b:2"], 0),
        (slurm("gpu[01-02,10]", "1(x3)", "2"), ["gpu01:9000", "gpu02:9000", "gpu10:9000"], 2),
        (slurm("a,b7", "2,1", "0"), ["a:9000", "a:9001", "b7:9000"], 0),
        (slurm("n[9-10]-x", "1(x2)", "1"), ["n9-x:9000", "n10-x:9000"], 1),
    ],
)
def test_a_launcher_names_the_hosts(environment, hosts, host):
    assert hosts_of(environment) == (hosts, host)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "needs a launcher that names them"),
        ({"TF_CONFIG": "{"}, "TF_CONFIG must hold a cluster of workers"),
        ({"TF_CONFIG": "[" * 9000}, "TF_CONFIG must hold"),
        ({"TF_CONFIG": "{}"}, "TF_CONFIG must hold"),
        (tf_config({"worker": ["a:1"]}, "evaluator", 0), "TF_CONFIG must hold"),
        (tf_config({"worker": 3}, "worker", 0), "TF_CONFIG must hold"),
        (slurm("a,b", "1", "0"), "must fit together, as srun sets them"),
        (slurm("a[1-999999999]", "1", "0"), "must fit together"),
        (slurm("a[1--3]", "1", "0"), "must fit together"),
        (slurm("a[" + "9" * 5000 + "]", "1", "0"), "must fit together"),
        (slurm("a", "x", "0"), "must fit together"),
        (slurm("a", "1", "\x1b"), "must fit together"),
    ],
)
def test_what_a_launcher_gets_wrong_is_one_sentence(environment, words):
    with pytest.raises(InputError, match=words) as error:
        hosts_of(environment)
    assert str(error.value).isprintable()
