import torch, torch.nn as nn

d = torch.rand(64, 1, 16, 16) * 9 + 0.5
img = torch.cat([d / 10, 1 / d, d * 0.05], 1) + 0.05 * torch.randn(64, 3, 16, 16)
net = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ELU(), nn.Conv2d(16, 1, 3, padding=1), nn.Sigmoid())
opt = torch.optim.Adam(net.parameters(), 1e-3)


def silog(pred, gt, lam=0.85):
    mask = gt > 1e-3
    e = torch.log(pred[mask]) - torch.log(gt[mask])
    return torch.sqrt((e**2).mean() - lam * (e.mean() ** 2)) * 10.0


for i in range(20):
    b = torch.randint(0, 64, (8,))
    loss = silog(net(img[b]) * 10, d[b])
    opt.zero_grad()
    loss.backward()
    opt.step()
