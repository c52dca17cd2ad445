"""One job with the real torchrun on two loopback addresses."""

from __future__ import annotations

ALL_REDUCE = """
import os, torch, torch.distributed as dist
dist.init_process_group("gloo")
value = torch.ones(1) * (dist.get_rank() + 1)
dist.all_reduce(value)
if dist.get_rank() == 0:
    with open(os.path.join(os.environ["DLCLUSTER_OUTPUT_DIR"], "sum.txt"), "w") as file:
        file.write(str(value.item()))
print("sum", value.item())
dist.destroy_process_group()
"""


def test_two_nodes_reduce_together_under_the_real_torchrun(make_site):
    site = make_site(torch=True)
    job = site.submit(ALL_REDUCE)
    outcome, text = site.follow(job)
    assert (outcome.state, outcome.failure) == ("succeeded", None), outcome
    assert "sum 3.0" in text
    assert site.store.get(job.prefix + "output/sum.txt") == b"3.0"
    assert site.leftovers() == []
