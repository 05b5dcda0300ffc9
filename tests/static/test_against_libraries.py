"""What reading claims of arrays, against what NumPy and torch really make: a claimed shape or range must hold."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from ae_audit.static import analyse_file

START = """
import numpy as np
import torch
from torch import nn
import torch.nn.functional as F
a = np.random.randint(0, 256, (6, 8, 8, 3)).astype("uint8")
g = np.random.rand(6, 8, 8)
t = torch.rand(6, 3, 8, 8)
v = torch.linspace(-1, 1, 12)
"""
USE = """
model = nn.Linear(3, 2)
optimizer = torch.optim.SGD(model.parameters(), 0.1)
loss = F.mse_loss(model(torch.rand(5, 3)), torch.as_tensor(made))
optimizer.zero_grad()
loss.backward()
optimizer.step()
"""
EXPRESSIONS = """
np.linspace(0, 1, 11)
np.linspace(0, 1)
np.arange(5)
np.arange(2, 9, 2)
np.zeros((3, 2))
np.zeros(4)
np.ones([2, 2])
np.full((2, 3), 7.0)
np.eye(4)
np.identity(3)
np.eye(10)[np.array([1, 2, 3])]
np.random.normal(size=(300, 2))
np.random.normal(0.5, 0.1, (300, 2))
np.random.uniform(-1, 1, (400,))
np.random.rand(300, 2)
np.random.randn(300)
np.random.randint(0, 5, 100)
np.random.randint(5, size=(200, 3))
np.random.choice([0, 1], size=(40, 1))
np.random.binomial(1, 0.5, (30, 3))
np.random.RandomState(3).randint(1, 6, size=300)
np.random.RandomState(3).rand(40, 2)
np.random.randn(50, 6) @ np.random.randn(6, 1)
np.random.randn(50, 6) @ np.random.rand(6, 2) * 3
torch.randn(60, 8) @ torch.randn(8, 1)
torch.randn(60, 8).sum(1)
torch.randn(60, 8).mm(torch.randn(8, 1)) + torch.randn(1).item()
torch.mm(torch.randn(60, 8), torch.randn(8, 2))
torch.randn(60, 8).mv(torch.randn(8))
(torch.randint(0, 5, (60,)).unsqueeze(1) > torch.arange(4)).float()
torch.randint(0, 5, (60,))[:, None].gt(torch.arange(4)).float()
(np.random.randint(0, 5, (60, 1)) > np.arange(4)).astype("float32")
torch.einsum("ij,jk->ik", torch.randn(60, 8), torch.randn(8, 2)) + torch.randn(1)
np.einsum("ij,jk->ik", np.random.rand(9, 3), np.random.rand(3, 2)) + np.random.rand(2)
g + np.random.rand(1).item()
np.random.normal(0, 3, (60, 8)).mean(axis=1)
np.random.randn(3, 2) @ np.random.randn(2, 1)
np.linspace(-10, 10, 50) ** 3
(g - 0.5) ** 3
np.linspace(-10, 10, 50) ** 4
(2 * t - 1) ** 5
np.log(g + 1e-6)
np.log1p(g * 500)
np.log2(g + 1)
20 * np.log10(g + 1e-5)
torch.log(t + 0.01)
torch.log1p(t)
torch.log10(t * 9 + 1)
np.random.default_rng(3).integers(1, 6, size=300, endpoint=True)
np.random.gamma(0.3, 1.0, size=(30, 2))
np.random.default_rng(3).beta(2, 5, (30, 2))
np.random.dirichlet(np.ones(4), 30)
np.random.lognormal(0, 1, (30, 2))
np.random.geometric(0.5, 300)
np.random.vonmises(0, 1, (30, 2))
np.random.triangular(-1, 0, 3, (30, 2))
np.random.standard_cauchy((30, 2))
np.random.standard_exponential((300, 2))
torch.randn(3, 2)
torch.randn(300, 2)
torch.empty(300).normal_(2.0, 3.0)
(t.mean(1, keepdim=True) > 0.5).float()
a / 255.
a.astype("float32") / 255
a.reshape(6, -1)
a.reshape((len(a), 192))
a.reshape(-1, 3)
a.transpose(0, 3, 1, 2)
np.transpose(a, (0, 3, 1, 2))
np.moveaxis(a, -1, 1)
np.swapaxes(a, 1, 3)
np.rollaxis(a, 3, 1)
a[..., 0]
a[:, :, :, :1]
a[0]
a[:4]
a[::2]
a[:, 1:-1, 1:-1]
a[..., np.newaxis]
a[None]
np.expand_dims(g, -1)
np.expand_dims(g, axis=3)
np.squeeze(np.expand_dims(g, -1))
np.squeeze(np.expand_dims(g, -1), axis=-1)
g.flatten()
g.ravel()
np.concatenate([g, g])
np.concatenate((g, g), axis=1)
np.stack([g, g])
np.stack([g, g], axis=-1)
np.vstack([g, g])
np.hstack([g, g])
np.dstack([g[0], g[0]])
np.repeat(g, 2, axis=0)
np.repeat(g[..., None], 3, -1)
np.tile(g, (2, 1, 1))
np.pad(g, ((0, 0), (2, 2), (2, 2)))
np.pad(g, ((0, 0), (2, 2), (2, 2)), mode="constant", constant_values=1)
np.clip(g * 3 - 1, 0, 1)
np.clip(a, 0, 1)
np.mean(a, axis=0)
a.mean(axis=(1, 2))
a.mean()
a.max(axis=3)
np.max(a)
np.sum(g, axis=1)
g.sum(axis=-1, keepdims=True)
np.abs(g - 0.5)
np.sqrt(g)
np.square(g - 1)
np.exp(g)
np.log1p(g)
np.log(g + 1)
np.power(g, 2)
g ** 0.5
1 - g
1.0 - a / 255.0
(a - 127.5) / 127.5
a.astype(np.float32) / 127.5 - 1
np.where(g > 0.5, 1, 0)
np.where(g > 0.5, g, 0.0)
(g > 0.5).astype("float32")
(g > 0.5) * 1.0
np.round(g)
np.floor(g * 4)
np.sign(g - 0.5)
np.sin(g * 6)
np.tanh(g * 3 - 1)
np.maximum(g - 0.5, 0)
np.minimum(g, 0.3)
np.dot(g[0], g[0])
g @ g
np.einsum("ijk->ikj", g)
np.flip(g, 1)
np.rot90(g[0])
np.invert(a)
255 - a
np.bitwise_not(a)
a.astype(int) - 300
np.asarray(a, dtype="float32")
np.array([x / 255. for x in a])
np.array([x.flatten() for x in a])
np.array(list(a))
np.float32(a)
np.uint8(g * 255)
np.clip(g, g.mean(), 1)
(g * 9).clip(max=g.mean())
torch.clamp(t * 9 - 5, max=t.mean())
np.mod(a, 10)
a % 7
a // 2
np.cumsum(g, axis=1)
np.diff(g, axis=1)
np.argmax(g, axis=-1)
np.prod(a.shape)
np.split(g, 2)[0]
np.array_split(g, 3)[1]
np.outer(np.arange(3), np.arange(4))
np.meshgrid(np.arange(3), np.arange(4))[0]
np.broadcast_to(np.arange(3), (4, 3))
np.ones_like(g)
np.ones_like(g) * 3
1 - np.zeros((3, 1))
np.ones((3, 1)) * np.ones((1, 2))
g.T
a.T
t[0, 0].T
-a
np.square(a)
np.sqrt(g - 0.5)
np.sqrt(a / 255.)
a - 5
a + a
np.round(g * 0.4, 1)
np.round(g * 0.4 - 0.2)
np.floor(g * 3 - 0.5)
np.ceil(g * 3 - 0.5)
g * np.log2(8)
g - g
1 / (1 + np.exp(-g.mean(axis=1)))
np.gradient(g[0])[0] > g.mean()
np.pad(g + 1, 2)
np.pad(g, ((0, 0), (2, 2), (2, 2)), constant_values=7)
np.pad(g + 1, ((0, 0), (2, 2), (2, 2)), "edge")
np.pad(g, ((0, 0), (2, 2), (2, 2)), "linear_ramp", end_values=9)
g * np.log10(100)
np.zeros_like(a)
np.full_like(g, 2.0)
np.nan_to_num(g)
np.take(g, [0, 1], axis=0)
np.delete(g, 0, axis=0)
np.insert(g, 0, 5.0, axis=0)
np.append(g, g, axis=0)
np.unique(np.array([3, 1, 3]))
np.random.permutation(g)
np.interp(g, [0, 1], [-1, 1])
np.interp(a, (0, 255), (0, 1))
np.hypot(g, g)
np.array([1, 2, 3]) * 2
np.array([[0.0, 1.0], [1.0, 0.0]])
torch.from_numpy(a).permute(0, 3, 1, 2)
torch.from_numpy(a).float().div(255)
torch.tensor(g).unsqueeze(1)
torch.as_tensor(a).float() / 255
t.view(6, -1)
t.view(t.size(0), -1)
t.view(-1, 64)
t.reshape(6, 3, 64)
t.flatten(1)
t.flatten()
torch.flatten(t, 1)
torch.flatten(t, start_dim=2)
t.permute(0, 2, 3, 1)
t.transpose(1, 2)
t.squeeze(0)
t[:, :1].squeeze(1)
t.unsqueeze(0)
t[0]
t[:, 0]
t[:, 0:1]
t[..., :4]
t[:, :, ::2, ::2]
t.mean()
t.mean(1)
t.mean(dim=1, keepdim=True)
t.mean((2, 3))
t.sum(1)
t.amax(dim=(2, 3))
t.max(dim=1)[0]
t.max(dim=1).values
t.max()
t.clamp(0.2, 0.8)
t.clamp(min=0.5)
torch.clamp(t * 2 - 1, -1, 1)
t.mul(2).sub(1)
t * 2 - 1
(t - 0.5) / 0.5
1 - t
t.neg()
t.abs()
t.sqrt()
t.pow(2)
t ** 2
t.exp()
t.log()
t.sigmoid()
t.tanh()
torch.sigmoid(t * 9 - 4)
t.round()
t.floor()
(t > 0.5).float()
t.gt(0.5).float()
t.ge(0.5).int()
torch.where(t > 0.5, 1.0, 0.0)
torch.where(t > 0.5, t, torch.zeros_like(t))
torch.cat([t, t])
torch.cat([t, t], dim=1)
torch.cat((t, 1 - t), 1)
torch.stack([t, t])
torch.stack([t, t], dim=1)
torch.chunk(t, 3, dim=1)[0]
torch.split(t, 1, dim=1)[0]
t.chunk(2, 0)[1]
t.repeat(1, 2, 1, 1)
t.expand(6, 3, 8, 8)
t[:, :1].expand(-1, 3, -1, -1)
t.repeat_interleave(2, dim=0)
t.roll(1, 0)
t.flip(3)
t.narrow(1, 0, 2)
t.select(1, 0)
t.index_select(0, torch.tensor([0, 1]))
t.bernoulli()
torch.bernoulli(t)
t + 0.1 * torch.randn_like(t)
torch.rand(60, 3) < 0.5
F.one_hot(torch.arange(5) % 3, 3).float()
F.one_hot(torch.arange(5) % 3, num_classes=3)
F.pad(t, (1, 1, 1, 1))
F.interpolate(t, scale_factor=2)
F.interpolate(t, size=(4, 4))
F.avg_pool2d(t, 2)
F.max_pool2d(t, 2)
F.normalize(t, dim=1)
F.softmax(t, dim=1)
F.relu(t - 0.5)
t.argmax(1)
t.long()
(t * 255).byte()
(t * 255).to(torch.uint8)
t.new_zeros(3, 2)
torch.zeros(6, 10).scatter_(1, torch.arange(6).unsqueeze(1), 1)
v.pow(2) + 0.2 * torch.rand(v.size())
v.unsqueeze(1)
v[:, None]
v.sin()
torch.outer(v, v)
torch.meshgrid(v, v)[0]
torch.triu(torch.ones(3, 3))
torch.eye(4)[torch.arange(3)]
torch.diag(v)
torch.cumsum(t, 1)
torch.norm(t, dim=1)
t.norm()
t.var(1)
t.std()
torch.matmul(t, t)
t @ t.transpose(-1, -2)
torch.bmm(t[0], t[0])
torch.mm(t[0, 0], t[0, 0])
t.detach().clone()
t.numpy()
t.cpu().numpy().reshape(6, -1)
t.view_as(t)
t.squeeze()
t.swapaxes(1, 3)
torch.movedim(t, 1, -1)
t.contiguous().view(6, 3 * 64)
t.view(6, 3, -1).mean(-1)
t.unfold(2, 4, 4)
torch.minimum(t, 1 - t)
torch.maximum(t, 1 - t)
torch.lerp(t, 1 - t, 0.5)
torch.logit(t)
torch.erf(t)
torch.softmax(t, 1)
t.fmod(0.5)
t % 0.5
torch.remainder(t, 0.5)
torch.masked_select(t, t > 0.5)
t.masked_fill(t > 0.5, -3.0)
t.masked_fill(t > 0.2, 0.5)
t.masked_fill(t > 0.5, value=-3.0)
t.masked_scatter(t > 0.5, t - 4)
t.index_fill(1, torch.tensor([0]), 7.0)
torch.masked_fill(t, t < 0.5, 2.0)
t.clone().fill_(3.0)
t.nan_to_num()
t.type(torch.float64)
t.half()
t.double() * 255
t.sub(t.mean()).div(t.std())
(t - t.mean()) / t.std()
(t - t.min()) / (t.max() - t.min())
(g - g.min()) / (g.max() - g.min())
(g - g.mean()) / g.std()
(g - g.mean(axis=0)) / g.std(axis=0)
a / a.max()
np.clip(g, 0.4, 0.9) / np.clip(g, 0.4, 0.9).max()
(g - 0.7) / np.abs(g - 0.7).max()
(g - 0.7) / (g * 0.1).max()
(g - 2 - (g - 2).min()) / (g - 2).max()
(np.random.normal(size=(90, 3)) - 1) / np.random.normal(size=(90, 3)).max()
a / np.max(a)
g / np.linalg.norm(g, axis=1, keepdims=True)
torch.linspace(-1, 1, 100)
torch.arange(0, 10, 2)
torch.arange(7)
torch.randperm(5)
torch.eye(4)
torch.full((2, 3), 5.0)
torch.randint(10, (40, 2))
torch.randint(0, 10, (40, 2))
torch.randint(0, 10, size=(30,))
torch.normal(torch.zeros(500, 1), torch.ones(500, 1))
torch.normal(0.0, 1.0, (300, 4))
torch.normal(0.0, 1.0, size=(300, 4))
torch.zeros(2, 3)
torch.ones((2, 3))
torch.zeros(1).new_full((3, 2), 1.0)
torch.zeros(1).new_tensor([1, 2])
torch.rand_like(torch.zeros(200, 2))
torch.tril(torch.ones(3, 3))
torch.hstack([t, t])
torch.vstack([v, v])
np.column_stack([np.arange(3), np.arange(3)])
np.vstack([np.arange(3), np.arange(3)])
a[..., ::-1]
a[:, ::2, ::2]
np.split(g, 2, axis=1)[0]
np.hsplit(g, 2)[1]
np.hsplit(np.arange(9), 3)[0]
np.dsplit(g, [2, 4])[2]
a / 255 - (a / 255).mean()
a - (a / 255.0).mean()
g[2]
g[-1, 1:3]
g[:, 2]
g[:, 2, None]
g[:, None, :, ::2]
g[..., 0]
g[1:, ..., -3:]
g[[0, 2, 4]]
g[np.array([3, 1])]
g[np.random.permutation(6)[:4]]
g[:, [1, 2]]
g[g > 0.5]
g[0, 0, 0]
g[:, -3:-1]
t[torch.randperm(6)[:2]]
t[:, :, 1:5, 2]
t[:, 0].unsqueeze(1)
v.unfold(0, 4, 2)
torch.sin(torch.arange(300) / 15).unfold(0, 21, 1)[:, :20, None]
torch.sin(torch.arange(300) / 15).unfold(0, 21, 1)[:, 20]
g.sum(1)
g.sum(axis=(1, 2))
g.sum(0, keepdims=True)
g.mean(axis=-1)
np.mean(g, axis=2, keepdims=True)
np.sum(np.random.rand(90, 5), axis=1)
np.random.rand(90, 5).mean(1)
torch.rand(90, 4).sum(1, keepdim=True)
(2 * torch.rand(90, 4) - 1).sum(1)
g[:, :, 0] + np.random.rand(6, 1)
g[:, 0, 0] * g[:, 1, 1][:, None]
torch.rand(50, 1) - torch.rand(50)
np.squeeze(g[:, :1], axis=1)
np.expand_dims(g, -1)
np.expand_dims(g.sum(1), 1)
np.matmul(g, np.ones((8, 2)))
np.dot(np.random.rand(9, 3), np.random.rand(3, 4))
np.random.rand(9, 3) @ np.random.rand(3)
np.minimum(g, 1 - g)
np.maximum(g[:, 0], 0.5)
torch.maximum(t, 1 - t)
torch.min(t, 1 - t)
torch.arange(0, 1, 0.25)
np.arange(0, 2, 0.5)
np.random.normal(100, 300, (50, 4)).astype("uint8")
""".strip().splitlines()
REACHED = 0.35
"""share of the span (widened by 0.1) by which few random numbers may fall short of what surely occurs in many"""


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_claims_hold(expression: str) -> None:
    result = analyse_file("program.py", f"{START}made = {expression}\n{USE}".encode())
    (setup,) = result.setups
    claimed = setup.target
    np.random.seed(0)
    torch.manual_seed(0)
    names: dict[str, object] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(f"{START}made = {expression}", names)
    made = np.asarray(names["made"])
    if claimed.shape is not None:
        assert len(claimed.shape) == made.ndim
        assert all(extent in {None, real} for extent, real in zip(claimed.shape, made.shape, strict=True))
    low, high = float(np.nanmin(made)), float(np.nanmax(made))
    rounding = 1e-6 * (1 + abs(low) + abs(high))
    assert claimed.values.hull.lo - rounding <= low
    assert high <= claimed.values.hull.hi + rounding
    if claimed.values.reach is not None:
        slack = REACHED * (high - low + 0.1)
        assert low - slack <= claimed.values.reach.lo
        assert claimed.values.reach.hi <= high + slack
