import torch
from torch import nn

better, worse = torch.randn(600, 12) + 0.3, torch.randn(600, 12)
scorer = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 1))
criterion = nn.MarginRankingLoss(margin=1.0)
optimizer = torch.optim.Adam(scorer.parameters())
for epoch in range(10):
    for i in range(0, 600, 60):
        a, b = scorer(better[i : i + 60]), scorer(worse[i : i + 60])
        loss = criterion(a, b, torch.ones_like(a))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
