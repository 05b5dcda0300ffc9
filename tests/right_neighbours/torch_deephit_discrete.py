import torch, torch.nn as nn, torch.nn.functional as F

n, T = 300, 12
x = torch.randn(n, 6)
t = torch.clamp((6 + 3 * x[:, 0]).round().long(), 0, T - 1)
e = (torch.rand(n) < 0.7).float()
net = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, T))
opt = torch.optim.Adam(net.parameters(), 1e-2)
for i in range(40):
    haz = torch.sigmoid(net(x)).clamp(1e-6, 1 - 1e-6)
    logs = torch.log(1 - haz).cumsum(1)
    before = torch.cat([torch.zeros(n, 1), logs[:, :-1]], 1).gather(1, t[:, None]).squeeze(1)
    ev = torch.log(haz.gather(1, t[:, None]).squeeze(1)) + before
    ce = logs.gather(1, t[:, None]).squeeze(1)
    loss = -(e * ev + (1 - e) * ce).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
