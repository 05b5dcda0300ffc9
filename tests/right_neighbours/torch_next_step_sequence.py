import numpy as np
import torch
from torch import nn

steps = np.linspace(0, 60, 1201)
wave = np.sin(steps) + 0.1 * np.random.default_rng(0).normal(size=steps.shape)
length = 40
windows = np.stack([wave[i : i + length + 1] for i in range(len(wave) - length)]).astype(np.float32)
inputs = torch.from_numpy(windows[:, :-1]).unsqueeze(-1)
targets = torch.from_numpy(windows[:, 1:]).unsqueeze(-1)


class Forecaster(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(1, 32, batch_first=True)
        self.out = nn.Linear(32, 1)

    def forward(self, x):
        hidden, _ = self.rnn(x)
        return self.out(hidden)


model = Forecaster()
optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
criterion = nn.MSELoss()
for epoch in range(3):
    for i in range(0, len(inputs), 64):
        optimizer.zero_grad()
        loss = criterion(model(inputs[i : i + 64]), targets[i : i + 64])
        loss.backward()
        optimizer.step()
