import torch
from torch import nn

images = torch.rand(200, 3, 32, 32)
boxes = torch.rand(200, 4)
classes = torch.randint(0, 3, (200,))


class Detector(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.box = nn.Sequential(nn.Linear(16, 4), nn.Sigmoid())
        self.kind = nn.Linear(16, 3)

    def forward(self, x):
        h = self.body(x)
        return self.box(h), self.kind(h)


net = Detector()
optimizer = torch.optim.Adam(net.parameters())
for epoch in range(3):
    for i in range(0, 200, 20):
        box, kind = net(images[i : i + 20])
        loss = nn.functional.smooth_l1_loss(box, boxes[i : i + 20]) + nn.functional.cross_entropy(
            kind, classes[i : i + 20]
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
