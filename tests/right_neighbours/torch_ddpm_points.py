import torch
import torch.nn.functional as F
from torch import nn

T = 200
betas = torch.linspace(1e-4, 0.02, T)
alpha_bars = torch.cumprod(1 - betas, 0)
data = torch.cat([torch.randn(500, 2) * 0.2 + 1, torch.randn(500, 2) * 0.2 - 1])
net = nn.Sequential(nn.Linear(3, 128), nn.SiLU(), nn.Linear(128, 2))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for step in range(500):
    x0 = data[torch.randint(0, 1000, (128,))]
    t = torch.randint(0, T, (128,))
    eps = torch.randn_like(x0)
    a = alpha_bars[t].unsqueeze(1)
    xt = a.sqrt() * x0 + (1 - a).sqrt() * eps
    loss = F.mse_loss(net(torch.cat([xt, t.unsqueeze(1) / T], dim=1)), eps)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
