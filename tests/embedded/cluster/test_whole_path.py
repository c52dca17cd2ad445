"""The three commands with no arguments, then what a second look finds."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("whole-path")


@pytest.fixture(scope="module")
def story(shared):
    """up, train, down; every test looks at what they said and left."""
    shared.env["DLCLUSTER_NAME"] = "story"
    told = {"up": shared.run("up")}
    told["key"] = stat.S_IMODE(Path(shared.root, "data/dlcluster/clusters/story/id_ed25519").stat().st_mode)
    told["again"] = shared.run("up")
    told["status"] = shared.json("status")
    told["train"] = shared.run("train", timeout=240)
    told["after"] = shared.json("status")
    told["down"] = shared.run("down")
    return told


def test_without_a_file_up_says_that_it_uses_the_built_in_cluster(story):
    assert "using the built-in cluster (cloud: local, 1 head, 2 workers)" in story["up"].stderr


def test_up_shows_every_resource_and_the_nodes(story):
    assert len(re.findall(r"✓ \w+ \w+::", story["up"].stderr)) == 29
    assert "nodes ready 3/3" in story["up"].stderr


def test_progress_goes_to_stderr_only(story):
    assert story["up"].stdout == story["down"].stdout == ""


def test_the_private_key_is_readable_by_its_owner_only(story):
    assert story["key"] == 0o600


def test_a_second_up_changes_nothing_and_says_so(story):
    assert "no change" in story["again"].stderr
    assert "✓ Vpc" not in story["again"].stderr


def test_status_tells_nodes_with_their_state(story):
    nodes = story["status"]["nodes"]
    assert [(node["name"], node["state"]) for node in nodes] == [
        ("head", "ready"), ("worker-0", "ready"), ("worker-1", "ready")
    ]  # fmt: skip
    assert story["status"]["state"] == "ready"


def test_training_runs_on_two_nodes_and_reaches_the_accuracy_on_unseen_digits(story):
    text = story["train"].stdout
    assert "2 ranks" in text
    assert len(re.findall(r"^epoch \d+/\d+ .*samples/s", text, re.M)) >= 2
    assert float(re.search(r"^test accuracy ([\d.]+)$", text, re.M)[1]) >= 0.96


def test_results_are_saved_beside_the_user(story, shared):
    (job,) = story["after"]["jobs"]
    assert (job["state"], job["exit_code"]) == ("succeeded", 0)
    results = json.loads((shared.work / "dlcluster-outputs" / job["id"] / "results.json").read_text())
    assert results["test_accuracy"] >= 0.96
    assert results["ranks"] == 2


def test_down_says_what_it_removed_and_that_nothing_is_left(story):
    assert "removed 29 resources" in story["down"].stderr
    assert "no service holds anything of story any more" in story["down"].stderr


def test_a_second_down_is_harmless_and_says_when_it_was_removed(story, shared):
    again = shared.run("down")
    assert "was removed on" in again.stderr


def test_an_unknown_name_is_not_silently_fine(story, shared):
    unknown = shared.run("down", "nobody", code=66)
    assert "there is no cluster nobody" in unknown.stderr


def test_every_service_is_as_empty_as_before(story, shared):
    ec2 = shared.client("ec2")
    assert [vpc for vpc in ec2.describe_vpcs()["Vpcs"] if not vpc["IsDefault"]] == []
    assert ec2.describe_network_interfaces()["NetworkInterfaces"] == []
    assert ec2.describe_volumes()["Volumes"] == []
    assert ec2.describe_addresses()["Addresses"] == []
    assert ec2.describe_launch_templates()["LaunchTemplates"] == []
    assert shared.client("s3").list_buckets()["Buckets"] == []
    assert shared.client("iam").list_roles()["Roles"] == []
    assert shared.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"] == []
    assert shared.client("cloudformation").describe_stacks()["Stacks"] == []
