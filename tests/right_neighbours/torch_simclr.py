import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

augment = transforms.Compose(
    [transforms.RandomResizedCrop(32), transforms.RandomHorizontalFlip(), transforms.ToTensor()]
)


class TwoViews:
    def __call__(self, image):
        return augment(image), augment(image)


loader = DataLoader(datasets.CIFAR10("data", download=True, transform=TwoViews()), batch_size=32, drop_last=True)
encoder = nn.Sequential(nn.Conv2d(3, 16, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 32))
optimizer = torch.optim.Adam(encoder.parameters(), lr=1e-3)
for (one, two), _ in loader:
    z = F.normalize(torch.cat([encoder(one), encoder(two)]), dim=1)
    similarity = z @ z.T / 0.5
    similarity = similarity.masked_fill(torch.eye(len(z), dtype=torch.bool), -1e9)
    half = len(one)
    labels = torch.cat([torch.arange(half) + half, torch.arange(half)])
    loss = F.cross_entropy(similarity, labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
