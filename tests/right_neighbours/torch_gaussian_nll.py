import torch
from torch import nn

x = torch.rand(800, 4)
y = (x @ torch.tensor([[1.0], [2.0], [-1.0], [0.5]])) + 0.1 * torch.randn(800, 1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 32), nn.ReLU())
        self.mean = nn.Linear(32, 1)
        self.var = nn.Sequential(nn.Linear(32, 1), nn.Softplus())

    def forward(self, x):
        h = self.body(x)
        return self.mean(h), self.var(h) + 1e-6


net = Net()
criterion = nn.GaussianNLLLoss()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for epoch in range(20):
    for i in range(0, 800, 50):
        mean, var = net(x[i : i + 50])
        loss = criterion(mean, y[i : i + 50], var)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
