"""Jobs with the real torchrun and gloo on two loopback addresses."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.xdist_group("torchrun")

# Breaks at the first attempt; reduces over both nodes at the second. An agent counts only the restarts that its own
# ranks caused, so the attempt is told by a file and not by torchrun's count.
BREAKS_ONCE = """
import os, torch, torch.distributed as dist
dist.init_process_group("gloo")
if dist.get_rank() == 1 and not os.path.exists("broken"):
    open("broken", "w").close()
    raise ValueError("the cause")
value = torch.ones(1) * (dist.get_rank() + 1)
dist.all_reduce(value)
print("sum", value.item())
if dist.get_rank() == 0:
    with open(os.path.join(os.environ["DLCLUSTER_OUTPUT_DIR"], "sum.txt"), "w") as file:
        file.write(str(value.item()))
dist.destroy_process_group()
"""


def test_two_nodes_reduce_together_after_a_restart_of_all_ranks(make_site):
    site = make_site(torch=True)
    job = site.submit(BREAKS_ONCE, max_restarts=1)
    outcome, text = site.follow(job)
    assert (outcome.state, outcome.failure) == ("succeeded", None), outcome
    assert ("\n" + text).endswith("\nsum 3.0\n")
    assert site.store.get(job.prefix + "output/sum.txt") == b"3.0"
    assert site.leftovers() == []


def test_the_rank_that_broke_the_group_is_blamed_not_the_one_that_noticed(make_site):
    site = make_site(torch=True)
    outcome, _ = site.follow(site.submit(BREAKS_ONCE, limits={"grace": 20.0}))
    assert (outcome.state, outcome.exit_code, outcome.failure.rank) == ("failed", 1, 1), outcome
    assert outcome.failure.log[-1].endswith("ValueError: the cause")
    assert site.leftovers() == []
