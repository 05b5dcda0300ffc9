import torch
from torch import nn

net = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for step in range(300):
    t = torch.rand(64, 1, requires_grad=True)
    u = net(t)
    du = torch.autograd.grad(u, t, torch.ones_like(u), create_graph=True)[0]
    start = net(torch.zeros(1, 1))
    loss = ((du + 2 * u) ** 2).mean() + ((start - 1) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
