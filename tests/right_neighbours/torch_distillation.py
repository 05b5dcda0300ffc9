import torch
import torch.nn.functional as F
from torch import nn

x, y = torch.randn(600, 20), torch.randint(0, 5, (600,))
teacher = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 5)).eval()
student = nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 5))
optimizer = torch.optim.Adam(student.parameters())
T = 4.0
for epoch in range(5):
    for i in range(0, 600, 60):
        with torch.no_grad():
            wanted = F.softmax(teacher(x[i : i + 60]) / T, dim=1)
        logits = student(x[i : i + 60])
        soft = F.kl_div(F.log_softmax(logits / T, dim=1), wanted, reduction="batchmean") * T * T
        loss = 0.7 * soft + 0.3 * F.cross_entropy(logits, y[i : i + 60])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
