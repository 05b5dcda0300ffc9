import torch, torch.nn as nn, torch.nn.functional as F

feat = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU()).eval().requires_grad_(False)
gram = lambda x: torch.einsum("bchw,bdhw->bcd", x, x) / x[0].numel()
net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.InstanceNorm2d(8), nn.ReLU(), nn.Conv2d(8, 3, 3, padding=1))
data = torch.rand(64, 3, 24, 24)
gs = gram(feat(torch.rand(1, 3, 24, 24)))
opt = torch.optim.Adam(net.parameters(), 1e-3)
for i in range(10):
    x = data[torch.randint(0, 64, (8,))]
    y = net(x)
    fx, fy = feat(x), feat(y)
    tv = (y[:, :, 1:] - y[:, :, :-1]).abs().mean()
    loss = F.mse_loss(fy, fx) + 1e3 * F.mse_loss(gram(fy), gs.expand(8, -1, -1)) + 0.1 * tv
    opt.zero_grad()
    loss.backward()
    opt.step()
