"""Losses that programs write out: what they compare is seen, or that they train is told with the loss not read."""

from __future__ import annotations

import math
import textwrap

import pytest

from ae_audit.rules.runner import check
from ae_audit.schema.training_setup import Relation
from ae_audit.static import analyse_file
from ae_audit.theory.ranges import Tri
from tests.static.keras_programs import audited
from tests.static.torch_programs import setup_of, setups_of

DATA = """
loader = DataLoader(MNIST("d", transform=transforms.ToTensor()), batch_size=64)
net = nn.Sequential(nn.Flatten(), nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 784), nn.Sigmoid())
judge = nn.Sequential(nn.Flatten(), nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(net.parameters())
"""
STEP = """
    optimizer.zero_grad(); loss.backward(); optimizer.step()
"""


def trained(step: str) -> str:
    return DATA + "for x, _ in loader:\n" + textwrap.indent(textwrap.dedent(step), "    ") + STEP


@pytest.mark.parametrize(
    "loss",
    [
        "1 - torch.min(x.flatten(1), net(x)).sum() / torch.max(x.flatten(1), net(x)).sum()",
        "1 - 2 * (net(x) * x.flatten(1)).sum() / (net(x).sum() + 3 * x.sum())",
        "torch.where(x.flatten(1) > 0.5, 1 - net(x), net(x)).mean()",
    ],
)
def test_a_loss_that_is_not_read_is_told_with_its_prediction(loss: str) -> None:
    setup = setup_of(trained(f"loss = {loss}"))
    assert setup.loss.name is None
    assert setup.head.activation == "sigmoid"


def test_an_overlap_written_out_meets_its_target() -> None:
    setup = setup_of(trained("loss = 1 - 2 * (net(x) * x.flatten(1)).sum() / (net(x).sum() + x.sum())"))
    assert setup.target.source == "torchvision.datasets.MNIST"
    assert setup.relation is Relation.SAME


INTERSECTION = "(p * y).sum(dim=1)"


@pytest.mark.parametrize(
    ("loss", "name", "parameters"),
    [
        (f"1 - (2 * {INTERSECTION} + 1) / (p.sum(dim=1) + y.sum(dim=1) + 1)", "dice", ()),
        (f"1 - 2 * {INTERSECTION} / (p ** 2 + y ** 2).sum(dim=1).clamp(min=1e-6)", "dice", ()),
        (f"1 - 2 * {INTERSECTION} / (torch.square(p).sum(dim=1) + torch.mul(y, y).sum(dim=1))", "dice", ()),
        (f"-torch.log({INTERSECTION} / (p.sum(1) + y.sum(1) - {INTERSECTION}))", "tversky", (1.0, 1.0)),
        (f"1 - {INTERSECTION} / ({INTERSECTION} + .3 * ((1 - p) * y).sum(1) + .7 * (p * (1 - y)).sum(1))", "tversky",
         (0.3, 0.7)),
        (f"1 - {INTERSECTION} / (p.sum(1) + y.sum(1))", None, ()),
        (f"1 - 2 * {INTERSECTION} / (p.sum(1) + (1 - y).sum(1))", None, ()),
        ("1 - 2 * (p * y).sum(1) / (judge(x).sum(1) + y.sum(1))", None, ()),
        ("1 - 2 * torch.sigmoid((p * y).sum(1)) / (p.sum(1) + y.sum(1))", None, ()),
    ],
)  # fmt: skip
def test_an_index_of_overlap_written_out_has_its_name(loss: str, name: str | None, parameters: tuple[float]) -> None:
    setup = setup_of(trained(f"y = (x.flatten(1) > 0.5).float()\np = net(x)\nloss = ({loss}).mean()"))
    assert setup.loss.name == name
    assert tuple(value for _, value in setup.loss.parameters) == pytest.approx(parameters)
    assert setup.head.activation == "sigmoid"


@pytest.mark.parametrize("error", ["(judge(x) - 1) ** 2", "torch.square(judge(x) - 1.0)", "(judge(x) - 1).pow(2)"])
def test_a_squared_error_against_a_number_has_that_number_for_its_target(error: str) -> None:
    setup = setup_of(trained(f"loss = 0.5 * ({error}).mean()"))
    assert setup.loss.name == "mse"
    assert setup.target.values.hull.lo == setup.target.values.hull.hi == 1.0


def test_a_scaled_output_is_no_error_against_a_number() -> None:
    setup = setup_of(trained("loss = F.mse_loss(2 * net(x) - 1, 2 * x.flatten(1) - 1)"))
    assert setup.loss.name == "mse"
    assert setup.target.values.hull.lo == -1.0


def test_a_square_that_is_not_trained_on_is_no_training() -> None:
    setups = setups_of(trained("loss = F.mse_loss(net(x), x.flatten(1))\nprint(((judge(x) - 1) ** 2).mean())"))
    assert [setup.head.activation for setup in setups] == ["sigmoid"]


def test_noise_is_the_target_of_a_diffusion_loss_written_out() -> None:
    setup = setup_of(
        trained("""
        noise = torch.randn(64, 784)
        xt = 0.7 * x.flatten(1) + 0.7 * noise
        loss = ((net(xt) - noise) ** 2).mean()
        """)
    )
    assert setup.loss.name == "mse"
    assert setup.target.values.reach is not None
    assert setup.target.values.reach.lo < 0


def test_a_critic_without_target_is_told() -> None:
    result = analyse_file(
        "program.py",
        ("import torch\nfrom torch import nn\n" + textwrap.dedent("""
        critic = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))
        optimizer = torch.optim.RMSprop(critic.parameters())
        for _ in range(10):
            loss = -torch.mean(critic(torch.rand(64, 8))) + torch.mean(critic(torch.randn(64, 8)))
            loss.backward()
            optimizer.step()
        """)).encode(),
    )  # fmt: skip
    (setup,) = result.setups
    assert setup.loss.name == "wasserstein"
    assert setup.loss.scores
    assert not result.undecided  # no data are its target


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        ("-judge(net(x)).mean()", "critic_score"),
        ("((torch.autograd.grad(judge(x).sum(), x)[0].flatten(1).norm(2, dim=1) - 1) ** 2).mean()", "gradient_penalty"),
        ("(torch.autograd.grad(judge(x).sum(), x, create_graph=True)[0] + 2 * judge(x)).pow(2).mean()", "residual"),
        ("(-Normal(judge(x), 1.0).log_prob(Normal(judge(x), 1.0).sample()) * reward).mean()", "policy_gradient"),
        ("-(reward * torch.exp(Normal(judge(x), 1.0).log_prob(taken) - before)).mean()", "policy_gradient"),
    ],
)
def test_a_loss_without_a_target_has_a_name(loss: str, name: str) -> None:
    before = "from torch.distributions import Normal\nreward, taken, before = torch.load('episode.pt')\n"
    assert setup_of(before + trained(f"loss = {loss}")).loss.name == name


def test_a_penalty_beside_scores_leaves_them_what_they_are() -> None:
    step = """
    slope = torch.autograd.grad(outputs=judge(x), inputs=x, create_graph=True)[0]
    loss = judge(net(x)).mean() - judge(x).mean() + 10 * ((slope.flatten(1).norm(2, dim=1) - 1) ** 2).mean()
    """
    assert setup_of(trained(step)).loss.name == "wasserstein"


def test_the_mean_of_something_unknown_is_no_score() -> None:
    assert setup_of(trained("loss = judge(x).std(dim=1).mean()")).loss.name is None


def test_a_loss_of_outputs_alone_is_told() -> None:
    step = "loss = (torch.distributions.kl_divergence(Normal(net(x), 1.0), Normal(judge(x), 1.0)) * net(x)).mean()"
    assert setups_of("from torch.distributions import Normal\n" + trained(step))


@pytest.mark.parametrize(
    ("target", "relation"),
    [("b * noise - a * x", Relation.OTHER), ("mixed", Relation.SAME), ("x", Relation.NOISED_INPUT)],
)
def test_another_mixture_of_the_same_noise_is_no_noisy_twin(target: str, relation: Relation) -> None:
    rates = "noise = torch.randn_like(x)\nb = torch.rand(64, 1, 1, 1) ** 0.5\na = (1 - b ** 2) ** 0.5\n"
    setup = setup_of(trained(rates + f"mixed = a * x + b * noise\nloss = F.mse_loss(net(mixed), {target})"))
    assert setup.relation is relation


@pytest.mark.parametrize(("share", "noised"), [("0.0001", "no"), ("0.3", "yes")])
def test_noise_that_nobody_feels_is_none(share: str, noised: str) -> None:
    setup = setup_of(f"""
    from sklearn.preprocessing import StandardScaler
    table = StandardScaler().fit_transform(np.load("x.npy"))
    rows = torch.tensor(table + {share} * np.random.normal(size=table.shape))
    net = nn.Linear(8, 8)
    for x in DataLoader(rows, batch_size=64):
        F.mse_loss(net(x), x).backward()
    """)
    assert setup.target.noised.value == noised


def test_the_mean_of_a_square_is_no_score() -> None:
    assert setup_of(trained("loss = (judge(x) ** 2).mean()")).loss.name is None


def test_a_loss_out_of_reach_is_told_as_a_training() -> None:
    source = """
    import torch
    from elsewhere import Model, batches
    model = Model()
    optimizer = torch.optim.Adam(model.parameters())
    for batch in batches():
        loss = model.training_loss(batch)
        loss.backward()
        optimizer.step()
    """
    result = analyse_file("program.py", textwrap.dedent(source).encode())
    assert len(result.setups) == 1
    assert result.setups[0].loss.name is None


def test_an_error_written_out_on_a_tape_in_a_function() -> None:
    setups, codes, _ = audited("""
    prices = 255 * np.random.rand(400, 1).astype("float32")
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1, activation="sigmoid")])
    optimizer = keras.optimizers.Adam(0.01)

    def step(features, wanted):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(wanted - model(features)))
        optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables))
        return loss

    for epoch in range(20):
        print(float(step(np.random.rand(400, 3), prices)))
    """)
    assert [setup.loss.name for setup in setups] == ["mse"]
    assert codes == {"AE102"}


def test_labels_with_much_noise_leave_their_range() -> None:
    _, codes, _ = audited("""
    critic = keras.Sequential([keras.Input((8,)), layers.Dense(1, activation="sigmoid")])
    critic.compile("adam", "binary_crossentropy")
    labels = tf.concat([tf.zeros((32, 1)), tf.ones((32, 1))], axis=0) + 0.3 * tf.random.uniform((64, 1))
    critic.train_on_batch(tf.random.normal((64, 8)), labels)
    """)
    assert "AE201" in codes


def test_an_exercise_in_gradients_is_no_training() -> None:
    source = """
    import torch
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    y = torch.FloatTensor([1, 2])
    (y * y).mean().backward()
    """
    assert not analyse_file("program.py", textwrap.dedent(source).encode()).setups


def test_the_logarithm_of_an_output_keeps_its_head() -> None:
    setup = setup_of(trained("loss = -torch.mean(torch.log(torch.sigmoid(judge(x))) + 1)"))
    assert setup.loss.name is None
    assert setup.head.activation == "sigmoid"


def test_a_loss_that_is_shown_is_not_the_one_that_is_trained() -> None:
    setups, codes, _ = audited("""
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.flat, self.out = layers.Flatten(), layers.Dense(10)

        def call(self, x, is_training=False):
            x = self.out(self.flat(x))
            if not is_training:
                x = tf.nn.softmax(x)
            return x

    net = Net()
    optimizer = tf.optimizers.Adam()

    def cross_entropy_loss(x, y):
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.cast(y, tf.int64), logits=x))

    def run_optimization(x, y):
        with tf.GradientTape() as tape:
            loss = cross_entropy_loss(net(x, is_training=True), y)
        optimizer.apply_gradients(zip(tape.gradient(loss, net.trainable_variables), net.trainable_variables))

    for step in range(100):
        run_optimization(x[:64], y[:64])
        print(cross_entropy_loss(net(x[:64]), y[:64]))
    """)
    assert [setup.head.activation for setup in setups] == ["linear"]
    assert "AE104" not in codes


def test_a_likelihood_under_an_exponential_is_no_squared_error_of_the_other_sign() -> None:
    likelihood = "torch.exp(-0.5 * ((x.flatten(1) - net(x)) / 0.1) ** 2)"
    step = f"likelihood = {likelihood}\nloss = -torch.log(likelihood.sum(1)).mean()"
    setup = setup_of(trained(step))
    assert setup.loss.name is None


@pytest.mark.parametrize(
    ("loss", "weight"),
    [("(-0.5 * (x.flatten(1) - net(x)) ** 2).mean()", -0.5), ("-(-2 * (x.flatten(1) - net(x)).abs()).mean()", 2.0)],
)
def test_a_factor_of_a_squared_error_keeps_its_sign(loss: str, weight: float) -> None:
    assert setup_of(trained(f"loss = {loss}")).loss.weight == weight


def test_an_error_in_another_place_is_the_same_error() -> None:
    step = (
        "error = (x.flatten(1) - net(x)).unsqueeze(1)\nloss = torch.cat([error ** 2, error ** 2], dim=1).sum(1).mean()"
    )
    setup = setup_of(trained("loss = ((x.flatten(1) - net(x)).unsqueeze(1) ** 2).mean()"))
    assert setup.loss.name == "mse"
    assert setup_of(trained(step)).head.activation == "sigmoid"


PENALTY = """
eps = torch.rand(64, 1)
mixture = (eps * x.flatten(1) + (1 - eps) * net(x))
loss = -judge(x).mean() + judge(net(x)).mean() + judge(mixture).mean()
"""


def test_a_mixture_with_data_is_no_output_of_a_generator() -> None:
    assert all(setup.generated is None for setup in setups_of(trained(PENALTY)))


def test_gradients_by_data_train_nothing() -> None:
    program = """
x = keras.datasets.mnist.load_data()[0][0] / 255.0
net = keras.Sequential([layers.Flatten(), layers.Dense(9)])
def importance(images):
    with tf.GradientTape() as tape:
        tape.watch(images)
        score = net(images)
    return tape.gradient(score, images)
importance(tf.constant(x))
"""
    setups, _, _ = audited(program)
    assert not setups


def test_what_a_function_out_of_reach_returned_enters_a_network_as_data() -> None:
    program = """
from other import loader, pack
net = nn.Sequential(nn.Embedding(10, 4), nn.Flatten(), nn.Linear(40, 3), nn.Softmax(1))
opt = torch.optim.Adam(net.parameters())
for a, b in loader:
    a = pack("words").to("cpu")
    loss = nn.CrossEntropyLoss()(net(a), b)
    opt.zero_grad(); loss.backward(); opt.step()
"""
    assert setup_of(program).head.activation == "softmax"


def test_padded_sequences_hold_their_values_and_the_filling() -> None:
    program = """
from torch.nn.utils.rnn import pad_sequence
parts = [torch.rand(5, 4) for _ in range(8)]
x = pad_sequence(parts, batch_first=True, padding_value=-3.0)
net = nn.Linear(4, 4)
opt = torch.optim.Adam(net.parameters())
loss = F.mse_loss(net(x), x)
opt.zero_grad(); loss.backward(); opt.step()
"""
    hull = setup_of(program).target.values.hull
    assert (hull.lo, hull.hi) == (-3.0, 1.0)


def test_a_focal_loss_written_out_is_its_cross_entropy() -> None:
    step = """
    each = F.binary_cross_entropy_with_logits(net(x), x.flatten(1), reduction="none")
    loss = (0.25 * (1 - torch.exp(-each)) ** 2.0 * each).mean()
    """
    assert setup_of(trained(step)).loss.name == "bce"


def test_the_root_of_a_squared_error_is_an_absolute_one() -> None:
    assert setup_of(trained("loss = torch.sqrt((net(x) - x.flatten(1)) ** 2 + 1e-6).mean()")).loss.name == "mae"


def test_a_loss_between_two_outputs_is_told() -> None:
    setup = setup_of(trained("loss = F.smooth_l1_loss(net(x), net(x).detach() * 0.9)"))
    assert setup.loss.name == "smooth_l1"
    assert setup.head.activation == "sigmoid"


def test_a_lightning_step_whose_loss_is_not_read_is_told() -> None:
    program = """
import lightning as L
class Critic(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    def training_step(self, batch, index):
        return -self.net(batch).mean()
    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters())
L.Trainer().fit(Critic(), DataLoader(torch.rand(100, 4)))
"""
    assert setup_of(program).loss.name == "critic_score"


@pytest.mark.parametrize(
    "loss",
    [
        "-torch.mean(torch.log(real) + torch.log(1 - made))",
        "-(torch.log(real + 1e-8).mean() + (1 - made + 1e-8).log().mean())",
        "(-torch.log(real) - torch.log(1. - made)).mean()",
        "-torch.log(real).mean() - torch.log(1 - made).mean()",
    ],
)
def test_logarithms_of_a_judge_are_cross_entropies_against_1_and_0(loss: str) -> None:
    step = f"real, made = torch.sigmoid(judge(x)), torch.sigmoid(judge(net(x).detach()))\nloss = {loss}"
    setups = setups_of(trained(step))
    assert {setup.loss.name for setup in setups} == {"bce"}
    assert {setup.target.values.hull.lo for setup in setups} == {0.0, 1.0}


def test_a_generator_that_lowers_the_judges_certainty_is_told_unread() -> None:
    setup = setup_of(trained("loss = torch.log(1 - torch.sigmoid(judge(net(x)))).mean()"))
    assert setup.loss.name is None


def test_a_ranking_by_the_logarithm_of_a_sigmoid_is_a_cross_entropy_against_1() -> None:
    setup = setup_of(trained("loss = -(judge(x) - judge(net(x))).sigmoid().log().mean()"))
    assert setup.loss.name == "bce"
    assert setup.target.values.hull.lo == setup.target.values.hull.hi == 1.0


def test_a_weighted_logarithm_keeps_its_weight_for_target() -> None:
    setup = setup_of(trained("p = net(x)\nt = x.flatten(1)\nloss = -(t * p.log() + (1 - t) * (1 - p).log()).mean()"))
    assert setup.loss.name == "bce"
    assert setup.target.source == "torchvision.datasets.MNIST"


SCALING_MODEL = """
import tensorflow as tf
(x, _), (held, _) = keras.datasets.mnist.load_data()
class Coder(keras.Model):
    def __init__(self):
        super().__init__()
        self.inner = keras.Sequential([layers.Flatten(), layers.Dense(32, activation="relu")])
        self.outer = layers.Dense(784, activation="sigmoid")
    def call(self, pixels):
        pixels = tf.cast(pixels, tf.float32) / 255.0
        made = self.outer(self.inner(pixels))
        self.add_loss(tf.reduce_mean(tf.square(tf.reshape(pixels, (-1, 784)) - made)))
        return made
coder = Coder()
coder.compile("adam")
coder.fit(x, epochs=2)
codes = coder.inner(ASKED)
"""


@pytest.mark.parametrize(("asked", "otherwise"), [("held / 255.0", False), ("held", True)])
def test_a_part_of_a_model_that_scales_its_input_is_asked_as_it_was_trained(asked: str, otherwise: bool) -> None:
    _, codes, _ = audited(SCALING_MODEL.replace("ASKED", asked))
    assert ("AE304" in codes) is otherwise


COSINE = "F.normalize(net(x), dim=1) * F.normalize(x.flatten(1), dim=1)"


@pytest.mark.parametrize(
    ("loss", "weight"),
    [
        (f"-({COSINE}).sum(1).mean()", 1.0),
        (f"(1 - ({COSINE}).sum(dim=-1)).mean()", 1.0),
        (f"-torch.sum({COSINE})", 1.0),
        (f"({COSINE}).sum(1).mean()", -1.0),
    ],
)
def test_products_of_unit_vectors_are_their_cosine(loss: str, weight: float) -> None:
    setup = setup_of(trained(f"loss = {loss}"))
    assert (setup.loss.name, setup.loss.weight) == ("cosine_similarity", weight)
    assert setup.target.source == "torchvision.datasets.MNIST"


def test_a_cosine_that_a_loss_judges_is_a_score() -> None:
    score = f"s = ({COSINE}).sum(1)"
    setup = setup_of(trained(f"{score}\nloss = F.binary_cross_entropy_with_logits(5 * s, torch.ones(len(x)))"))
    assert setup.loss.name == "bce"


@pytest.mark.parametrize(("sign", "weight"), [("-", 1.0), ("", -1.0)])
def test_a_cosine_for_each_sample_in_keras(sign: str, weight: float) -> None:
    program = f"""
    def loss(y_true, y_pred):
        y_true, y_pred = tf.nn.l2_normalize(y_true, -1), tf.nn.l2_normalize(y_pred, -1)
        return {sign}tf.reduce_sum(y_true * y_pred, axis=-1)
    model = keras.Sequential([layers.Input((784,)), layers.Dense(12)])
    model.compile("adam", loss=loss)
    model.fit(np.random.rand(99, 784), np.random.rand(99, 12))
    """
    ((setup,), _, _) = audited(program)
    assert (setup.loss.name, setup.loss.weight) == ("cosine_similarity", weight)


@pytest.mark.parametrize(
    ("prediction", "target", "high"),
    [
        ("torch.log(net(x) + 1)", "torch.log(100 * x.flatten(1) + 1)", math.log(2.0)),
        ("torch.log1p(net(x))", "torch.log1p(100 * x.flatten(1))", math.log(2.0)),
        ("(net(x) + 1).log10()", "(100 * x.flatten(1) + 1).log10()", math.log10(2.0)),
    ],
)
def test_logarithms_of_a_bounded_output_are_bounded(prediction: str, target: str, high: float) -> None:
    setup = setup_of(trained(f"loss = torch.sqrt(F.mse_loss({prediction}, {target}))"))
    assert setup.head.activation == "sigmoid"
    assert setup.head.range.values.hull.hi == pytest.approx(high)
    assert setup.target.values.leaves(setup.head.range.values.hull, 0.1) is Tri.YES


ANSWERS = "torch.randint(0, 2, (64, 1)).float()"
CROSS_ENTROPY = "(y * torch.log(p) + (1 - y) * torch.log(1 - p)).mean()"


@pytest.mark.parametrize(
    ("target", "loss", "told"),
    [
        (ANSWERS, CROSS_ENTROPY, True),
        (ANSWERS, f"-{CROSS_ENTROPY}", False),
        ("torch.zeros(len(x), 1)", CROSS_ENTROPY, False),
        (ANSWERS, "-F.binary_cross_entropy(p, y)", False),
    ],
)
def test_a_minus_that_is_missing_from_a_cross_entropy(target: str, loss: str, told: bool) -> None:
    """But a generator's judge is deceived on purpose, and a loss with a name is not reversed by oversight."""
    findings, _ = check(setups_of(trained(f"y = {target}; p = torch.sigmoid(judge(x))\nloss = {loss}")))
    assert ("AE210" in {finding.code for finding in findings}) is told
