"""Programs as people write them, run in this process: what the recorder makes of their heads, losses and data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from ae_audit.rules.runner import check
from ae_audit.runtime.capture import CannotApply
from ae_audit.schema.messages import HowItEnded
from ae_audit.schema.training_setup import Relation, Structure
from ae_audit.theory.activations import Constraint
from ae_audit.theory.intervals import Interval
from ae_audit.theory.ranges import Tri

Record = Callable[..., Any]

LOOP = """
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(images), batch_size=50, shuffle=True)
for epoch in range(100):
    for (batch,) in loader:
        loss = criterion(model(batch), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
"""


def test_sequential_softmax_with_bce(record: Record) -> None:
    run = record(
        """
        model = nn.Sequential(
            nn.Linear(16, 4),
            nn.ReLU(),
            nn.Linear(4, 16),
            nn.Softmax(dim=1),
        )
        criterion = nn.BCELoss()
        """
        + LOOP.replace("\n", "\n        "),
    )
    setup = run.only.setup
    assert run.outcome.how is HowItEnded.STOPPED
    assert (setup.head.activation, setup.head.axis, setup.head.units, setup.head.after) == ("softmax", 1, 16, ())
    assert setup.head.range.constraint is Constraint.SIMPLEX
    assert setup.head.location is not None
    assert setup.head.location.line == run.line_of("nn.Softmax(dim=1)")
    assert setup.head.written == "nn.Softmax(dim=1)"
    assert (setup.loss.name, setup.loss.from_logits, setup.loss.reduction) == ("bce", Tri.NO, "mean")
    assert setup.loss.location is not None
    assert setup.loss.location.line == run.line_of("nn.BCELoss()")
    assert setup.location.line == run.line_of("criterion(model(batch)")
    assert setup.relation is Relation.SAME
    assert 0.5 < setup.target.values.hull.hi <= 1.0
    assert setup.target.structure is Structure.CONTINUOUS
    assert (setup.optimizer, setup.model.name, run.only.batch_size) == ("Adam", "Sequential", 50)
    assert setup.model.first_layers[:2] == ("Linear", "ReLU")
    assert run.only.parameters == 16 * 4 + 4 + 4 * 16 + 16
    assert run.only.targets.shape[1:] == (16,)
    np.testing.assert_array_equal(run.only.targets, run.only.inputs)


def test_functional_sigmoid_in_forward(record: Record) -> None:
    run = record(
        """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.encoder = nn.Linear(16, 4)
                self.decoder = nn.Linear(4, 16)

            def forward(self, x):
                code = F.relu(self.encoder(x))
                return torch.sigmoid(self.decoder(code)).view(-1, 4, 4)

        model = Net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        for step in range(100):
            batch = images[(step * 40) % 400:][:40]
            loss = F.mse_loss(model(batch), batch.view(-1, 4, 4))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        """,
    )
    head = run.only.setup.head
    assert (head.activation, head.after, head.shape) == ("sigmoid", ("Reshape",), (None, 4, 4))
    assert head.range.values.hull == Interval(0.0, 1.0, True, True)
    assert head.location is not None
    assert head.location.line == run.line_of("torch.sigmoid(")
    assert run.only.setup.loss.name == "mse"
    assert run.only.setup.relation is Relation.SAME
    assert run.only.setup.optimizer == "SGD"


def test_logits_loss_after_sigmoid(record: Record) -> None:
    run = record(
        "model = nn.Sequential(nn.Linear(16, 16), nn.Sigmoid())\ncriterion = nn.BCEWithLogitsLoss()\n" + LOOP,
    )
    assert run.only.setup.head.activation == "sigmoid"
    assert (run.only.setup.loss.name, run.only.setup.loss.from_logits) == ("bce", Tri.YES)


def test_affine_map_after_the_activation(record: Record) -> None:
    run = record(
        """
        model = nn.Sequential(nn.Linear(16, 16), nn.Sigmoid())
        optimizer = torch.optim.Adam(model.parameters())
        data = images * 2 - 1
        for step in range(50):
            out = 2 * model(data[:50]) - 1
            loss = nn.MSELoss()(out, data[:50])
            optimizer.zero_grad(); loss.backward(); optimizer.step()
        """,
    )
    head = run.only.setup.head
    assert head.activation == "sigmoid"
    assert head.range.values.hull == Interval(-1.0, 1.0, True, True)
    assert run.only.setup.relation is Relation.SAME


def test_raw_bytes_would_raise_and_are_seen_all_the_same(record: Record) -> None:
    run = record(
        "model = nn.Sequential(nn.Linear(16, 16), nn.Sigmoid())\ncriterion = nn.BCELoss()\nimages = images * 255\n"
        + LOOP,
    )
    capture = run.only
    assert capture.raises == "all elements of target should be between 0 and 1"
    assert capture.setup.target.values.hull.hi > 200.0
    with pytest.raises(RuntimeError, match="all elements of target should be between 0 and 1"):
        capture.trial((), 0).advance(1)


def test_denoising_with_noise_in_the_loop(record: Record) -> None:
    run = record(
        """
        model = nn.Sequential(nn.Linear(16, 16), nn.Sigmoid())
        optimizer = torch.optim.Adam(model.parameters())
        for step in range(50):
            clean = images[:50]
            noisy = torch.clamp(clean + 0.3 * torch.randn_like(clean), 0.0, 1.0)
            loss = F.mse_loss(model(noisy), clean)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        """,
    )
    assert run.only.setup.relation is Relation.NOISED_INPUT
    assert not np.array_equal(run.only.inputs, run.only.targets)


@pytest.mark.parametrize(
    ("given", "wanted", "relation"),
    [
        ("x", "x + 0.1 * torch.randn_like(x)", Relation.NOISED_TARGET),
        ("(x * (torch.rand_like(x) > 0.3)).clamp(0, 1)", "x", Relation.NOISED_INPUT),
        ("F.dropout(x, 0.2)", "x", Relation.NOISED_INPUT),
        ("x", "3 * x + 0.1 * torch.randn_like(x)", Relation.UNKNOWN),
        ("x", "x**2 + 0.1 * torch.randn_like(x)", Relation.UNKNOWN),
        ("0.8 * x + 0.6 * noise", "noise", Relation.OTHER),
        ("x", "F.avg_pool1d(x, 3, 1, 1)", Relation.UNKNOWN),
    ],
)
def test_random_numbers_are_evidence_where_they_join_each_value_in_its_place(
    record: Record, given: str, wanted: str, relation: Relation
) -> None:
    run = record(
        f"""
        model = nn.Linear(16, 16)
        optimizer = torch.optim.Adam(model.parameters())
        for step in range(50):
            x = images[:50]
            noise = torch.randn(50, 16)
            given, wanted = {given}, {wanted}
            loss = F.mse_loss(model(given), wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        """,
    )
    assert run.only.setup.relation is relation


def test_a_measurement_that_is_noisy_is_no_corrupted_input(record: Record) -> None:
    run = record(
        """
        model = nn.Sequential(nn.Linear(1, 16), nn.ReLU(), nn.Linear(16, 1))
        optimizer = torch.optim.Adam(model.parameters())
        x = torch.linspace(0, 1, 200).unsqueeze(1)
        y = x + 0.1 * torch.randn(200, 1)
        for step in range(50):
            loss = F.mse_loss(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        """,
    )
    assert run.only.setup.relation in {Relation.OTHER, Relation.UNKNOWN}


def test_variational_autoencoder_with_separate_parts(record: Record) -> None:
    run = record(
        """
        class Encoder(nn.Module):
            def __init__(self):
                super().__init__()
                self.mean = nn.Linear(16, 2)
                self.spread = nn.Linear(16, 2)

            def forward(self, x):
                return self.mean(x), self.spread(x)

        encoder = Encoder()
        decoder = nn.Sequential(nn.Linear(2, 16), nn.Sigmoid())
        optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()])
        for step in range(50):
            mean, spread = encoder(images[:50])
            code = mean + torch.randn_like(mean) * torch.exp(0.5 * spread)
            decoded = decoder(code)
            reconstruction = F.binary_cross_entropy(decoded, images[:50], reduction="sum")
            divergence = -0.5 * torch.sum(1 + spread - mean.pow(2) - spread.exp())
            loss = 0.5 * reconstruction + divergence
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        """,
    )
    setup = run.only.setup
    assert setup.model.variational is Tri.YES
    assert setup.model.name == "Encoder + Sequential"
    assert (setup.loss.name, setup.loss.reduction, setup.loss.weight) == ("bce", "sum", 0.5)
    assert (setup.head.activation, setup.relation) == ("sigmoid", Relation.SAME)
    trial = run.only.trial((), 0)
    assert trial.advance(60) > trial.advance(60)


def test_two_optimizers_in_turn(record: Record) -> None:
    run = record(
        """
        generator = nn.Sequential(nn.Linear(3, 16), nn.Sigmoid())
        critic = nn.Sequential(nn.Linear(16, 1), nn.Sigmoid())
        bce = nn.BCELoss()
        g_step = torch.optim.Adam(generator.parameters())
        c_step = torch.optim.Adam(critic.parameters())
        for step in range(50):
            real = images[:50]
            fake = generator(torch.randn(50, 3))
            c_step.zero_grad()
            on_real = bce(critic(real), torch.ones(50, 1))
            on_fake = bce(critic(fake.detach()), torch.zeros(50, 1))
            (on_real + on_fake).backward()
            c_step.step()
            g_step.zero_grad()
            fooled = bce(critic(fake), torch.ones(50, 1))
            fooled.backward()
            g_step.step()
        """,
    )
    assert [capture.setup.location.line for capture in run.captures] == [
        run.line_of("on_real = "),
        run.line_of("on_fake = "),
        run.line_of("fooled = "),
    ]
    assert all(capture.setup.relation not in {Relation.SAME, Relation.RESCALED} for capture in run.captures)
    for capture in run.captures:
        assert np.isfinite(capture.trial((), 1).advance(5))


def test_several_losses_summed(record: Record) -> None:
    run = record(
        """
        model = nn.Sequential(nn.Linear(16, 16), nn.Tanh())
        optimizer = torch.optim.Adam(model.parameters())
        for step in range(50):
            out = model(images[:50])
            first = F.mse_loss(out, images[:50])
            second = F.l1_loss(out, images[:50])
            loss = first + 0.1 * second
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        """,
    )
    assert [(c.setup.loss.name, c.setup.loss.weight) for c in run.captures] == [("mse", 1.0), ("mae", 0.1)]


def test_classifier_with_class_indices(record: Record) -> None:
    run = record(
        """
        labels = (images.sum(1) > images.sum(1).median()).long()
        model = nn.Sequential(nn.Linear(16, 3))
        optimizer = torch.optim.Adam(model.parameters())
        for step in range(50):
            loss = nn.CrossEntropyLoss()(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        """,
    )
    setup = run.only.setup
    assert (setup.loss.name, setup.loss.from_logits) == ("sparse_cce", Tri.YES)
    assert (setup.head.activation, setup.head.units) == ("linear", 3)
    assert (setup.relation, setup.target.structure) == (Relation.LABELS, Structure.CLASS_INDEX)


def test_loss_without_training_is_still_a_setup(record: Record) -> None:
    run = record("print(nn.BCELoss()(images, images))")
    assert run.only.setup.loss.name == "bce"
    with pytest.raises(CannotApply):
        run.only.trial((), 0)


def test_goes_on_to_the_losses_that_are_expected(record: Record) -> None:
    program = """
    first = nn.Linear(16, 16)
    optimizer = torch.optim.Adam(first.parameters())
    for step in range(60):
        loss = F.mse_loss(first(images), images)
        optimizer.zero_grad(); loss.backward(); optimizer.step()
    second = nn.Linear(16, 16)
    optimizer = torch.optim.Adam(second.parameters())
    for step in range(60):
        loss = F.l1_loss(second(images), images)
        optimizer.zero_grad(); loss.backward(); optimizer.step()
    raise RuntimeError("never reached")
    """
    run = record(program, expected=())
    lines = run.line_of("F.mse_loss"), run.line_of("F.l1_loss")
    assert len(run.captures) == 1
    again = record(program, expected=lines)
    assert [capture.setup.location.line for capture in again.captures] == list(lines)
    assert again.outcome.how is HowItEnded.STOPPED


def test_a_program_that_ends_at_its_loss(record: Record) -> None:
    """torch refuses a target of another size; the setup is known all the same."""
    run = record("""
    model = nn.Sequential(nn.Linear(16, 16), nn.Sigmoid())
    optimizer = torch.optim.Adam(model.parameters())
    loss = F.binary_cross_entropy(model(images), images.view(-1, 4, 4))
    """)
    assert run.outcome.how is HowItEnded.RAISED
    (capture,) = run.captures
    assert capture.raises is not None
    assert "target size" in capture.raises
    assert capture.setup.target.shape == (None, 4, 4)
    assert capture.setup.head.shape == (None, 16)


def test_what_is_put_on_an_absent_device_stays(record: Record) -> None:
    run = record("""
    device = torch.device("cuda")
    model = nn.Linear(16, 16).cuda()
    more = nn.Linear(16, 16).to(device)
    optimizer = torch.optim.Adam([*model.parameters(), *more.parameters()])
    for step in range(60):
        batch = images[:50].to("cuda:0")
        noise = torch.zeros(50, 16, device=device)
        loss = F.mse_loss(more(model(batch + noise)), batch.cuda())
        optimizer.zero_grad(); loss.backward(); optimizer.step()
    """)
    assert run.only.setup.loss.name == "mse"
    if not torch.cuda.is_available():
        assert len(run.recorder.notes) == 1


def test_validation_in_the_loop_is_no_setup_of_its_own(record: Record) -> None:
    run = record("""
    model = nn.Sequential(nn.Linear(16, 16), nn.Sigmoid())
    criterion = nn.BCELoss()
    optimizer = torch.optim.Adam(model.parameters())
    for epoch in range(20):
        model.eval()
        with torch.no_grad():
            held_out = criterion(model(255 * images[:50]), images[:50])
        model.train()
        loss = criterion(model(images), images)
        optimizer.zero_grad(); loss.backward(); optimizer.step()
    """)
    setup = run.only.setup
    assert setup.location.line == run.line_of("loss = criterion")
    assert setup.validation_input is not None
    assert setup.validation_input.values.hull.hi > 200


def test_tensors_kept_by_a_model_open_it(record: Record) -> None:
    """The divergence is an attribute of the model: after the first step its forward is recorded call by call."""
    run = record("""
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = nn.Linear(16, 4), nn.Linear(4, 16)

        def forward(self, x):
            code = self.encoder(x)
            self.penalty = code.pow(2).sum()
            return torch.sigmoid(self.decoder(code))

    model = Net()
    optimizer = torch.optim.Adam(model.parameters())
    for step in range(60):
        out = model(images)
        loss = F.binary_cross_entropy(out, images, reduction="sum") + 0.5 * model.penalty
        optimizer.zero_grad(); loss.backward(); optimizer.step()
    """)
    trial = run.only.trial((), 0)
    assert trial.advance(20) > trial.advance(20)


def test_closures_are_called_by_the_optimizer(record: Record) -> None:
    run = record("""
    model = nn.Linear(16, 16)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=4)
    for step in range(60):
        def closure():
            optimizer.zero_grad()
            loss = F.mse_loss(model(images), images)
            loss.backward()
            return loss
        optimizer.step(closure)
    """)
    assert run.only.setup.optimizer == "LBFGS"
    trial = run.only.trial((), 0)
    assert trial.advance(3) > trial.advance(3)


def test_recurrent_state_carried_over_batches(record: Record) -> None:
    run = record("""
    model, read_out = nn.GRU(4, 8, batch_first=True), nn.Linear(8, 4)
    optimizer = torch.optim.Adam([*model.parameters(), *read_out.parameters()])
    state = None
    for step in range(60):
        x = images[:50].view(50, 4, 4)
        out, state = model(x, state)
        state = state.detach()
        loss = F.mse_loss(read_out(out), x)
        optimizer.zero_grad(); loss.backward(); optimizer.step()
    """)
    trial = run.only.trial((), 0)
    assert trial.advance(20) > trial.advance(20)
    assert run.only.setup.head.activation == "linear"


def test_a_reshaped_softmax_is_compared_in_its_own_layout(record: Record) -> None:
    """Along no axis of the (4, 4) images do the predictions sum to 1, but over all their pixels."""
    run = record("""
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 16), nn.Softmax(dim=1), nn.Unflatten(1, (1, 4, 4)))
    optimizer = torch.optim.Adam(model.parameters())
    pictures = images.view(-1, 1, 4, 4)
    for step in range(60):
        loss = F.mse_loss(model(pictures), pictures)
        optimizer.zero_grad(); loss.backward(); optimizer.step()
    """)
    capture = run.only
    assert (capture.setup.head.after, capture.setup.head.axis) == (("Reshape",), 1)
    assert capture.setup.head.range.constraint is Constraint.SIMPLEX
    assert capture.setup.head.range.axis == 1
    assert capture.targets.shape == (400, 16)
    assert capture.trial((), 0).evaluate().predictions.shape == (400, 1, 4, 4)


def test_a_loss_computed_sample_by_sample(record: Record) -> None:
    run = record("""
    model = nn.Linear(16, 16)
    optimizer = torch.optim.Adam(model.parameters())
    for step in range(60):
        batch = images[:8]
        out = model(batch)
        loss = 0
        for prediction, target in zip(out, batch):
            loss = loss + F.mse_loss(prediction, target)
        optimizer.zero_grad(); loss.backward(); optimizer.step()
    """)
    assert run.only.setup.relation is Relation.SAME


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loss", "name", "custom"),
    [("F.binary_cross_entropy(given, image)", "bce", False), ("((given - image) ** 2).mean()", "mse", True)],
)
def test_a_loss_summed_up_over_more_samples_than_python_recurses(
    record: Record, loss: str, name: str, custom: bool
) -> None:
    run = record(f"""
    model = nn.Sequential(nn.Linear(16, 16), nn.Sigmoid())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(2):
        total = 0
        for given, image in zip(model(images.repeat(3, 1)), images.repeat(3, 1)):
            total = total + {loss}
        optimizer.zero_grad(); total.backward(); optimizer.step()
    """)
    losses = [capture.setup.loss for capture in run.captures]
    assert {(loss.name, loss.custom, loss.weight) for loss in losses} == {(name, custom, 1.0)}
    assert run.outcome.how in {HowItEnded.STOPPED, HowItEnded.COMPLETED}, run.outcome


def test_a_total_that_is_added_to_itself_has_each_of_its_losses_once(record: Record) -> None:
    run = record("""
    model = nn.Linear(16, 16)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-9)
    for step in range(3):
        total = ((model(images) - images) ** 2).mean()
        for _ in range(40):
            total = total + total
        optimizer.zero_grad(); total.backward(); optimizer.step()
    """)
    assert (run.only.setup.loss.name, run.only.setup.loss.alone) == ("mse", Tri.YES)


@pytest.mark.parametrize(("batch", "accused"), [(50, True), (1, False)])
def test_a_target_that_lacks_an_axis_is_broadcast_over_the_batch(record: Record, batch: int, accused: bool) -> None:
    run = record(f"""
    model = nn.Sequential(nn.Linear(16, 16), nn.Unflatten(1, (1, 4, 4)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for x in images.split({batch})[:3]:
        loss = F.mse_loss(model(x), x.view(-1, 4, 4))
        optimizer.zero_grad(); loss.backward(); optimizer.step()
    """)
    findings, _ = check([run.only.setup], select=["AE309"])
    assert bool(findings) is accused


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_trial_call_on_memory_that_nobody_filled(record, value):
    """``torch.empty`` gives whatever was there: the usual way of finding out how large a code is."""
    setup = record(f"""
        net = nn.Sequential(nn.Linear(16, 8), nn.SiLU(), nn.Dropout(0.3), nn.Linear(8, 16), nn.SiLU(), nn.Dropout(0.3))
        size = net(torch.full((1, 16), float("{value}"))).shape
        optimizer = torch.optim.Adam(net.parameters())
        for batch in images.split(50):
            optimizer.zero_grad()
            F.mse_loss(net(batch), batch).backward()
            optimizer.step()
        """).only.setup
    assert setup.head.activation == "silu"
    assert setup.head.range.values.hull.lo == pytest.approx(-0.2785 / 0.7, abs=1e-3)


TRAIN = """
def train(model, epochs=40):
    optimizer = torch.optim.Adam(model.parameters())
    for epoch in range(epochs):
        loss = F.mse_loss(model(images), images)
        optimizer.zero_grad(); loss.backward(); optimizer.step()
    return loss.item()

def make(*last):
    return nn.Sequential(nn.Linear(16, 16), *last)
"""


@pytest.mark.parametrize(
    ("calls", "heads"),
    [
        ("train(make())\ntrain(make(nn.Sigmoid()))\ntrain(make(nn.Tanh()))", ["linear", "sigmoid", "tanh"]),
        ("for last in [[nn.Sigmoid()], [nn.Tanh()]]:\n    train(make(*last))", ["sigmoid", "tanh"]),
        (
            "def main():\n    a = train(make())\n    if a > 0:\n        b = train(make(nn.ReLU()))\nmain()",
            ["linear", "relu"],
        ),
        ("for fold in range(5):\n    train(make(nn.Sigmoid()))", ["sigmoid"]),
        ("train(make(nn.Sigmoid()))\nraise RuntimeError('never reached')", ["sigmoid"]),
    ],
    ids=["lines", "loop", "function", "folds", "once"],
)
def test_every_training_through_one_function(record: Record, calls: str, heads: list[str]) -> None:
    """Another model's training is another one; folds of the same model and data are one."""
    run = record(TRAIN + calls, expected=(12,))
    assert [capture.setup.head.activation for capture in run.captures] == heads
    assert {capture.setup.location.line for capture in run.captures} == {run.line_of("loss = F.mse_loss")}
    assert all(capture.setup.optimizer == "Adam" for capture in run.captures)
    assert run.outcome.how in {HowItEnded.STOPPED, HowItEnded.COMPLETED}


def test_classes_that_lie_along_another_axis_than_the_softmax(record: Record) -> None:
    """A flattened table of classes keeps its own layout: its target has a value for each row, none for each entry."""
    run = record(
        """
model = nn.Sequential(nn.Linear(16, 21), nn.Unflatten(1, (7, 3)), nn.LogSoftmax(dim=1))
optimizer = torch.optim.Adam(model.parameters())
for step in range(60):
    loss = F.nll_loss(model(images[:50]).view(-1, 3), torch.randint(0, 3, (350,)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
    )
    setup = run.only.setup
    assert (setup.head.shape, setup.head.units) == ((None, 3), 7)
    assert {finding.code for finding in check([setup])[0]} == {"AE109"}
