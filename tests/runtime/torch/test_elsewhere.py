"""Programs written for other machines: GPUs, half precision, several processes, compiled models."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
import torch

from ae_audit.runtime.host.accommodations import single_process
from ae_audit.runtime.host.accommodations.cuda_on_cpu import NOTE as DEVICE_NOTE
from ae_audit.runtime.host.accommodations.single_process import NOTE as PROCESSES_NOTE
from ae_audit.schema.messages import HowItEnded

Record = Callable[..., Any]

no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="what is absent elsewhere is here")


def test_half_precision_stays_what_it_is(record: Record) -> None:
    run = record("""
    model = torch.compile(nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 16)))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    scaler = torch.amp.GradScaler("cpu")
    for step in range(60):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            out = model(images[:50])
            loss = F.binary_cross_entropy_with_logits(out, images[:50])
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
    """)
    assert (run.only.setup.loss.weight, run.only.setup.optimizer) == (1.0, "Adam")
    seen: list[torch.dtype] = []
    module = run.only._recording.models[0]
    module.register_forward_hook(lambda module, args, out: seen.append(out.dtype))
    trial = run.only.trial((), 0)
    assert trial.advance(30) > trial.advance(30)
    assert set(seen) == {torch.bfloat16}


@no_gpu
def test_a_program_for_gpus(record: Record) -> None:
    run = record("""
    import torch.cuda.amp as amp
    device = torch.device("cuda:0")
    fixed = torch.randn(50, 16, device=device)
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Linear(16, 16)
        def forward(self, x):
            return torch.sigmoid(self.layers(x + torch.zeros(16).cuda()))
    model = nn.DataParallel(Net().to(0), device_ids=[0, 1]).to(device)
    torch.cuda.empty_cache()
    print(torch.cuda.memory_allocated() / 2**20, torch.cuda.get_device_properties(0).total_memory)
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    optimizer = torch.optim.Adam(model.module.parameters(), lr=0.01)
    scaler = amp.GradScaler()
    data = torch.utils.data.TensorDataset(images)
    loader = torch.utils.data.DataLoader(data, batch_size=50, shuffle=True, pin_memory=True, num_workers=4)
    for epoch in range(60):
        start.record()
        for (x,) in loader:
            x = x.cuda(non_blocking=True).type(torch.cuda.FloatTensor)
            with amp.autocast():
                loss = F.mse_loss(model(x + 0 * fixed), x)
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
        end.record(); torch.cuda.synchronize(); start.elapsed_time(end)
    """)
    assert run.outcome.how is HowItEnded.STOPPED
    assert run.recorder.notes == (DEVICE_NOTE,)
    trial = run.only.trial((), 0)  # the model's own forward asks for the device again
    assert trial.advance(60) > trial.advance(60)
    with pytest.raises((AssertionError, RuntimeError)):
        torch.zeros(1).cuda()
    with pytest.raises((AssertionError, RuntimeError)):
        torch.zeros(1, device="cuda")


@no_gpu
@pytest.mark.parametrize("launched", ["by torchrun", "by spawn"])
def test_a_program_for_several_processes(record: Record, launched: str) -> None:
    begin = {
        "by torchrun": 'train(int(os.environ["LOCAL_RANK"]), int(os.environ["WORLD_SIZE"]))',
        "by spawn": "torch.multiprocessing.spawn(train, args=(torch.cuda.device_count(),), nprocs=8, join=True)",
    }[launched]
    run = record(
        f"""
    import os
    import torch.distributed as dist
    from torch.nn.parallel import DistributedDataParallel as DDP
    from torch.utils.data.distributed import DistributedSampler

    def train(rank, world):
        dist.init_process_group("nccl", init_method="env://", rank=rank, world_size=world)
        torch.cuda.set_device(rank)
        model = nn.Sequential(nn.Linear(16, 8), nn.BatchNorm1d(8), nn.Linear(8, 16), nn.Sigmoid())
        model = DDP(nn.SyncBatchNorm.convert_sync_batchnorm(model).to(rank), device_ids=[rank])
        data = torch.utils.data.TensorDataset(images)
        sampler = DistributedSampler(data, num_replicas=world, rank=rank)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for epoch in range(60):
            sampler.set_epoch(epoch)
            for (x,) in torch.utils.data.DataLoader(data, batch_size=50, sampler=sampler):
                x = x.to(rank)
                loss = F.mse_loss(model(x), x)
                optimizer.zero_grad(); loss.backward(); optimizer.step()
            dist.all_reduce(loss.detach())
            dist.barrier()
            print(dist.get_rank(), dist.get_world_size(), "RANK" in os.environ, os.environ.get("RANK", -1))

    {begin}
    """,
        max_steps=8,
    )
    assert run.outcome.how is HowItEnded.STOPPED
    assert PROCESSES_NOTE in run.recorder.notes
    assert len(run.only.targets) == 400  # the whole data set is this process's share
    trial = run.only.trial((), 0)
    assert trial.advance(60) > trial.advance(60)
    assert "LOCAL_RANK" not in os.environ
    assert not torch.distributed.is_initialized()


def test_the_compiler_may_be_imported_meanwhile() -> None:
    wrapper = single_process.DistributedDataParallel
    assert wrapper._get_active_ddp_module() is None  # which torch's compiler asks of the class that it found
    assert hasattr(torch.nn.parallel.DistributedDataParallel, "_get_active_ddp_module"), "torch asks it no longer"
