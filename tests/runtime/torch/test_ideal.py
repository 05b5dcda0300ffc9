"""The ideal network of torch programs: the captured loss, played on other predictions; right programs stay silent."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import pytest

from ae_audit.probe.ideal import ideal_of
from ae_audit.schema.ideal import Ideal, Outcome
from ae_audit.schema.remedies import ExpectLogits, SwapActivation, SwapLoss
from tests.runtime.torch.conftest import Recorded

SILENT = {Outcome.ARRIVES, Outcome.ELSEWHERE, Outcome.NOT_JUDGED}


def program(step: str, *, head: str = "nn.Sigmoid()", before: str = "", outputs: int = 16) -> str:
    """A dense net on ``images`` of 16 values, whose training step computes ``loss`` from ``x``, ``i`` and ``net``."""
    lines = textwrap.indent(textwrap.dedent(step).strip(), "        ")
    return (
        f"{textwrap.dedent(before)}\n"
        f"net = nn.Sequential(nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, {outputs}), {head})\n"
        "optimizer = torch.optim.Adam(net.parameters())\n"
        "for epoch in range(2):\n"
        "    for i in torch.arange(400).split(80):\n"
        "        x = images[i]\n"
        f"{lines}\n"
        "        optimizer.zero_grad()\n"
        "        loss.backward()\n"
        "        optimizer.step()\n"
    )


@pytest.fixture
def ideal(record: Callable[..., Recorded]) -> Callable[..., Ideal]:
    def of(step: str, remedies: tuple[object, ...] = (), **options: object) -> Ideal:
        capture = record(program(step, **options)).only  # type: ignore[arg-type]
        return ideal_of(capture, capture.setup, remedies)  # type: ignore[arg-type]

    return of


LABELS = "labels = (images.mean(1) * 7).long() % 4\n"
MASKS = "masks = (images > images.mean()).float()\n"
MEANS = "means = images.mean(1)\n"

RIGHT = {
    "mse": ("loss = F.mse_loss(net(x), x)", {}),
    "bce": ("loss = F.binary_cross_entropy(net(x), x)", {}),
    "logits": ("loss = F.binary_cross_entropy_with_logits(net(x), x)", {"head": "nn.Identity()"}),
    "a model that gives a cost of its own": (
        "p, cost = net(x)\nloss = F.mse_loss(p, x) + cost",
        {
            "head": "Both()",
            "before": "class Both(nn.Module):\n    def forward(self, z):\n"
            "        return torch.sigmoid(z), 1e-4 * z.square().mean()\n",
        },
    ),
    "written out": (
        "p = net(x).clamp(1e-6, 1 - 1e-6)\nloss = -(x * p.log() + (1 - x) * (1 - p).log()).mean()",
        {},
    ),
    "classes": ("loss = F.cross_entropy(net(x), labels[i])", {"head": "nn.Identity()", "before": LABELS, "outputs": 4}),
    "label smoothing": (
        "loss = F.cross_entropy(net(x), labels[i], label_smoothing=0.1)",
        {"head": "nn.Identity()", "before": LABELS, "outputs": 4},
    ),
    "ignored places": (
        "y = labels[i].clone()\ny[::3] = -100\nloss = F.cross_entropy(net(x), y)",
        {"head": "nn.Identity()", "before": LABELS, "outputs": 4},
    ),
    "class weights": (
        "loss = F.cross_entropy(net(x), labels[i], weight=torch.tensor([1.0, 5.0, 1.0, 0.5]))",
        {"head": "nn.Identity()", "before": LABELS, "outputs": 4},
    ),
    "focal": (
        "ce = F.cross_entropy(net(x), labels[i], reduction='none')\nloss = ((1 - torch.exp(-ce)) ** 2 * ce).mean()",
        {"head": "nn.Identity()", "before": LABELS, "outputs": 4},
    ),
    "dice": (
        "p, y = net(x), masks[i]\nloss = 1 - (2 * (p * y).sum() + 1) / (p.sum() + y.sum() + 1)",
        {"before": MASKS},
    ),
    "filtered on two scales": (
        "def features(v):\n"
        "    v = F.pad((2 * v - 1).reshape(-1, 1, 4, 4), (1, 1, 1, 1), mode='replicate')\n"
        "    edges = torch.tensor([[[[-1.0, 0.5], [-0.2, 1.5]]]])\n"
        "    return F.conv2d(v, edges), F.conv2d(F.avg_pool2d(v, 2), edges)\n"
        "one, two = ((a - b).pow(2).mean() for a, b in zip(features(net(x)), features(x)))\n"
        "loss = 1 - (-one).exp() * (-two).exp()",
        {},
    ),
    "dice and bce": (
        "p, y = net(x), masks[i]\n"
        "loss = F.binary_cross_entropy(p, y) + 1 - (2 * (p * y).sum() + 1) / (p.sum() + y.sum() + 1)",
        {"before": MASKS},
    ),
    "tversky of each sample": (
        "p, y = net(x), masks[i]\nhit = (p * y).sum(1)\n"
        "loss = (1 - (hit + 1) / (hit + 0.7 * ((1 - p) * y).sum(1) + 0.3 * (p * (1 - y)).sum(1) + 1)).mean()",
        {"before": MASKS},
    ),
    "quantile": ("gap = x - net(x)\nloss = torch.maximum(0.9 * gap, -0.1 * gap).mean()", {"head": "nn.Identity()"}),
    "masked": ("keep = (x > 0.2).float()\nloss = ((net(x) - x) ** 2 * keep).sum() / keep.sum()", {}),
    "weighted": ("loss = ((net(x) - x) ** 2 * (1 + 9 * x)).mean()", {}),
    "root": ("loss = torch.sqrt(F.mse_loss(net(x), x))", {}),
    "psnr": ("loss = -10 * torch.log10(1 / F.mse_loss(net(x), x))", {}),
    "cosine": ("loss = 1 - F.cosine_similarity(net(x), x, dim=1).mean()", {"head": "nn.Identity()"}),
    "correlation": (
        "p = net(x)\na, b = p - p.mean(1, keepdim=True), x - x.mean(1, keepdim=True)\n"
        "loss = 1 - ((a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1) + 1e-6)).mean()",
        {"head": "nn.Identity()"},
    ),
    "spectral": (
        "loss = (torch.fft.rfft(net(x)).abs() - torch.fft.rfft(x).abs()).abs().mean()",
        {"head": "nn.Identity()"},
    ),
    "total variation beside": (
        "p = net(x)\nloss = F.mse_loss(p, x) + 0.01 * (p[:, 1:] - p[:, :-1]).abs().mean()",
        {},
    ),
    "gaussian likelihood": (
        "p = net(x)\nloss = F.gaussian_nll_loss(p[:, :16], x, F.softplus(p[:, 16:]) + 1e-3)",
        {"head": "nn.Identity()", "outputs": 32},
    ),
    "soft labels, negated": (
        "soft = 0.5 * F.one_hot(labels[i], 4).float() + 0.5 * F.one_hot(labels[i].flip(0), 4).float()\n"
        "loss = torch.sum(-soft * F.log_softmax(net(x), dim=1), dim=1).mean()",
        {"head": "nn.Identity()", "before": LABELS, "outputs": 4},
    ),
    "logarithms of both": (
        "gap = torch.log(net(x) + 1e-6) - torch.log(x + 1e-6)\n"
        "loss = torch.sqrt((gap ** 2).mean() - 0.5 * gap.mean() ** 2)",
        {},
    ),
    "normalizing flow": (
        "s, t = net(x[:, :8].repeat(1, 2)).chunk(2, 1)\n"
        "z = torch.cat([x[:, :8], x[:, 8:] * torch.exp(s) + t], 1)\n"
        "loss = -(torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1) + s.sum(1)).mean()",
        {"head": "nn.Identity()"},
    ),
    "mixup": (
        "other = torch.randperm(len(i))\np = net(0.3 * x + 0.7 * x[other])\n"
        "loss = 0.3 * F.cross_entropy(p, labels[i]) + 0.7 * F.cross_entropy(p, labels[i][other])",
        {"head": "nn.Identity()", "before": LABELS, "outputs": 4},
    ),
    "distillation": (
        "p = net(x)\nwith torch.no_grad():\n    soft = teacher(x).softmax(1)\n"
        "loss = F.kl_div(p.log_softmax(1), soft, reduction='batchmean') + F.cross_entropy(p, labels[i])",
        {"head": "nn.Identity()", "before": LABELS + "teacher = nn.Linear(16, 4)\n", "outputs": 4},
    ),
    "policy gradient": (
        "scores = net(x).log_softmax(1)\nchosen = scores.gather(1, labels[i][:, None])[:, 0]\n"
        "loss = -(chosen * (means[i] - means.mean())).mean()",
        {"head": "nn.Identity()", "before": LABELS + MEANS, "outputs": 4},
    ),
    "physics residual": (
        "t = x.clone().requires_grad_()\nu = net(t)\n"
        "(slope,) = torch.autograd.grad(u.sum(), t, create_graph=True)\n"
        "loss = ((slope[:, :1] + u - means[i][:, None]) ** 2).mean()",
        {"head": "nn.Identity()", "before": MEANS, "outputs": 1},
    ),
    "ranking": (
        "s = net(x)[:, 0]\nhigher = (means[i][:, None] > means[i][None, :]).float()\n"
        "loss = (higher * F.softplus(s[None, :] - s[:, None])).mean()",
        {"head": "nn.Identity()", "before": MEANS, "outputs": 1},
    ),
    "triplet": (
        "a, b, c = net(x), net(x + 0.01), net(x.flip(0))\nloss = F.triplet_margin_loss(a, b, c)",
        {"head": "nn.Identity()"},
    ),
    "contrastive": (
        "a, b = F.normalize(net(x), dim=1), F.normalize(net(x + 0.01), dim=1)\n"
        "loss = F.cross_entropy(a @ b.T / 0.1, torch.arange(len(i)))",
        {"head": "nn.Identity()"},
    ),
    "survival": (
        "risk = net(x)[:, 0]\norder = means[i].argsort(descending=True)\nevent = (labels[i] > 0).float()[order]\n"
        "risk = risk[order]\nloss = -((risk - risk.logcumsumexp(0)) * event).sum() / event.sum()",
        {"head": "nn.Identity()", "before": LABELS + MEANS, "outputs": 1},
    ),
    "heat map focal": (
        "y = torch.where(x > 0.8 * x.max(), torch.ones_like(x), x)\np = net(x).clamp(1e-4, 1 - 1e-4)\n"
        "peak = (y == 1).float()\nup = (1 - p) ** 2 * p.log() * peak\n"
        "down = (1 - y) ** 4 * p ** 2 * (1 - p).log() * (1 - peak)\nloss = -(up + down).sum() / peak.sum()",
        {},
    ),
    "perceptual": (
        "loss = F.mse_loss(features(net(x)), features(x))",
        {"before": "features = nn.Linear(16, 8)\nfor p in features.parameters():\n    p.requires_grad_(False)\n"},
    ),
    "critic": ("loss = net(x + 0.1).mean() - net(x).mean()", {"head": "nn.Identity()", "outputs": 1}),
    "scale invariant": (
        "gap = net(x) - torch.log(x + 0.1)\nloss = (gap**2).mean() - 0.5 * gap.mean() ** 2",
        {"head": "nn.Identity()"},
    ),
    "bootstrapped": (
        "with torch.no_grad():\n    wanted = means[i] + 0.9 * older(x).max(1).values\n"
        "loss = F.smooth_l1_loss(net(x).gather(1, labels[i][:, None])[:, 0], wanted)",
        {"head": "nn.Identity()", "before": LABELS + MEANS + "older = nn.Linear(16, 4)\n", "outputs": 4},
    ),
    "bootstrapped by hand": (
        "wanted = means[i] + 0.9 * older(x).max(1).values.detach()\n"
        "loss = ((net(x).gather(1, labels[i][:, None])[:, 0] - wanted) ** 2).mean()",
        {"head": "nn.Identity()", "before": LABELS + MEANS + "older = nn.Linear(16, 4)\n", "outputs": 4},
    ),
    "several quantiles": (
        "gap = means[i][:, None] - net(x)\nq = torch.tensor([0.1, 0.5, 0.9])\n"
        "loss = torch.maximum(q * gap, (q - 1) * gap).mean()",
        {"head": "nn.Identity()", "before": MEANS, "outputs": 3},
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_programs_are_not_accused(name: str, record: Callable[..., Recorded]) -> None:
    step, options = RIGHT[name]
    for capture in record(program(step, **options)).captures:
        ideal = ideal_of(capture, capture.setup)
        assert ideal.outcome in SILENT, ideal


WRONG = {
    "negated": ("loss = -F.mse_loss(net(x), x)", {}, Outcome.BEATEN),
    "negated by hand": ("loss = -((net(x) - x) ** 2).mean()", {}, Outcome.BEATEN),
    "similarity minimised": (
        "loss = F.cosine_similarity(net(x), x, dim=1).mean()",
        {"head": "nn.Identity()"},
        Outcome.BEATEN,
    ),
    "psnr minimised": ("loss = 10 * torch.log10(1 / F.mse_loss(net(x), x))", {}, Outcome.BEATEN),
    "dice on logits": (
        "p, y = net(x), masks[i]\nloss = 1 - (2 * (p * y).sum() + 1) / (p.sum() + y.sum() + 1)",
        {"head": "nn.Identity()", "before": MASKS},
        Outcome.BEATEN,
    ),
    "dice on bytes": (
        "p, y = net(x), 255 * masks[i]\nloss = 1 - (2 * (p * y).sum() + 1) / (p.sum() + y.sum() + 1)",
        {"before": MASKS},
        Outcome.UNREACHABLE,
    ),
    "broadcast": ("loss = ((net(x) - means[i]) ** 2).mean()", {"before": MEANS, "outputs": 1}, Outcome.BLIND),
    "softmax over pixels": ("loss = F.binary_cross_entropy(net(x), x)", {"head": "nn.Softmax(1)"}, Outcome.UNREACHABLE),
    "sigmoid twice": ("loss = F.binary_cross_entropy_with_logits(net(x), x)", {}, Outcome.UNREACHABLE),
    "bytes": ("loss = F.mse_loss(net(x), 255 * x)", {}, Outcome.UNREACHABLE),
    "clipped away": (
        "loss = F.mse_loss((net(x) - 9).clamp(0, 1), 0.2 + 0.6 * x)",
        {"head": "nn.Identity()"},
        Outcome.DEAD,
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_programs_miss(name: str, ideal: Callable[..., Ideal]) -> None:
    step, options, outcome = WRONG[name]
    assert ideal(step, **options).outcome is outcome


PICKED = {
    "gathered": "chosen = net(x).gather(1, labels[i][:, None])[:, 0]",
    "indexed": "chosen = net(x)[torch.arange(len(i)), labels[i]]",
    "taken along": "chosen = torch.take_along_dim(net(x), labels[i][:, None], 1)[:, 0]",
}


@pytest.mark.parametrize("name", PICKED)
@pytest.mark.parametrize("loss", ["F.smooth_l1_loss(chosen, means[i])", "-((chosen - means[i]) ** 2).mean()"])
def test_picked_values_are_named_and_not_judged(name: str, loss: str, ideal: Callable[..., Ideal]) -> None:
    found = ideal(f"{PICKED[name]}\nloss = {loss}", head="nn.Identity()", before=LABELS + MEANS, outputs=4)
    assert (found.outcome, found.why) == (Outcome.NOT_JUDGED, "only picked values of the prediction are compared")


@pytest.mark.parametrize("wanted", ["older(x).detach()", "means[i][:, None] + 0.9 * older(x).detach()"])
@pytest.mark.parametrize("loss", ["F.mse_loss(net(x), wanted)", "((net(x) - wanted) ** 2).mean()"])
def test_no_answers_of_a_network_pass_for_a_prediction(wanted: str, loss: str, record: Callable[..., Recorded]) -> None:
    step, before = f"wanted = {wanted}\nloss = -{loss}", MEANS + "older = nn.Linear(16, 16)\n"
    recorded = record(program(step, head="nn.Identity()", before=before))
    for capture in recorded.captures:
        assert ideal_of(capture, capture.setup).outcome is Outcome.NOT_JUDGED, capture.setup


@pytest.mark.parametrize(
    "beside",
    ["F.mse_loss(p, x)", "F.mse_loss(torch.sigmoid(p), x)", "unknown(p)"],
)
def test_a_term_that_misses_beside_others_is_not_judged(beside: str, record: Callable[..., Recorded]) -> None:
    step = f"p = net(x)\nloss = -F.l1_loss(p.abs(), x) + {beside}"
    before = "def unknown(p):\n    return 3 * (p.sin() ** 2).mean().sqrt()\n"
    outcomes = []
    for capture in record(program(step, head="nn.Identity()", before=before)).captures:
        outcomes.append(ideal_of(capture, capture.setup))
    assert outcomes
    assert all(found.outcome in SILENT for found in outcomes), outcomes
    assert any("beside others" in (found.why or "") for found in outcomes), outcomes


OWN_MODULE = """
class Smoothed(nn.Module):
    def forward(self, z, y):
        chosen = z.log_softmax(1)
        return -(0.9 * chosen.gather(1, y[:, None])[:, 0] + 0.025 * chosen.sum(1)).mean()
criterion = Smoothed()
"""


@pytest.mark.parametrize(
    ("sign", "outcome"), [("", Outcome.ARRIVES), ("-", Outcome.BEATEN)], ids=["as written", "reversed"]
)
def test_a_module_that_takes_class_indices_is_a_loss(sign: str, outcome: Outcome, ideal: Callable[..., Ideal]) -> None:
    options = {"head": "nn.Identity()", "before": LABELS + OWN_MODULE, "outputs": 4}
    assert ideal(f"loss = {sign}criterion(net(x), labels[i])", **options).outcome is outcome


BY_CLASS = """
parts = []
for k in range(4):
    truth = (labels[i] == k).float().type_as(out)
    errors = (truth - out.softmax(1)[:, k]).abs().sort(descending=True).values
    parts.append((errors**1.5).mean())
loss = torch.stack(parts).mean()
"""


@pytest.mark.parametrize(("sign", "misses"), [("", False), ("-", True)], ids=["as written", "reversed"])
def test_a_loss_that_is_summed_over_classes_is_judged(sign: str, misses: bool, record: Callable[..., Recorded]) -> None:
    step = f"out = net(x)\n{BY_CLASS}loss = {sign}loss"
    captures = record(program(step, head="nn.Identity()", before=LABELS, outputs=4)).captures
    assert captures
    found = [ideal_of(capture, capture.setup) for capture in captures]
    assert {one.misses for one in found} == {misses}, found


def test_a_loss_on_two_scales_with_its_sign_reversed_misses(ideal: Callable[..., Ideal]) -> None:
    step, options = RIGHT["filtered on two scales"]
    assert ideal(f"{step}\nloss = -loss", **options).outcome is Outcome.BEATEN


OVERLAP = """
class Overlap(nn.Module):
    def forward(self, z, y):
        p, y = z.softmax(1), F.one_hot(y, 4).float()
        return 2 * (p * y).sum() / (p + y).sum()
criterion = Overlap()
"""


def test_an_overlap_with_classes_that_is_minimised_misses(ideal: Callable[..., Ideal]) -> None:
    options = {"head": "nn.Identity()", "before": LABELS + OVERLAP, "outputs": 4}
    assert ideal("loss = criterion(net(x), labels[i])", **options).outcome is Outcome.BEATEN


ORDERED = {
    "at risk": "-(p - ((y[:, None] <= y[None]) * p.exp()).sum(1).log()).mean()",
    "sorted": "-(p[y.argsort()] - p[y.argsort()].flip(0).logcumsumexp(0).flip(0)).mean()",
    "pairs": "((y[:, None] > y[None]) * F.softplus(p[None] - p[:, None])).mean()",
    "soft pairs": "((y[:, None] > y[None]) * torch.sigmoid(p[:, None] - p[None])).mean()",
}
"""losses by which a risk is the greater, the sooner something happens: none is reversed"""


@pytest.mark.parametrize("name", ORDERED)
def test_the_opposite_of_an_order_accuses_nobody(name: str, record: Callable[..., Recorded]) -> None:
    step = f"p, y = net(x)[:, 0], means[i]\nloss = {ORDERED[name]}"
    for capture in record(program(step, head="nn.Identity()", before=MEANS, outputs=1)).captures:
        assert ideal_of(capture, capture.setup).outcome in SILENT, capture.setup


def test_a_correlation_that_is_minimised_misses(ideal: Callable[..., Ideal]) -> None:
    step = (
        "p, y = net(x)[:, 0], means[i]\na, b = p - p.mean(), y - y.mean()\nloss = (a * b).sum() / a.norm() / b.norm()"
    )
    assert ideal(step, head="nn.Identity()", before=MEANS, outputs=1).outcome is Outcome.BEATEN


def test_remedies_are_played_too(ideal: Callable[..., Ideal]) -> None:
    step = "loss = F.binary_cross_entropy_with_logits(net(x), x)"
    assert ideal(step, (ExpectLogits(False),)).outcome is Outcome.ARRIVES
    assert ideal(step, (SwapActivation("linear"),)).outcome is Outcome.ARRIVES
    assert ideal(step, (SwapLoss("mse"),)).outcome is Outcome.ARRIVES


def test_a_part_of_a_large_batch_is_taken_and_told(ideal: Callable[..., Ideal]) -> None:
    seen = ideal("loss = F.mse_loss(net(x), x.repeat(1, 40))", outputs=640)
    assert seen.outcome is Outcome.ARRIVES
    assert seen.samples < seen.of_samples == 80


def test_a_loss_that_moves_a_window_is_tried_in_fewer_steps(record: Callable[..., Recorded]) -> None:
    plain = record(program("loss = F.mse_loss(net(x), x)")).only
    blurred = "loss = F.avg_pool1d(((net(x) - x) ** 2)[:, None], 3, 1).mean()"
    windowed = record(program(blurred)).only
    assert not plain.free_network(()).is_slow
    assert windowed.free_network(()).is_slow
    assert not ideal_of(windowed, windowed.setup).misses


def test_playing_changes_neither_weights_nor_random_numbers(record: Callable[..., Recorded]) -> None:
    import torch

    capture = record(program("loss = F.mse_loss(net(x), x)")).only
    before = [parameter.detach().clone() for parameter, _ in capture._recording.parameters]
    state = torch.get_rng_state()
    first = ideal_of(capture, capture.setup)
    assert ideal_of(capture, capture.setup) == first
    assert torch.equal(torch.get_rng_state(), state)
    for (parameter, _), value in zip(capture._recording.parameters, before, strict=True):
        assert torch.equal(parameter, value)
