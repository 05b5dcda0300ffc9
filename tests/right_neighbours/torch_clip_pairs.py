import torch
import torch.nn.functional as F
from torch import nn

images, texts = torch.randn(320, 64), torch.randn(320, 48)
image_encoder, text_encoder = nn.Linear(64, 16), nn.Linear(48, 16)
scale = nn.Parameter(torch.tensor(2.0))
optimizer = torch.optim.AdamW([*image_encoder.parameters(), *text_encoder.parameters(), scale], lr=1e-3)
for epoch in range(5):
    for i in range(0, 320, 32):
        a = F.normalize(image_encoder(images[i : i + 32]), dim=-1)
        b = F.normalize(text_encoder(texts[i : i + 32]), dim=-1)
        logits = scale.exp() * a @ b.t()
        labels = torch.arange(len(logits))
        loss = (F.cross_entropy(logits, labels) + F.cross_entropy(logits.t(), labels)) / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
