import torch
from torch import nn

images = torch.rand(120, 3, 32, 32)
labels = torch.randint(0, 5, (120, 32, 32))
net = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 5, 1))
criterion = nn.CrossEntropyLoss(ignore_index=4)
optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
for epoch in range(2):
    for i in range(0, 120, 12):
        loss = criterion(net(images[i : i + 12]), labels[i : i + 12])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
