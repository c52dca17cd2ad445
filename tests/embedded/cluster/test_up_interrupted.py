"""`up` is killed at several points; the next `up` converges, or `down` removes all."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.xdist_group("up-interrupted")

# A line of `up`'s progress, and the exit code of `down` when nothing had been created by then.
POINTS = {
    "while-planning": "planning",
    "plan-shown": "resources to create",
    "first-resources": "✓ Vpc",
    "group-under-way": "✓ HeadLaunchTemplate",
    "stack-complete": "waiting for 3 nodes",
    "while-verifying": "verifying the nodes",
}


def kill_up_at(world, name, text):
    """Start `up -n name` and kill it -9 when it has said `text`."""
    process = world.start("up", "-n", name)
    for line in process.stderr:
        if text in line:
            process.kill()
            break
    else:
        pytest.fail(f"up never said {text!r}")
    process.stdout.close()
    process.stderr.close()
    process.wait(10)


def leftovers(world, name):
    from dlcluster.cloud import sweep
    from dlcluster.cloud.session import Session

    daemon = world.daemon()
    return sweep.find(Session("local", "us-east-1", endpoint=daemon["endpoint"]), name) if daemon["running"] else []


@pytest.mark.parametrize("point", ["while-planning", "group-under-way", "while-verifying"])
def test_the_next_up_converges(shared, point):
    kill_up_at(shared, f"up-{point}", POINTS[point])
    done = shared.run("up", "-n", f"up-{point}")
    assert "ready in" in done.stderr
    assert shared.json("status", "-n", f"up-{point}")["state"] == "ready"
    shared.run("down", "-n", f"up-{point}")
    assert leftovers(shared, f"up-{point}") == []


@pytest.mark.parametrize("point", POINTS)
def test_down_removes_all(shared, point):
    name = f"dn-{point}"
    kill_up_at(shared, name, POINTS[point])
    down = shared.run("down", "-n", name, code=None)
    # Killed before it had asked the cloud for anything, `up` leaves no cluster to know of.
    assert down.returncode == 0 or "there is no cluster" in down.stderr, down.stderr
    assert leftovers(shared, name) == []
    assert shared.json("status", "-n", name, code=66)["error"]["exit_code"] == 66


def test_ctrl_c_says_that_the_cloud_goes_on_and_what_to_type(shared):
    import signal

    process = shared.start("up", "-n", "ctrl-c", start_new_session=True)
    for line in process.stderr:
        if "✓ Vpc" in line:
            process.send_signal(signal.SIGINT)
            break
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "dlcluster down" in err
    assert "Traceback" not in err
    shared.run("down", "-n", "ctrl-c")
    assert leftovers(shared, "ctrl-c") == []


def test_two_clusters_side_by_side_do_not_disturb_each_other(shared):
    first, second = shared.start("up", "-n", "left"), shared.start("up", "-n", "right")
    for process in (first, second):
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    rows = {row["name"]: row["state"] for row in shared.json("status", "--all")}
    assert (rows["left"], rows["right"]) == ("ready", "ready")
    shared.run("down", "-n", "left")
    assert shared.json("status", "-n", "right")["state"] == "ready"
    shared.run("down", "-n", "right")
