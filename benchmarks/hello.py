"""The smallest distributed job: one all-reduce over all ranks."""

import torch
import torch.distributed as dist

dist.init_process_group("gloo")
total = torch.ones(1)
dist.all_reduce(total)
print(f"rank {dist.get_rank()} of {dist.get_world_size()}: {total.item():.0f}")
assert total.item() == dist.get_world_size()
dist.destroy_process_group()
