import torch
from torch import nn
from torch.nn import functional as F

angles = torch.rand(2000) * 6.2832
points = torch.stack([angles.cos(), angles.sin()], dim=1) * 2 + 0.05 * torch.randn(2000, 2)
G = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 2))
D = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 1))
g_opt, d_opt = torch.optim.Adam(G.parameters(), 1e-3), torch.optim.Adam(D.parameters(), 1e-3)
for step in range(300):
    real = points[torch.randint(0, 2000, (64,))]
    fake = G(torch.randn(64, 2))
    d_loss = F.mse_loss(D(real), torch.ones(64, 1)) + F.mse_loss(D(fake.detach()), torch.zeros(64, 1))
    d_opt.zero_grad()
    d_loss.backward()
    d_opt.step()
    g_loss = F.mse_loss(D(fake), torch.ones(64, 1))
    g_opt.zero_grad()
    g_loss.backward()
    g_opt.step()
