import torch
import torch.nn.functional as F
from torch import nn

documents = torch.randn(200, 10, 8)
relevance = torch.randint(0, 4, (200, 10)).float()
ranker = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(ranker.parameters(), lr=1e-3)
for epoch in range(5):
    for i in range(0, 200, 20):
        scores = ranker(documents[i : i + 20]).squeeze(-1)
        wanted = F.softmax(relevance[i : i + 20], dim=1)
        loss = -(wanted * F.log_softmax(scores, dim=1)).sum(dim=1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
