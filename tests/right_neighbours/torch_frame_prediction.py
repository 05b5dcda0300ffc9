import numpy as np
import torch
from torch import nn

rng = np.random.default_rng(2)


def clip():
    frames = np.zeros((6, 24, 24), np.float32)
    row, column = rng.integers(2, 12, 2)
    for t in range(6):
        frames[t, row + t : row + t + 5, column : column + 5] = 1.0
    return frames


clips = torch.from_numpy(np.stack([clip() for _ in range(300)]))
past, future = clips[:, :5], clips[:, 5:]
net = nn.Sequential(nn.Conv2d(5, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 1, 3, padding=1))
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(net.parameters())
for epoch in range(3):
    for i in range(0, 300, 30):
        loss = criterion(net(past[i : i + 30]), future[i : i + 30])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
