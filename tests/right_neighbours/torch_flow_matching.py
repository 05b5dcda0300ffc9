import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
loader = DataLoader(datasets.MNIST("data", download=True, transform=transform), batch_size=64, shuffle=True)
velocity = nn.Sequential(nn.Linear(785, 256), nn.SiLU(), nn.Linear(256, 784))
optimizer = torch.optim.Adam(velocity.parameters(), lr=1e-3)
for images, _ in loader:
    x1 = images.flatten(1)
    x0 = torch.randn_like(x1)
    t = torch.rand(len(x1), 1)
    xt = (1 - t) * x0 + t * x1
    loss = ((velocity(torch.cat([xt, t], dim=1)) - (x1 - x0)) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
