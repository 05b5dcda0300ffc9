import torch
from torch import nn
from torch.nn import functional as F

anchor, positive, negative = torch.randn(500, 20), torch.randn(500, 20), torch.randn(500, 20)
embed = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 16))
criterion = nn.TripletMarginLoss(margin=0.5)
optimizer = torch.optim.Adam(embed.parameters())
for epoch in range(5):
    for i in range(0, 500, 50):
        a, p, n = (F.normalize(embed(part[i : i + 50])) for part in (anchor, positive, negative))
        loss = criterion(a, p, n)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
