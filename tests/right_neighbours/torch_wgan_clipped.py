import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
loader = DataLoader(datasets.MNIST("data", download=True, transform=transform), batch_size=64, shuffle=True)
G = nn.Sequential(nn.Linear(32, 128), nn.ReLU(), nn.Linear(128, 784), nn.Tanh())
D = nn.Sequential(nn.Linear(784, 128), nn.LeakyReLU(0.2), nn.Linear(128, 1))
opt_g = torch.optim.RMSprop(G.parameters(), lr=5e-5)
opt_d = torch.optim.RMSprop(D.parameters(), lr=5e-5)
for i, (images, _) in enumerate(loader):
    real = images.view(images.size(0), -1)
    fake = G(torch.randn(images.size(0), 32))
    loss_d = -D(real).mean() + D(fake.detach()).mean()
    opt_d.zero_grad()
    loss_d.backward()
    opt_d.step()
    for p in D.parameters():
        p.data.clamp_(-0.01, 0.01)
    if i % 5 == 0:
        loss_g = -D(G(torch.randn(images.size(0), 32))).mean()
        opt_g.zero_grad()
        loss_g.backward()
        opt_g.step()
