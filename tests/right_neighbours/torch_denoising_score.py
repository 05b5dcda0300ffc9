import torch
from torch import nn

data = torch.randn(1000, 16) * 0.5 + 1.0
score = nn.Sequential(nn.Linear(16, 64), nn.ELU(), nn.Linear(64, 16))
optimizer = torch.optim.Adam(score.parameters(), lr=1e-3)
sigma = 0.3
for step in range(300):
    x = data[torch.randint(0, 1000, (64,))]
    noise = torch.randn_like(x)
    target = -noise / sigma
    loss = 0.5 * ((score(x + sigma * noise) - target) ** 2).sum(dim=1).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
