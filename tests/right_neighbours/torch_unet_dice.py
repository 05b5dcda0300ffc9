import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

images = torch.rand(160, 1, 32, 32)
masks = (images > 0.6).float()
loader = DataLoader(TensorDataset(images, masks), batch_size=16, shuffle=True)
net = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 3, padding=1), nn.Sigmoid())


def dice_loss(prediction, target, smooth=1.0):
    overlap = (prediction * target).sum(dim=(1, 2, 3))
    total = prediction.sum(dim=(1, 2, 3)) + target.sum(dim=(1, 2, 3))
    return 1 - ((2 * overlap + smooth) / (total + smooth)).mean()


optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
bce = nn.BCELoss()
for epoch in range(2):
    for x, y in loader:
        p = net(x)
        loss = bce(p, y) + dice_loss(p, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
