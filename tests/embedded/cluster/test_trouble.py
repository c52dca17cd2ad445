"""Clusters in trouble: a wrong host key, a node that dies, a boot that fails, an embedded cloud that is killed."""

from __future__ import annotations

import json
import os
import signal

import pytest

from dlcluster.cloud.fleet import HOST_KEY_TAG

pytestmark = pytest.mark.xdist_group("trouble")

SLEEPS = """
import os, time
print("started", flush=True)
import torch.distributed as dist
dist.init_process_group("gloo")
time.sleep(120)
"""


def test_a_node_with_another_host_key_is_refused_by_every_command(cluster):
    ec2 = cluster.client("ec2")
    node = next(node for node in cluster.json("status")["nodes"] if node["name"] == "worker-1")
    tags = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [node["instance_id"]]}])["Tags"]
    true = next(tag["Value"] for tag in tags if tag["Key"] == HOST_KEY_TAG)
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHN3YXBwZWQga2V5IHRoYXQgaXMgbm90IHRoZSBub2RlJ3M9"
    ec2.create_tags(Resources=[node["instance_id"]], Tags=[{"Key": HOST_KEY_TAG, "Value": other}])
    try:
        for command in (["up"], ["exec", "-w", "worker-1", "true"], ["train"]):
            refused = cluster.run(*command, code=76)
            assert "worker-1" in refused.stderr
            assert "another host key" in refused.stderr
            assert refused.stderr.count("SHA256:") == 2
    finally:
        ec2.create_tags(Resources=[node["instance_id"]], Tags=[{"Key": HOST_KEY_TAG, "Value": true}])
    assert cluster.run("exec", "-w", "worker-1", "echo fine").stdout == "fine\n"


def test_a_node_that_dies_in_a_job_is_named_and_nothing_is_left_running(cluster):
    cluster.write("sleeps.py", SLEEPS)
    process = cluster.start("train", "sleeps.py")
    assert process.stdout.readline() == "started\n"
    node = next(node for node in cluster.json("status")["nodes"] if node["name"] == "worker-1")
    cluster.client("ec2").terminate_instances(InstanceIds=[node["instance_id"]])
    _, err = process.communicate(timeout=60)
    assert process.returncode == 75, err
    assert "worker-1: the node was lost" in err
    assert node["instance_id"] in err
    assert cluster.processes("sleeps.py") == []
    # The group replaces the node; `up` waits for it, and the cluster works again.
    assert cluster.wait_for(lambda: cluster.json("status")["state"] == "ready", 30)
    cluster.run("up")
    assert len(cluster.run("exec", "-w", "workers", "echo here").stdout.splitlines()) == 2


def test_more_workers_are_an_update_in_place(cluster):
    before = {node["instance_id"] for node in cluster.json("status")["nodes"]}
    cluster.write("cluster.yaml", "name: t\nworkers: {count: 3}\n")
    try:
        plan = cluster.json("up", "-f", "cluster.yaml", "--plan")
        assert [(row["action"], row["logical_id"], row["replacement"]) for row in plan["changes"]] == [
            ("Modify", "Workers", "False")
        ]
        assert {node["instance_id"] for node in cluster.json("status")["nodes"]} == before
        cluster.run("up", "-f", "cluster.yaml")
        after = cluster.json("status")
        assert before < {node["instance_id"] for node in after["nodes"]}
        assert len(after["nodes"]) == 4
    finally:
        cluster.write("cluster.yaml", "name: t\nworkers: {count: 2}\n")
        cluster.run("up", "-f", "cluster.yaml")
        (cluster.work / "cluster.yaml").unlink()
    assert cluster.wait_for(lambda: len(cluster.json("status")["nodes"]) == 3, 30)


def test_a_plan_for_a_new_cluster_leaves_nothing_behind(cluster):
    stacks = len(cluster.client("cloudformation").describe_stacks()["Stacks"])
    plan = cluster.json("up", "-n", "idea", "--plan")
    assert plan["plan"] == "create"
    assert len(plan["changes"]) == 29
    assert len(cluster.client("cloudformation").describe_stacks()["Stacks"]) == stacks
    assert cluster.json("status", "-n", "idea", code=66)["error"]["what"] == "there is no cluster idea"
    assert not (cluster.root / "data/dlcluster/clusters/idea").exists()


def test_a_setup_that_fails_names_the_node_and_the_last_line(world):
    world.write("cluster.yaml", "name: bad\nsetup:\n  - echo 'no such package' && exit 9\n")
    failed = world.run("up", code=73)
    assert "head" in failed.stderr
    assert "setup ended with 9: no such package" in failed.stderr
    assert "dlcluster down" in failed.stderr
    assert world.json("status")["state"] == "degraded"
    world.run("down")


def test_a_killed_embedded_cloud_is_reported_and_up_goes_on_with_what_it_held(world):
    world.run("up", "-n", "x")
    before = [node["instance_id"] for node in world.json("status", "-n", "x")["nodes"]]
    world.run("exec", "-n", "x", "-w", "head", "echo mine > $HOME/file")
    world.write("waits.py", "import time\nprint('started', flush=True)\ntime.sleep(120)\n")
    job = json.loads(world.run("train", "-n", "x", "--json", "-d", "waits.py").stdout)["job"]
    assert world.wait_for(lambda: "started" in world.run("logs", "-n", "x", code=None).stdout, 30)
    assert world.json("status", "-n", "x")["jobs"][0]["state"] == "running"
    assert world.wait_for(lambda: not world.daemon()["unsaved"], 30)
    os.kill(world.daemon()["pid"], signal.SIGKILL)
    assert world.wait_for(lambda: not world.processes(), 10), "a crashed daemon leaves no orphan"
    for command in ("status", "train", "exec"):
        gone = world.run(command, "-n", "x", *(["true"] if command == "exec" else []), code=66)
        assert "the embedded cloud that holds the cluster x is stopped" in gone.stderr
        assert "`dlcluster up -n x` starts it again with what it held" in gone.stderr
    assert [row["state"] for row in world.json("status", "--all")] == ["stopped"]
    world.run("up", "-n", "x")
    found = world.json("status", "-n", "x")
    assert found["state"] == "ready"
    assert [node["instance_id"] for node in found["nodes"]] == before
    assert world.run("exec", "-n", "x", "-w", "head", "cat $HOME/file").stdout == "mine\n"
    # The job ended with its nodes: no command goes on saying that it runs, and what it printed can still be read.
    lost = found["jobs"][0]
    assert (lost["id"], lost["state"], lost["exit_code"]) == (job, "lost", 75)
    assert world.run("logs", "-n", "x").stdout == "started\n"
    assert f"{job}: the job is lost" in world.run("logs", "-n", "x", "-f", code=75).stderr
    world.run("local", "stop", "-y")
    world.run("down", "-n", "x")
    assert world.daemon()["stacks"] == 0


def test_stopping_asks_first_and_what_is_forgotten_is_said_to_be_gone(world):
    world.run("up", "-n", "x")
    for options in ([], ["--discard"]):
        refused = world.run("local", "stop", *options, code=2)
        assert "holds clusters" in refused.stderr
    assert world.daemon()["running"]
    world.run("local", "stop", "--discard", "-y")
    for command in ("status", "train", "exec"):
        gone = world.run(command, "-n", "x", *(["true"] if command == "exec" else []), code=66)
        assert "the local cluster x is gone" in gone.stderr
    cleared = world.run("down", "-n", "x")
    assert "the local cluster x is gone" in cleared.stderr
    world.run("up", "-n", "x")
    world.run("down", "-n", "x")
    world.run("local", "stop")
    assert not world.daemon()["running"]


def test_results_of_a_detached_job_are_saved_before_the_cluster_goes(world):
    world.write(
        "writes.py", "import os\nopen(os.environ['DLCLUSTER_OUTPUT_DIR'] + '/model.txt', 'w').write('weights')\n"
    )
    world.run("up", "-n", "x")
    world.run("train", "-n", "x", "-d", "writes.py")
    assert world.wait_for(lambda: world.json("status", "-n", "x")["jobs"][0]["state"] == "succeeded", 60)
    down = world.run("down", "-n", "x")
    (saved,) = (world.work / "dlcluster-outputs").glob("*/model.txt")
    assert saved.read_text() == "weights"
    assert str(saved.parent.name) in down.stderr
