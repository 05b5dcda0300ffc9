"""Hugging Face's transformers: the outputs of its models, and its trainer; outputs averaged over several members."""

from __future__ import annotations

import pytest

from tests.static.torch_programs import setup_of

MODEL = """
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments
from other import loader
model = AutoModelForSequenceClassification.from_pretrained("bert-base-uncased", num_labels=3)
opt = torch.optim.AdamW(model.parameters())
for batch in loader:
    LOSS
    opt.zero_grad(); loss.backward(); opt.step()
"""


@pytest.mark.parametrize(
    ("loss", "activation"),
    [
        ("loss = model(**batch, labels=batch['y']).loss", "linear"),
        ("loss = model(batch['x'], labels=batch['y'])[0]", "linear"),
        ("loss = F.cross_entropy(model(batch['x']).logits, batch['y'])", "linear"),
        ("loss = F.cross_entropy(model(batch['x'])['logits'].softmax(-1), batch['y'])", "softmax"),
        ("loss = F.cross_entropy(torch.sigmoid(model(batch['x'])[0]), batch['y'])", "sigmoid"),
    ],
)
def test_scores_of_a_classifier_are_linear(loss: str, activation: str) -> None:
    setup = setup_of(MODEL.replace("LOSS", loss))
    assert setup.loss.name in {"cross_entropy", "cce", "sparse_cce"}
    assert setup.head.activation == activation


TRAINER = """
from transformers import Trainer, TrainingArguments
from torch.utils.data import Dataset
class Rows(Dataset):
    def __len__(self):
        return 100
    def __getitem__(self, index):
        return {"x": torch.rand(10), "labels": torch.rand(1) * 7}
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(10, 1)
    def forward(self, x, labels=None):
        score = torch.sigmoid(self.out(x))
        return {"loss": F.mse_loss(score, labels), "logits": score}
class Own(Trainer):
    def compute_loss(self, model, inputs, return_outputs=False):
        labels = inputs.pop("labels")
        loss = F.l1_loss(model(x=inputs["x"], labels=labels)["logits"], labels)
        return (loss, None) if return_outputs else loss
"""


@pytest.mark.parametrize(("cls", "loss"), [("Trainer", "mse"), ("Own", "mae")])
def test_a_trainer_hands_its_batches_to_the_model(cls: str, loss: str) -> None:
    setup = setup_of(f"{TRAINER}\n{cls}(model=Net(), args=TrainingArguments('o'), train_dataset=Rows()).train()")
    assert setup.loss.name == loss
    assert setup.head.activation == "sigmoid"
    assert setup.target.values.hull.hi == 7.0


def test_a_mean_over_members_lies_where_they_lie() -> None:
    program = """
net = nn.Sequential(nn.Linear(10, 4), nn.Tanh())
opt = torch.optim.Adam(net.parameters())
x = torch.rand(9, 10)
members = [net(x) for _ in range(3)]
loss = F.mse_loss(torch.stack(members).mean(0), 3 * torch.rand(9, 4))
opt.zero_grad(); loss.backward(); opt.step()
"""
    head = setup_of(program).head
    assert head.activation == "tanh"
    assert (head.range.values.hull.lo, head.range.values.hull.hi) == (-1.0, 1.0)
