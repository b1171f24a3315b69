"""Check the files for deployment against the code: Dockerfile, compose files, alerts, Kubernetes manifest."""

import re
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from service.runtime.metrics import Metrics
from service.runtime.settings import Settings

ROOT = Path(__file__).parent.parent
RULES = yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text())["groups"][0]["rules"]
OURS = "COPYSIGHT_"
SUFFIXES = ("_bucket", "_count", "_sum", "_total")


def plain(name):
    """Return the name of a metric without the suffix of its type."""
    return next((name.removesuffix(suffix) for suffix in SUFFIXES if name.endswith(suffix)), name)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_alerts_use_exported_metrics_only(rule):
    exported = {family.name for family in Metrics().registry.collect()}
    used = {plain(name) for name in re.findall(r"copysight_\w+", rule["expr"])}
    assert used <= exported
    assert used or rule["expr"].startswith("up{")


def test_every_alert_is_documented():
    pages = [(ROOT / name).read_text() for name in ("docs/guides/operations/alerts.md", "deploy/alerts.yml")]
    names = [rule["alert"] for rule in RULES]
    assert re.findall(r"^## (Copysight\w+)", pages[0], re.MULTILINE) == names
    assert len(set(names)) == len(names)


def test_the_dockerfile_uses_plain_syntax_and_locked_packages():
    text = (ROOT / "Dockerfile").read_text()
    assert not re.search(
        r"^# *syntax|--mount|--network|--security|--link|--parents|--chmod|--exclude|<<", text, re.MULTILINE
    )
    images = set(re.findall(r"^FROM (\S+)", text, re.MULTILINE))
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", text, re.MULTILINE))
    assert images - stages == {"debian:bookworm-slim"}
    assert {"service", "gpu", "train"} <= stages
    for lock in re.findall(r"requirements/[\w.-]+", text):
        assert (ROOT / lock).is_file()
    installs = [line for line in text.replace("\\\n", " ").splitlines() if "pip install" in line]
    assert all(
        "--require-hashes" in line or line.endswith("--no-deps --target /opt/package /source") for line in installs
    )


def services(name):
    return yaml.safe_load((ROOT / name).read_text())["services"]


def test_compose_publishes_on_loopback_only_and_restricts_containers():
    found = services("docker-compose.yml")
    for one in found.values():
        assert all(port.startswith("127.0.0.1:") for port in one.get("ports", []))
        assert (one["read_only"], one["cap_drop"]) == (True, ["ALL"])
        assert one["security_opt"] == ["no-new-privileges:true"]
        assert "mem_limit" in one
    assert found["service"]["environment"]["COPYSIGHT_AUTH"] == "none"
    assert found["service"]["volumes"] == found["builder"]["volumes"] == ["data:/data"]


@pytest.mark.parametrize(
    "name", ["docker-compose.yml", *sorted(f"deploy/{f.name}" for f in (ROOT / "deploy").glob("compose.*.yml"))]
)
def test_compose_files_only_use_known_settings(name):
    given = {key for one in services(name).values() for key in one.get("environment") or {} if key.startswith(OURS)}
    assert given <= {f"COPYSIGHT_{field.upper()}" for field in Settings.model_fields}


def manifests(name):
    return list(yaml.safe_load_all((ROOT / "deploy" / name).read_text()))


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("kubernetes.yaml", {"PersistentVolumeClaim"}),
        ("kubernetes-cluster.yaml", {"HorizontalPodAutoscaler", "PodDisruptionBudget", "ConfigMap"}),
    ],
)
def test_the_kubernetes_manifests_are_valid_and_only_use_known_settings(name, kinds):
    documents = manifests(name)
    assert {one["kind"] for one in documents} >= {"Deployment", "Service", "NetworkPolicy", "CronJob"} | kinds
    for one in documents:
        kubernetes_validate.validate(one, "1.31", strict=True)
        if "spec" not in one:
            given = {key for key in one["data"] if key.startswith(OURS)}
            assert given <= {f"COPYSIGHT_{field.upper()}" for field in Settings.model_fields}
            continue
        template = one["spec"].get("jobTemplate", one)["spec"].get("template")
        for container in template["spec"]["containers"] if template else []:
            given = {entry["name"] for entry in container.get("env", [])}
            assert given <= {f"COPYSIGHT_{field.upper()}" for field in Settings.model_fields}
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_the_servers_of_a_cluster_have_a_directory_each_and_one_index():
    found = services("docker-compose.yml")
    one, other = found["replica-1"], found["replica-2"]
    assert one["environment"] == other["environment"]
    assert "schema=" in one["environment"]["COPYSIGHT_CATALOG"]
    assert one["volumes"] != other["volumes"]
    assert all("cluster" in found[name]["profiles"] for name in ("postgres", "seaweedfs", "balancer", "replica-1"))
    servers = re.findall(r"server (\S+):8000 ", (ROOT / "deploy" / "nginx.cluster.conf").read_text())
    assert servers == ["replica-1", "replica-2"]


def test_what_must_never_be_a_text_of_the_manifests():
    for name in ("kubernetes.yaml", "kubernetes-cluster.yaml"):
        kinds = {one["kind"] for one in manifests(name)}
        assert "Secret" not in kinds
