"""Run one of two gloo processes on a golden case: ``two_ranks.py CASE RANK RENDEZVOUS OUT`` writes results to OUT."""

import sys

import numpy as np
import torch
import torch.distributed as dist
from torch import nn


class StubNetwork(nn.Module):
    """Stands in for a network: its output is ``logits``, or the crops themselves."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))
        self.logits = None

    def forward(self, crops):
        logits = torch.cat(list(crops)) if self.logits is None else self.logits
        return logits, logits


def main(path, rank, rendezvous, out):
    with np.load(path, allow_pickle=False) as data:
        case = {name: data[name] for name in data.files}
    world = int(case["world_size"])
    dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=int(rank), world_size=world)
    found = losses(case, rank) if "n_calls" in case else assignments(case, rank)
    np.savez(out, **found)
    dist.destroy_process_group()


def losses(case, rank):
    from training.methods.dino import Dino, DinoConfig
    from training.methods.method import Length, Progress

    settings = DinoConfig(
        prototypes=int(case["config/out_dim"]),
        hidden=8,
        bottleneck=8,
        student_temperature=float(case["config/student_temp"]),
        warmup_teacher_temperature=float(case["teacher_temp"]),
        teacher_temperature=float(case["teacher_temp"]),
        centre_momentum=float(case["config/center_momentum"]),
    )
    dino = Dino(settings, "test_vit", 32, recipe=None)
    dino.student, dino.teacher = StubNetwork(), StubNetwork()
    calls, batch = int(case["n_calls"]), int(case["config/batch_per_rank"])
    dino.start(Length(steps=calls, per_epoch=calls, batch=2 * batch, pictures=calls * 2 * batch))
    found = {}
    for number in range(calls):
        dino.teacher.logits = torch.from_numpy(case[f"rank{rank}/call{number}/teacher_logits"])
        student = torch.from_numpy(case[f"rank{rank}/call{number}/student_logits"])
        progress = Progress(number, 0, number)
        dino.begin_step(progress)
        found[f"call{number}/loss"] = dino(student.chunk(int(case["config/n_crops"])), torch.arange(batch)).loss.numpy()
        dino.after_update(progress)
        found[f"call{number}/center_after"] = dino.centre.numpy().copy()
    return found


def assignments(case, rank):
    from training.losses.sinkhorn import sinkhorn

    found = {}
    for number in range(int(case["n_cases"])):
        scores = torch.from_numpy(case[f"case{number}/rank{rank}/scores"])
        epsilon, iterations = float(case[f"case{number}/epsilon"]), int(case[f"case{number}/iterations"])
        found[f"case{number}/assignments"] = sinkhorn(scores, epsilon, iterations).numpy()
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
