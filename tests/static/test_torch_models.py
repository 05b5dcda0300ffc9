"""Torch models as people write them, each with what it is trained on: the facts of their one set-up."""

from __future__ import annotations

import pytest

from ae_audit.schema.training_setup import Relation, Structure
from ae_audit.theory.ranges import Tri
from tests.static.torch_programs import LOADER, NET, assert_plain, setup_of, setups_of


def test_layers_named_by_an_ordered_dict() -> None:
    model = """
        model = nn.Sequential(OrderedDict([("fc", nn.Linear(784, 784)), ("act", nn.Sigmoid())]))
        for x, _ in train_loader:
            x = x.view(-1, 784)
            F.mse_loss(model(x), x).backward()
        """
    assert_plain(setup_of(LOADER, model))


def test_layers_added_by_name() -> None:
    model = """
        class AE(nn.Module):
            def __init__(self):
                super(AE, self).__init__()
                self.main = nn.Sequential()
                self.main.add_module("fc", nn.Linear(784, 784))
                self.main.add_module("act", nn.Sigmoid())

            def forward(self, x):
                return self.main(x)

        model = AE()
        for x, _ in train_loader:
            x = x.view(-1, 784)
            F.mse_loss(model(x), x).backward()
        """
    assert_plain(setup_of(LOADER, model))


def test_an_activation_found_by_its_name() -> None:
    model = """
        def make(act):
            return nn.Sequential(nn.Linear(784, 784), getattr(nn, act)())

        model = make("Sigmoid")
        for x, _ in train_loader:
            x = x.view(-1, 784)
            F.mse_loss(model(x), x).backward()
        """
    assert_plain(setup_of(LOADER, model))


@pytest.mark.parametrize("given", ["", "activation='tanh'", "activation='sigmoid'"])
def test_an_activation_chosen_by_a_branch(given: str) -> None:
    model = f"""
        class AE(nn.Module):
            def __init__(self, activation="sigmoid"):
                super().__init__()
                self.fc = nn.Linear(784, 784)
                if activation == "sigmoid":
                    self.act = nn.Sigmoid()
                elif activation == "tanh":
                    self.act = nn.Tanh()
                else:
                    raise ValueError(activation)

            def forward(self, x):
                return self.act(self.fc(x))

        model = AE({given})
        for x, _ in train_loader:
            x = x.view(-1, 784)
            F.mse_loss(model(x), x).backward()
        """
    assert setup_of(LOADER, model).head.activation == ("tanh" if "tanh" in given else "sigmoid")


def test_a_convolutional_autoencoder_with_shapes() -> None:
    model = """
        class ConvAE(nn.Module):
            def __init__(self):
                super().__init__()
                self.enc = nn.Sequential(
                    nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(),
                )
                self.dec = nn.Sequential(
                    nn.ConvTranspose2d(32, 16, 3, stride=2, padding=1, output_padding=1), nn.ReLU(),
                    nn.ConvTranspose2d(16, 1, 3, stride=2, padding=1, output_padding=1), nn.Sigmoid(),
                )

            def forward(self, x):
                return self.dec(self.enc(x))

        model = ConvAE()
        for x, _ in train_loader:
            nn.BCELoss()(model(x), x).backward()
        """
    setup = setup_of(LOADER, model)
    assert_plain(setup, "bce")
    assert setup.head.shape == (None, 1, 28, 28)
    assert setup.target.shape == (None, 1, 28, 28)


def test_a_u_net_with_skips() -> None:
    model = """
        class UNet(nn.Module):
            def __init__(self):
                super().__init__()
                self.down = nn.Conv2d(1, 8, 3, padding=1)
                self.pool = nn.MaxPool2d(2)
                self.up = nn.Upsample(scale_factor=2, mode="bilinear")
                self.mid = nn.Conv2d(8, 8, 3, padding=1)
                self.out = nn.Conv2d(16, 1, 1)

            def forward(self, x):
                d = F.relu(self.down(x))
                m = F.relu(self.mid(self.pool(d)))
                return torch.sigmoid(self.out(torch.cat([self.up(m), d], dim=1)))

        model = UNet()
        for x, _ in train_loader:
            noisy = x + 0.2 * torch.randn(*x.shape)
            loss = F.mse_loss(model(noisy), x)
            loss.backward()
        """
    setup = setup_of(LOADER, model)
    assert setup.head.activation == "sigmoid"
    assert setup.relation is Relation.NOISED_INPUT


def test_a_segmentation_model_with_softmax_over_channels() -> None:
    model = """
        class Masks(Dataset):
            def __init__(self, images, masks):
                self.images, self.masks = images, masks

            def __getitem__(self, i):
                return torch.tensor(self.images[i]).float() / 255, torch.tensor(self.masks[i]).long()

        loader = DataLoader(Masks(np.load("images.npy"), np.load("masks.npy")), batch_size=8)
        model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 5, 1), nn.LogSoftmax(dim=1))
        for x, mask in loader:
            F.nll_loss(model(x), mask).backward()
        """
    setup = setup_of(model)
    assert (setup.head.activation, setup.head.axis, setup.head.units) == ("log_softmax", 1, 5)
    assert setup.loss.name == "nll"
    assert setup.target.structure is Structure.CLASS_INDEX


def test_a_classifier_with_softmax_before_cross_entropy() -> None:
    model = """
        class Classifier(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc1 = nn.Linear(784, 100)
                self.fc2 = nn.Linear(100, 10)

            def forward(self, x):
                x = F.relu(self.fc1(x.view(-1, 784)))
                return F.softmax(self.fc2(x), dim=1)

        model = Classifier()
        criterion = nn.CrossEntropyLoss()
        for x, y in train_loader:
            out = model(x)
            loss = criterion(out, y)
            loss.backward()
            accuracy = (out.argmax(1) == y).float().mean()
        """
    setup = setup_of(LOADER, model)
    assert (setup.head.activation, setup.head.axis, setup.head.units) == ("softmax", 1, 10)
    assert (setup.loss.name, setup.loss.from_logits) == ("sparse_cce", Tri.YES)
    assert setup.relation is Relation.LABELS


def test_one_hot_labels_with_a_regression_loss() -> None:
    model = """
        model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.Softmax(dim=1))
        for x, y in train_loader:
            target = F.one_hot(y, 10).float()
            F.mse_loss(model(x), target).backward()
        """
    setup = setup_of(LOADER, model)
    assert setup.target.structure is Structure.ONE_HOT
    assert setup.relation is Relation.LABELS


def test_a_pretrained_backbone_with_a_new_head() -> None:
    model = """
        model = models.resnet18(pretrained=True)
        model.fc = nn.Sequential(nn.Linear(512, 1), nn.Sigmoid())
        criterion = nn.BCEWithLogitsLoss()
        for x, y in train_loader:
            criterion(model(x).squeeze(1), y.float()).backward()
        """
    setup = setup_of(LOADER, model)
    assert setup.head.activation == "sigmoid"
    assert setup.loss.from_logits is Tri.YES


def test_a_recurrent_autoencoder_of_which_tanh_is_the_head() -> None:
    model = """
        class LSTMAE(nn.Module):
            def __init__(self):
                super().__init__()
                self.enc = nn.LSTM(28, 64, batch_first=True)
                self.dec = nn.LSTM(64, 28, batch_first=True)

            def forward(self, x):
                _, (h, _) = self.enc(x)
                h = h[-1].unsqueeze(1).repeat(1, x.size(1), 1)
                out, _ = self.dec(h)
                return out

        model = LSTMAE()
        for x, _ in train_loader:
            x = x.squeeze(1)
            F.mse_loss(model(x), x).backward()
        """
    setup = setup_of(LOADER, model)
    assert setup.head.activation == "tanh"
    assert setup.relation is Relation.SAME


def test_targets_rescaled_for_a_tanh_head() -> None:
    model = """
        model = nn.Sequential(nn.Linear(784, 784), nn.Tanh())
        for x, _ in train_loader:
            x = x.view(-1, 784)
            out = (model(x) + 1) / 2
            F.binary_cross_entropy(out, x).backward()
        """
    setup = setup_of(LOADER, model)
    assert (setup.head.range.values.hull.lo, setup.head.range.values.hull.hi) == (0.0, 1.0)


def test_a_generator_against_a_discriminator_is_no_reconstruction() -> None:
    model = """
        G = nn.Sequential(nn.Linear(100, 784), nn.Tanh())
        D = nn.Sequential(nn.Linear(784, 1), nn.Sigmoid())
        criterion = nn.BCELoss()
        for real, _ in train_loader:
            n = real.size(0)
            ones, zeros = torch.ones(n, 1), torch.zeros(n, 1)
            fake = G(torch.randn(n, 100))
            loss_d = criterion(D(real.view(n, -1)), ones) + criterion(D(fake.detach()), zeros)
            loss_d.backward()
            loss_g = criterion(D(fake), ones)
            loss_g.backward()
        """
    setups = setups_of(LOADER, model)
    assert {setup.head.activation for setup in setups} == {"sigmoid"}
    assert not [setup for setup in setups if setup.reconstruction is Tri.YES]


def test_a_gaussian_code_drawn_from_a_distribution() -> None:
    model = """
        class VAE(nn.Module):
            def __init__(self):
                super().__init__()
                self.enc = nn.Linear(784, 64)
                self.mu, self.sigma = nn.Linear(64, 8), nn.Linear(64, 8)
                self.dec = nn.Sequential(nn.Linear(8, 784), nn.Sigmoid())

            def forward(self, x):
                h = torch.relu(self.enc(x))
                q = torch.distributions.Normal(self.mu(h), F.softplus(self.sigma(h)))
                return self.dec(q.rsample()), q

        model = VAE()
        prior = torch.distributions.Normal(0, 1)
        for x, _ in train_loader:
            x = x.view(-1, 784)
            recon, q = model(x)
            kl = torch.distributions.kl_divergence(q, prior).sum()
            loss = F.binary_cross_entropy(recon, x, reduction="sum") + kl
            loss.backward()
        """
    setup = setup_of(LOADER, model)
    assert_plain(setup, "bce")
    assert setup.model.variational is Tri.YES


def test_a_loss_that_the_model_returns() -> None:
    model = """
        class AE(nn.Module):
            def __init__(self):
                super().__init__()
                self.net = nn.Sequential(nn.Linear(784, 784), nn.Sigmoid())

            def forward(self, x):
                out = self.net(x)
                return F.mse_loss(out, x)

        model = AE()
        for x, _ in train_loader:
            loss = model(x.view(-1, 784))
            loss.backward()
        """
    assert_plain(setup_of(LOADER, model))


def test_a_loss_as_a_module_of_the_users_own() -> None:
    model = """
        class VAELoss(nn.Module):
            def __init__(self, beta=1.0):
                super().__init__()
                self.beta = beta
                self.mse = nn.MSELoss(reduction="sum")

            def forward(self, recon, x, extra):
                return self.mse(recon, x) + self.beta * extra

        model = Net()
        criterion = VAELoss()
        for x, _ in train_loader:
            x = x.view(-1, 784)
            loss = criterion(model(x), x, 0.0)
            loss.backward()
        """
    assert_plain(setup_of(LOADER, NET, model))


def test_tabular_data_from_arrays() -> None:
    model = """
        X = np.random.rand(1000, 30).astype(np.float32)
        tensor = torch.from_numpy(X)
        loader = DataLoader(TensorDataset(tensor), batch_size=32)
        model = nn.Sequential(nn.Linear(30, 8), nn.ReLU(), nn.Linear(8, 30), nn.Sigmoid())
        for (x,) in loader:
            F.mse_loss(model(x), x).backward()
        """
    setup = setup_of(model)
    assert setup.relation is Relation.SAME
    assert setup.target.values.hull.closure().hi == 1.0


@pytest.mark.parametrize("base", ["super()", "super(Child, self)", "super(self.__class__, self)", "Base"])
def test_what_a_class_inherits_is_reached_however_its_base_is_called(base: str) -> None:
    this = "self, " if base == "Base" else ""
    model = f"""
        class Base(nn.Module):
            def __init__(self, width):
                super(Base, self).__init__()
                self.encoder = nn.Linear(784, width)
                self.decoder = nn.Sequential(nn.Linear(width, 784), nn.Sigmoid())

            def forward(self, x):
                return self.decoder(self.encoder(x))

        class Child(Base):
            def __init__(self):
                {base}.__init__({this}32)

            def forward(self, x):
                return {base}.forward({this}x)

        model = Child()
        for x, _ in train_loader:
            x = x.view(-1, 784)
            F.mse_loss(model(x), x).backward()
        """
    assert_plain(setup_of(LOADER, model))


@pytest.mark.parametrize("made", ["torch.zeros(size=x.shape)", "torch.empty(x.size(0), x.size(1), 28)"])
@pytest.mark.parametrize("place", ["[:, i, :]", "[:, i]"])
def test_an_output_that_is_written_step_by_step(made: str, place: str) -> None:
    model = f"""
        class LSTMAE(nn.Module):
            def __init__(self):
                super().__init__()
                self.enc = nn.LSTM(28, 64, batch_first=True)
                self.dec = nn.LSTMCell(28, 64)
                self.out = nn.Linear(64, 28)

            def forward(self, x):
                output = {made}
                _, (h, c) = self.enc(x)
                h, c = h[-1], c[-1]
                step = x[:, -1]
                for i in range(x.shape[1] - 1, -1, -1):
                    h, c = self.dec(step, (h, c))
                    step = torch.sigmoid(self.out(h))
                    output{place} = step
                return output

        model = LSTMAE()
        for x, _ in train_loader:
            x = x.squeeze(1)
            nn.MSELoss()(x, model(x)).backward()
        """
    setup = setup_of(LOADER, model)
    assert setup.head.activation == "sigmoid"
    assert (setup.target.values.hull.lo, setup.target.values.hull.hi) == (0.0, 1.0)


def test_an_output_of_which_a_part_is_activated_in_place_has_no_one_head() -> None:
    model = """
        model = nn.Linear(784, 784)
        for x, _ in train_loader:
            x = x.view(-1, 784)
            y = model(x)
            y[:, :10] = torch.sigmoid(y[:, :10])
            F.mse_loss(y, x).backward()
        """
    setup = setup_of(LOADER, model)
    assert setup.head.activation is None


CHANGED = {
    "exchanged": "model = nn.Sequential(nn.Linear(784, 784), nn.Softmax(1))\nmodel[-1] = nn.Sigmoid()",
    "deleted": "model = nn.Sequential(nn.Linear(784, 784), nn.Sigmoid(), nn.Softmax(1))\ndel model[-1]",
    "several deleted": "model = nn.Sequential(nn.Linear(784, 784), nn.Sigmoid(), nn.Tanh(), nn.ReLU())\ndel model[2:]",
    "taken out": "model = nn.Sequential(nn.Linear(784, 784), nn.Sigmoid(), nn.Softmax(1))\nmodel.pop(2)",
    "cut off": "model = nn.Sequential(nn.Linear(784, 784), nn.Sigmoid(), nn.Softmax(1))[:-1]",
    "exchanged by name": """
model = nn.Sequential(OrderedDict([("fc", nn.Linear(784, 784)), ("act", nn.Softmax(1))]))
model.act = nn.Sigmoid()""",
}


@pytest.mark.parametrize("how", CHANGED)
def test_a_layer_that_is_changed_after_the_net_was_made(how: str) -> None:
    training = """
        for x, _ in train_loader:
            x = x.view(-1, 784)
            F.mse_loss(model(x), x).backward()
        """
    assert_plain(setup_of(LOADER, CHANGED[how], training))


@pytest.mark.parametrize("clip", ["torch.clamp(y, low, high)", "y.clamp(min=low, max=high)", "y.clip(low, 1.0)"])
def test_an_output_that_is_cut_at_unknown_ends_is_not_known_to_leave_them(clip: str) -> None:
    training = f"""
        import sys
        low, high = float(sys.argv[1]), float(sys.argv[2])
        model = nn.Linear(784, 784)
        for x, _ in train_loader:
            x = x.view(-1, 784)
            y = model(x)
            F.binary_cross_entropy({clip}, x).backward()
        """
    assert setup_of(LOADER, training).head.range.values.reach is None


def test_a_layer_exchanged_at_an_unknown_place_may_be_any() -> None:
    training = """
        model = nn.Sequential(nn.Linear(784, 784), nn.Softmax(1))
        model[place()] = nn.Sigmoid()
        for x, _ in train_loader:
            x = x.view(-1, 784)
            F.mse_loss(model(x), x).backward()
        """
    head = setup_of(LOADER, training).head
    assert (head.activation, head.range.values.unknown) == (None, True)
