"""The daemon: found, started once, stopped; after a crash nothing is left and somebody can tell."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import threading

import pytest

from dlcluster.errors import UserError
from dlcluster.local import client, faults
from dlcluster.local.home import Home

ESCAPE = "(setsid setsid env -i /bin/sleep 800 > /dev/null 2>&1 &); sleep 0.1"


@pytest.fixture
def own(home, keys, shared_cloud):
    """The cloud of a daemon that this test started itself."""
    return lambda daemon: type(shared_cloud)(home, keys, daemon)


def test_no_daemon_runs_before_one_is_asked_for(home):
    assert client.find() is None
    assert client.status() == {"running": False, "home": str(home)}
    assert client.stop() is False
    assert client.last_crash() is None


def test_it_starts_when_needed_is_found_and_stops(cloud):
    assert client.find() == cloud.daemon == client.ensure()
    status = client.status()
    assert (status["running"], status["pid"]) == (True, cloud.daemon.pid)
    assert (status["stacks"], status["instances"], status["buckets"]) == (0, 0, 0)
    assert client.stop() is True
    assert client.find() is None
    assert client.last_crash() is None
    assert not (cloud.home / "daemon.json").exists()


def test_many_clients_at_once_start_one_daemon(home):
    found = []
    threads = [threading.Thread(target=lambda: found.append(client.ensure())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({daemon.pid for daemon in found}) == 1
    assert len(found) == 4


def test_its_files_are_the_users_alone(shared_cloud):
    cloud = shared_cloud
    assert stat.S_IMODE(cloud.home.stat().st_mode) == 0o700
    assert stat.S_IMODE((cloud.home / "daemon.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((cloud.home / "daemon.log").stat().st_mode) == 0o600


def test_the_users_real_credentials_stay_out(home, keys, monkeypatch, tools):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real-secret")
    monkeypatch.setenv("AWS_PROFILE", "real-profile")
    daemon = client.ensure()
    for pid in tools.named(str(home)):
        with open(f"/proc/{pid}/environ", "rb") as file:
            assert b"real-" not in file.read()
    assert client.find() == daemon


def test_it_ends_by_itself_when_it_holds_nothing(home, monkeypatch, tools):
    monkeypatch.setenv("DLCLUSTER_LOCAL_IDLE_SECONDS", "0.5")
    daemon = client.ensure()
    tools.wait_until(lambda: not tools.alive(daemon.pid), "the idle daemon has ended")
    assert client.last_crash() is None


def test_it_ends_when_its_home_is_removed(home, tools):
    daemon = client.ensure()
    for path in home.iterdir():
        path.unlink() if path.is_file() else path.rmdir()
    tools.wait_until(lambda: not tools.alive(daemon.pid), "the homeless daemon has ended")


def test_it_stays_while_it_holds_a_bucket(home, own, monkeypatch, tools):
    monkeypatch.setenv("DLCLUSTER_LOCAL_IDLE_SECONDS", "0.2")
    cloud = own(client.ensure())
    cloud.client("s3").create_bucket(Bucket="kept")
    seen = (home / "daemon.json").stat().st_mtime
    tools.wait_until(lambda: (home / "daemon.json").stat().st_mtime > seen + 2, "two seconds of life")
    assert cloud.client("s3").list_buckets()["Buckets"][0]["Name"] == "kept"


def test_it_stays_while_a_fault_is_in_force(home, monkeypatch, tools):
    monkeypatch.setenv("DLCLUSTER_LOCAL_IDLE_SECONDS", "0.2")
    with faults.fault("throttle", service="ec2") as fault:
        daemon = client.find()
        seen = (home / "daemon.json").stat().st_mtime
        tools.wait_until(lambda: (home / "daemon.json").stat().st_mtime > seen + 2, "two seconds of life")
        assert [row["id"] for row in faults.in_force()] == [fault["id"]]
    tools.wait_until(lambda: not tools.alive(daemon.pid), "the daemon without a fault has ended")
    assert faults.in_force() == []


def test_instances_have_nodes_and_lose_them(shared_cloud, tools):
    first, second = shared_cloud.launch(2, UserData="#!/bin/bash\necho booted")
    address = first["PrivateIpAddress"]
    assert shared_cloud.run(address, "cat $NODE_ROOT/etc/hostname").strip() == f"ip-{address.replace('.', '-')}"
    nodes = Home(shared_cloud.home).nodes
    assert {path.name for path in nodes.iterdir()} >= {first["InstanceId"], second["InstanceId"]}
    ec2 = shared_cloud.client("ec2")
    tools.wait_until(
        lambda: "booted" in ec2.get_console_output(InstanceId=first["InstanceId"]).get("Output", ""),
        "the console output",
    )
    ec2.terminate_instances(InstanceIds=[first["InstanceId"]])
    tools.wait_until(lambda: not (nodes / first["InstanceId"]).exists(), "the node is gone")
    assert (nodes / second["InstanceId"]).exists()
    with pytest.raises(OSError, match=r"Unable to connect|refused"):
        shared_cloud.connect(address)


def test_an_instance_whose_node_dies_is_terminated_with_a_reason(shared_cloud, tools):
    (made,) = shared_cloud.launch()
    identity, address = made["InstanceId"], made["PrivateIpAddress"]
    shared_cloud.run(address, ESCAPE)
    init = int(shared_cloud.run(address, "echo $PPID"))
    os.kill(init, signal.SIGKILL)
    tools.wait_until(lambda: shared_cloud.state(identity) == "terminated", "the instance is terminated")
    found = shared_cloud.client("ec2").describe_instances(InstanceIds=[identity])["Reservations"][0]["Instances"][0]
    assert "init process was killed" in found["StateReason"]["Message"]
    tools.wait_until(lambda: not (Home(shared_cloud.home).nodes / identity).exists(), "its files are gone")


def test_an_instance_keeps_its_files_and_its_host_key_when_it_is_stopped_and_started(shared_cloud, tools):
    (made,) = shared_cloud.launch(UserData="#!/bin/bash\necho once >> $HOME/boots")
    identity, address = made["InstanceId"], made["PrivateIpAddress"]
    boots = Home(shared_cloud.home).nodes / identity / "root/home/ubuntu/boots"
    tools.wait_until(boots.exists, "the user data has run")
    ec2 = shared_cloud.client("ec2")
    before = shared_cloud.connect(address).get_transport().get_remote_server_key()
    init = int(shared_cloud.run(address, "echo $PPID"))
    ec2.stop_instances(InstanceIds=[identity])
    tools.wait_until(lambda: not tools.alive(init), "the node is off")
    ec2.start_instances(InstanceIds=[identity])
    tools.wait_until(lambda: shared_cloud.state(identity) == "running", "the instance runs again")
    with shared_cloud.connect(address) as connection:
        assert connection.get_transport().get_remote_server_key() == before
        assert connection.exec_command("cat boots")[1].read() == b"once\n"
    ec2.terminate_instances(InstanceIds=[identity])
    tools.wait_until(lambda: not boots.exists(), "its files are gone")


def test_an_address_that_cannot_be_bound_terminates_the_instance_with_the_reason(shared_cloud, tools):
    ec2 = shared_cloud.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="192.0.2.0/24")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="192.0.2.0/24")["Subnet"]["SubnetId"]
    made = ec2.run_instances(ImageId="ami-12c6146b", InstanceType="t3.micro", SubnetId=subnet, MinCount=1, MaxCount=1)
    identity = made["Instances"][0]["InstanceId"]
    tools.wait_until(lambda: shared_cloud.state(identity) == "terminated", "the instance is terminated")
    found = ec2.describe_instances(InstanceIds=[identity])["Reservations"][0]["Instances"][0]
    assert "the node cannot start" in found["StateReason"]["Message"]


def test_a_killed_daemon_leaves_no_process_and_the_next_start_is_clean(cloud, tools):
    made = cloud.launch(2)
    for item in made:
        cloud.run(item["PrivateIpAddress"], ESCAPE)
    init = int(cloud.run(made[0]["PrivateIpAddress"], "echo $PPID"))
    sleepers = [pid for pid in tools.named("/bin/sleep\x00800") if ancestor(pid, init)]
    assert sleepers
    os.kill(cloud.daemon.pid, signal.SIGKILL)
    tools.wait_until(lambda: not [pid for pid in [*sleepers, init] if tools.alive(pid)], "no process is left")
    tools.wait_until(lambda: not tools.named(str(cloud.home)), "no process is left")

    assert client.find() is None
    status = client.status()
    assert status["running"] is False
    assert status["crashed"]["pid"] == cloud.daemon.pid
    assert client.last_crash().daemon == cloud.daemon
    assert client.last_crash().last_seen >= cloud.daemon.started

    again = client.ensure()
    assert again.pid != cloud.daemon.pid
    assert client.last_crash().daemon == cloud.daemon
    client.stop(discard=True)
    assert client.last_crash() is None
    assert not list(Home(cloud.home).nodes.glob("*"))


def test_a_stopped_cloud_goes_on_with_instances_addresses_disks_and_objects(cloud, own, tools):
    first, second = cloud.launch(2, UserData="#!/bin/bash\necho once >> $HOME/boots")
    address = first["PrivateIpAddress"]
    boots = Home(cloud.home).nodes / first["InstanceId"] / "root/home/ubuntu/boots"
    tools.wait_until(boots.exists, "the user data has run")
    host_key = cloud.connect(address).get_transport().get_remote_server_key()
    cloud.client("s3").create_bucket(Bucket="kept")
    cloud.client("s3").put_object(Bucket="kept", Key="x", Body=b"content")
    cloud.client("ec2").stop_instances(InstanceIds=[second["InstanceId"]])
    tools.wait_until(lambda: client.status()["nodes"] == 1, "the other node is off")

    assert client.stop() is True
    assert client.status()["kept"]["instances"] == 2
    again = own(client.ensure())
    assert (again.daemon.endpoint, again.daemon.ssh_port) == (cloud.daemon.endpoint, cloud.daemon.ssh_port)
    tools.wait_until(lambda: again.state(first["InstanceId"]) == "running", "the instance runs again")
    assert again.state(second["InstanceId"]) == "stopped"
    with again.connect(address) as connection:
        assert connection.get_transport().get_remote_server_key() == host_key
        assert connection.exec_command("cat boots")[1].read() == b"once\n"
    assert again.client("s3").get_object(Bucket="kept", Key="x")["Body"].read() == b"content"
    again.client("ec2").start_instances(InstanceIds=[second["InstanceId"]])
    tools.wait_until(lambda: again.state(second["InstanceId"]) == "running", "the stopped one starts")
    assert again.run(second["PrivateIpAddress"], "cat boots") == "once\n"


def test_a_killed_cloud_goes_on_with_what_it_had_written(cloud, own, tools):
    kept, broken = cloud.launch(2)
    tools.wait_until(lambda: not client.status()["unsaved"], "all is written")
    os.kill(cloud.daemon.pid, signal.SIGKILL)
    tools.wait_until(lambda: not tools.named(str(cloud.home)), "no process is left")
    shutil.rmtree(Home(cloud.home).nodes / broken["InstanceId"])
    (Home(cloud.home).nodes / "i-nobody").mkdir()
    again = own(client.ensure())
    tools.wait_until(lambda: again.state(kept["InstanceId"]) == "running", "the instance runs again")
    found = again.client("ec2").describe_instances(InstanceIds=[broken["InstanceId"]])["Reservations"][0]["Instances"]
    assert found[0]["State"]["Name"] == "terminated"
    assert "directory was gone" in found[0]["StateReason"]["Message"]
    assert not (Home(cloud.home).nodes / "i-nobody").exists()


def test_what_cannot_be_taken_up_again_stops_the_start_and_stays(home, own, tools):
    own(client.ensure()).client("s3").create_bucket(Bucket="kept")
    client.stop()
    snapshot = Home(home).snapshot
    whole = snapshot.read_bytes()
    assert stat.S_IMODE(snapshot.stat().st_mode) == 0o600
    for damage, words in ((whole[:-1], "is damaged"), (whole.replace(b"python 3", b"python 2", 1), "was written by")):
        snapshot.write_bytes(damage)
        with pytest.raises(UserError, match=words) as refused:
            client.ensure()
        assert "local stop --discard" in str(refused.value)
        assert snapshot.read_bytes() == damage
    client.stop(discard=True)
    assert own(client.ensure()).client("s3").list_buckets()["Buckets"] == []


def test_what_held_nothing_never_stops_a_start_and_is_told(home, own):
    own(client.ensure()).client("ec2").create_vpc(CidrBlock="10.1.0.0/16")
    client.stop()
    snapshot = Home(home).snapshot
    whole = snapshot.read_bytes()
    for left, words in ((b"", "is an empty file"), (whole.replace(b"python 3", b"python 2", 1), "was written by")):
        snapshot.write_bytes(left)
        client.ensure()
        dropped = client.status()["dropped"]
        assert words in dropped
        assert "it held no stack" in dropped or not left
        assert dropped in Home(home).log.read_text()
        assert snapshot.with_suffix(".dropped").read_bytes() == left
        client.stop(discard=True)


def ancestor(pid, init):
    """Whether a process descends from init."""
    while pid > 1:
        if pid == init:
            return True
        with open(f"/proc/{pid}/stat") as file:
            pid = int(file.read().rpartition(")")[2].split()[1])
    return False


def test_in_the_foreground_it_prints_what_to_export_and_ends_on_control_c(home, tools):
    command = [sys.executable, "-m", "dlcluster.local", "--no-nodes", "--region", "eu-west-1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        lines = [process.stdout.readline() for _ in range(6)]
        daemon = client.find()
        assert f"export AWS_ENDPOINT_URL={daemon.endpoint}\n" in lines
        assert "export AWS_DEFAULT_REGION=eu-west-1\n" in lines
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert client.last_crash() is None


def test_without_nodes_instances_run_at_once(home, own):
    command = [sys.executable, "-m", "dlcluster.local", "--no-nodes"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        cloud = own(client.find())
        cloud.launch()
        assert client.status()["nodes"] == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_a_fresh_start_forgets_what_was_kept(home, own):
    own(client.ensure()).client("s3").create_bucket(Bucket="kept")
    client.stop()
    command = [sys.executable, "-m", "dlcluster.local", "--no-nodes", "--fresh"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        assert own(client.find()).client("s3").list_buckets()["Buckets"] == []
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_a_start_that_fails_says_why(home, monkeypatch):
    monkeypatch.setenv("DLCLUSTER_LOCAL_IDLE_SECONDS", "soon")
    with pytest.raises(UserError, match="DLCLUSTER_LOCAL_IDLE_SECONDS is not a number"):
        client.ensure()


def test_a_port_that_is_taken_is_told(home, shared_cloud):
    port = shared_cloud.daemon.endpoint.rpartition(":")[2]
    command = [sys.executable, "-m", "dlcluster.local", "--port", port]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "cannot start" in done.stderr
    assert f"port {port} is in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_daemon_in_the_same_home_is_refused(shared_cloud, monkeypatch):
    monkeypatch.setenv("DLCLUSTER_LOCAL_HOME", str(shared_cloud.home))
    done = subprocess.run([sys.executable, "-m", "dlcluster.local"], capture_output=True, text=True, timeout=60)
    assert done.returncode == client.BUSY
    assert "another daemon runs" in done.stderr
