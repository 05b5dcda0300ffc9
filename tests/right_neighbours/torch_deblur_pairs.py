import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

loader = DataLoader(
    datasets.STL10("data", split="unlabeled", download=True, transform=transforms.ToTensor()), batch_size=8
)
kernel = torch.ones(3, 1, 5, 5) / 25
net = nn.Sequential(nn.Conv2d(3, 16, 5, padding=2), nn.ReLU(), nn.Conv2d(16, 3, 5, padding=2))
criterion = nn.L1Loss()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-4)
for sharp, _ in loader:
    blurred = F.conv2d(sharp, kernel, padding=2, groups=3)
    loss = criterion(blurred + net(blurred), sharp)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
