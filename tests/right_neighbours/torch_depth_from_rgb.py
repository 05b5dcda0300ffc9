import torch
from torch import nn

rgb = torch.rand(100, 3, 24, 24)
depth = 0.5 + 9.5 * rgb.mean(dim=1, keepdim=True)
net = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 1, 3, padding=1))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)


def scale_invariant(prediction, target):
    difference = prediction - torch.log(target)
    return (difference**2).mean() - 0.5 * difference.mean() ** 2


for epoch in range(3):
    for i in range(0, 100, 20):
        loss = scale_invariant(net(rgb[i : i + 20]), depth[i : i + 20])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
