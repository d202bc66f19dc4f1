"""The manifests of Kubernetes are valid, run every process of the Procfile, and give each its own secrets only."""

import re
from collections.abc import Iterator
from pathlib import Path

import kubernetes_validate
import promql_parser as ql
import pytest
from ruamel.yaml import YAML

from pluggy_sync import queue
from pluggy_sync.settings import required_names, secret_names, setting_names
from standalone import procfile

FOLDER = Path(__file__).parents[2] / "ops/kubernetes"
VERSION = "1.33"
# What Kubernetes itself does not know.
OF_KEDA = {"ScaledObject", "TriggerAuthentication"}
OF_KUSTOMIZE = {"Kustomization"}

YAML_ = YAML(typ="safe")
FILES = sorted(FOLDER.glob("*.yaml"))
OBJECTS = [(file.name, each) for file in FILES for each in YAML_.load_all(file)]


def of_kind(*kinds) -> Iterator[dict]:
    return (each for _, each in OBJECTS if each["kind"] in kinds)


WORKLOADS = {each["metadata"]["name"]: each for each in of_kind("Deployment", "StatefulSet", "Job")}
PODS = {name: each["spec"]["template"]["spec"] for name, each in WORKLOADS.items()}
CONTAINERS = {name: pod["containers"][0] for name, pod in PODS.items()}
# Those of which one is enough, and of which more would be wrong or idle.
ONE = {"migrate", "schedule", "beat", "console", "flower"}


def test_every_file_is_applied():
    (kustomization,) = of_kind("Kustomization")

    assert sorted(kustomization["resources"]) == [file.name for file in FILES if file.name != "kustomization.yaml"]


@pytest.mark.parametrize(
    "manifest",
    [each for _, each in OBJECTS if each["kind"] not in OF_KEDA | OF_KUSTOMIZE],
    ids=lambda each: f"{each['kind']} {each['metadata']['name']}",
)
def test_every_manifest_is_valid_by_the_schema_of_kubernetes(manifest):
    kubernetes_validate.validate(manifest, VERSION, strict=True)


def test_a_manifest_with_a_mistake_is_not():
    wrong = {**WORKLOADS["worker"], "spec": {**WORKLOADS["worker"]["spec"], "replica": 3}}

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSION, strict=True)


def test_every_process_of_the_procfile_runs():
    run = {name: container["args"][0] for name, container in CONTAINERS.items()}

    assert set(run.values()) == set(procfile.commands())
    assert run == {**{name: name for name in run}, "migrate": "release"}


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_process_may_do_no_more_than_it_needs(name):
    pod, container = PODS[name], CONTAINERS[name]

    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert {"cpu", "memory"} <= set(container["resources"]["requests"])
    assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("name", sorted(set(CONTAINERS) - {"migrate"}))
def test_what_stays_up_is_looked_after(name):
    assert "livenessProbe" in CONTAINERS[name]
    assert ("readinessProbe" in CONTAINERS[name]) is ("ports" in CONTAINERS[name])


def test_a_web_process_without_postgres_is_not_restarted():
    # /ready fails without Postgres and a spill: a restart would mend nothing.
    assert CONTAINERS["web"]["livenessProbe"]["httpGet"]["path"] == "/health"
    assert CONTAINERS["web"]["readinessProbe"]["httpGet"]["path"] == "/ready"


def secrets_of(name):
    return {
        each["name"].removesuffix("_FILE"): each["value"]
        for each in CONTAINERS[name]["env"]
        if each["name"].endswith("_FILE")
    }


@pytest.mark.parametrize("name", CONTAINERS)
def test_secrets_are_files_of_which_each_process_sees_its_own(name):
    (volume,) = [each for each in PODS[name]["volumes"] if "secret" in each]
    (mount,) = [each for each in CONTAINERS[name]["volumeMounts"] if each["name"] == volume["name"]]

    files = {item["key"]: f"{mount['mountPath']}/{item['path']}" for item in volume["secret"]["items"]}

    assert secrets_of(name) == files
    assert set(files) <= {*secret_names(), "FLOWER_BASIC_AUTH"}
    assert mount["readOnly"]


def test_what_a_process_is_given_is_enough_for_it_and_no_more_than_compose_gives():
    (settings,) = of_kind("ConfigMap")
    allowed = {"migrate": {"DATABASE_URL"}, "beat": {"REDIS_URL"}, "flower": {"REDIS_URL"}}
    for name in CONTAINERS:
        given = set(secrets_of(name)) | set(settings["data"])
        needed = allowed.get(name, required_names() - {"API_TOKENS", "WEBHOOK_SECRETS"})
        needed |= {"API_TOKENS", "WEBHOOK_SECRETS"} if name == "web" else set()
        needed |= {"WEBHOOK_SECRETS"} if name == "schedule" else set()
        assert needed <= given, name
    assert {name for name in CONTAINERS if "API_TOKENS" in secrets_of(name)} == {"web"}
    assert {name for name in CONTAINERS if "WEBHOOK_SECRETS" in secrets_of(name)} == {"web", "schedule"}
    assert not set(settings["data"]) & set(secret_names())
    assert set(settings["data"]) <= {*setting_names(), "HOST"}


def test_of_what_there_are_several_one_may_go_at_a_time():
    budgets = {each["metadata"]["name"]: each["spec"] for each in of_kind("PodDisruptionBudget")}

    assert set(budgets) == set(WORKLOADS) - ONE
    for name, budget in budgets.items():
        assert (
            budget["selector"]["matchLabels"].items()
            <= WORKLOADS[name]["spec"]["template"]["metadata"]["labels"].items()
        )
        assert WORKLOADS[name]["spec"]["replicas"] >= 2


def test_workers_are_added_by_what_is_overdue_and_by_the_length_of_each_of_their_queues():
    scaled = {each["metadata"]["name"]: each["spec"] for each in of_kind("ScaledObject")}
    served = {
        name: set(re.search(r"--queues (\S+)", command)[1].split(","))
        for name, command in procfile.commands().items()
        if "--queues" in command
    }

    assert set(scaled) == set(served) - {"schedule"}
    for name, spec in scaled.items():
        assert spec["scaleTargetRef"] == {"name": name}
        assert spec["minReplicaCount"] == WORKLOADS[name]["spec"]["replicas"]
        lists = {each["metadata"]["listName"] for each in spec["triggers"] if each["type"] == "redis"}
        # Reconciliation fills what is idle: it is no reason for more.
        assert lists == served[name] - {queue.RECONCILIATIONS}
        (query,) = [each["metadata"]["query"] for each in spec["triggers"] if each["type"] == "prometheus"]
        assert ql.parse(query)
        assert "pluggy_sync_work_overdue_seconds" in query


def test_beat_is_never_there_twice():
    assert WORKLOADS["beat"]["spec"]["replicas"] == 1
    assert WORKLOADS["beat"]["spec"]["strategy"] == {"type": "Recreate"}


def test_the_spill_outlives_its_process():
    (claim,) = WORKLOADS["web"]["spec"]["volumeClaimTemplates"]
    folder = next(each["value"] for each in CONTAINERS["web"]["env"] if each["name"] == "SPILL_FOLDER")

    mounts = {each["mountPath"]: each["name"] for each in CONTAINERS["web"]["volumeMounts"]}

    assert mounts[folder] == claim["metadata"]["name"]
