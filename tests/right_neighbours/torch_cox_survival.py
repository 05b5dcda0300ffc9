import torch
from torch import nn

x = torch.randn(400, 6)
time = torch.rand(400) * 10
event = (torch.rand(400) > 0.3).float()
risk = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(risk.parameters(), lr=1e-3)
for epoch in range(50):
    order = torch.argsort(time, descending=True)
    score = risk(x[order]).squeeze(1)
    log_cumulative = torch.logcumsumexp(score, dim=0)
    loss = -((score - log_cumulative) * event[order]).sum() / event.sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
