import torch
from torch import nn

quantiles = torch.tensor([0.1, 0.5, 0.9])
x = torch.rand(1000, 1) * 6
y = torch.sin(x) + 0.3 * torch.randn(1000, 1)
net = nn.Sequential(nn.Linear(1, 64), nn.ReLU(), nn.Linear(64, 3))
opt = torch.optim.Adam(net.parameters(), lr=1e-3)


def pinball(prediction, target):
    error = target - prediction
    return torch.maximum(quantiles * error, (quantiles - 1) * error).mean()


for epoch in range(100):
    loss = pinball(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
