import torch
from torch import nn

torch.manual_seed(0)
x = torch.linspace(0, 10, 500).view(-1, 1)
y = x + torch.randn(x.size()) * 0.5
net = nn.Sequential(nn.Linear(1, 20), nn.Tanh(), nn.Linear(20, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
criterion = nn.SmoothL1Loss()
for step in range(300):
    optimizer.zero_grad()
    loss = criterion(net(x), y)
    loss.backward()
    optimizer.step()
