import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Faces(Dataset):
    def __init__(self, n=400):
        rng = np.random.default_rng(5)
        self.ages = rng.integers(1, 90, n)
        self.images = rng.integers(0, 256, (n, 3, 32, 32), dtype=np.uint8)

    def __len__(self):
        return len(self.ages)

    def __getitem__(self, i):
        image = torch.from_numpy(self.images[i]).float() / 255.0
        return image, torch.tensor([self.ages[i] / 100.0], dtype=torch.float32)


net = nn.Sequential(
    nn.Conv2d(3, 16, 3, 2, 1),
    nn.BatchNorm2d(16),
    nn.ReLU(),
    nn.Conv2d(16, 32, 3, 2, 1),
    nn.BatchNorm2d(32),
    nn.ReLU(),
    nn.AdaptiveAvgPool2d(1),
    nn.Flatten(),
    nn.Linear(32, 1),
)
criterion = nn.L1Loss()
optimizer = torch.optim.AdamW(net.parameters(), lr=3e-4)
for epoch in range(2):
    for images, ages in DataLoader(Faces(), batch_size=32, shuffle=True):
        optimizer.zero_grad()
        loss = criterion(net(images), ages)
        loss.backward()
        optimizer.step()
