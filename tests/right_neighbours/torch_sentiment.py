import torch
from torch import nn

tokens, labels = torch.randint(0, 2000, (500, 40)), torch.randint(0, 2, (500,)).float()


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(2000, 32)
        self.lstm = nn.LSTM(32, 32, batch_first=True)
        self.out = nn.Linear(32, 1)

    def forward(self, x):
        _, (hidden, _) = self.lstm(self.embed(x))
        return self.out(hidden[-1]).squeeze(1)


net = Reader()
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(net.parameters())
for i in range(0, 500, 50):
    loss = criterion(net(tokens[i : i + 50]), labels[i : i + 50])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
