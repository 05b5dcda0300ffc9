import random
import torch
from torch import nn

q, target = (
    nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2)),
    nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2)),
)
target.load_state_dict(q.state_dict())
memory = [
    (torch.randn(4), random.randrange(2), random.random(), torch.randn(4), random.random() < 0.1) for _ in range(500)
]
optimizer = torch.optim.Adam(q.parameters(), lr=1e-3)
for step in range(200):
    batch = random.sample(memory, 32)
    states = torch.stack([b[0] for b in batch])
    actions = torch.tensor([b[1] for b in batch]).unsqueeze(1)
    rewards = torch.tensor([b[2] for b in batch])
    following = torch.stack([b[3] for b in batch])
    done = torch.tensor([float(b[4]) for b in batch])
    with torch.no_grad():
        wanted = rewards + 0.99 * target(following).max(1).values * (1 - done)
    chosen = q(states).gather(1, actions).squeeze(1)
    loss = nn.functional.smooth_l1_loss(chosen, wanted)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
