import torch, torch.nn as nn

x = torch.randn(500, 2) * torch.tensor([2.0, 0.5]) + 1
net = nn.Sequential(nn.Linear(1, 32), nn.ReLU(), nn.Linear(32, 2))
opt = torch.optim.Adam(net.parameters(), 1e-3)
base = torch.distributions.Normal(0.0, 1.0)
for i in range(40):
    s, t = net(x[:, :1]).chunk(2, 1)
    z2 = x[:, 1:] * torch.exp(s) + t
    z = torch.cat([x[:, :1], z2], 1)
    loss = -(base.log_prob(z).sum(1) + s.squeeze(1)).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
