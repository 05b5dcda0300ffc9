"""Generators, diffusion and sampling: AE602, AE701 and AE703, by reading programs and on hand-built set-ups."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ae_audit.rules.checks.ae204_vae_loss_reduction_imbalance import KERAS as VAE
from ae_audit.rules.checks.ae701_generator_range_mismatch import KERAS, TORCH
from ae_audit.rules.checks.ae703_diffusion_data_scale import TORCH as DIFFUSION
from ae_audit.rules.runner import check
from ae_audit.schema.findings import Severity
from ae_audit.schema.training_setup import Head
from ae_audit.static import analyse_file
from ae_audit.theory.activations import LINEAR_RANGE, ActivationRange
from ae_audit.theory.intervals import Interval
from ae_audit.theory.ranges import ValueRange
from tests.rules.setups import GREY, RAW, SIGNED, STANDARDISED, measured, setup, violations


def found(source: str, code: str) -> list[Severity]:
    findings, _ = check(analyse_file("m.py", source.encode()).setups)
    return [each.severity for each in findings if each.code == code]


def made(name: str, low: float, high: float) -> Head:
    return Head(name, range=ActivationRange(ValueRange(Interval(low, high, True, True))))


@pytest.mark.parametrize(
    ("generated", "given", "severity"),
    [
        (made("tanh", -1, 1), GREY, Severity.WARNING),
        (made("tanh", -1, 1), RAW, Severity.ERROR),
        (made("sigmoid", 0, 1), SIGNED, Severity.ERROR),
        (made("sigmoid", 0, 1), STANDARDISED, Severity.ERROR),
        (made("sigmoid", 0, 1), measured(0.0, 0.99), None),
        (made("tanh", -1, 1), SIGNED, None),
        (made("tanh", -1, 1), replace(GREY, values=ValueRange()), None),
        (Head("linear", range=LINEAR_RANGE), RAW, None),
    ],
)
def test_ranges_of_generator_and_data(generated: Head, given: object, severity: Severity | None) -> None:
    subject = replace(setup("sigmoid", "bce", GREY, given=given), generated=generated)  # type: ignore[arg-type]
    assert [each.severity or Severity.ERROR for each in violations("AE701", subject)] == [severity] * bool(severity)


@pytest.mark.parametrize(
    ("old", "new", "severities"),
    [
        ("(fake.detach())", "(0.5 * fake.detach() + 0.5)", []),
        ("(images.flatten(1))", "(images)", [Severity.WARNING]),
        ("real = images.flatten(1)", "real = images.flatten(1) * 255", [Severity.ERROR]),
        ("nn.Tanh())", "nn.Tanh(), nn.Linear(784, 784))", []),
    ],
)
def test_what_enters_the_discriminator_counts_after_all_rescaling(
    old: str, new: str, severities: list[Severity]
) -> None:
    changed = TORCH.replace(old, new).replace("discriminator(fake), ones", f"discriminator{new}, ones" if "fake" in new
                                              else "discriminator(fake), ones")  # fmt: skip
    assert found(changed, "AE701") == severities


def test_predictions_that_are_rescaled_before_the_discriminator() -> None:
    assert found(KERAS.replace("train_on_batch(fake", "train_on_batch((fake + 1) / 2"), "AE701") == []


def test_the_noise_that_a_stacked_model_is_given_is_no_data() -> None:
    stacked = """
gan = keras.Sequential([generator, discriminator])
gan.compile(optimizer="adam", loss="binary_crossentropy")
for step in range(100):
    gan.train_on_batch(np.random.normal(size=(64, 32)), np.ones((64, 1)))
"""
    right = KERAS.replace("/ 255.0", "/ 127.5 - 1.0")
    assert found(right + stacked, "AE701") == []
    functional = stacked.replace(
        "keras.Sequential([generator, discriminator])",
        "keras.Model(z := keras.Input((32,)), discriminator(generator(z)))",
    )
    assert found(right + functional, "AE701") == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (".float()", ".float()", True),
        (".float()", ".float() / 255", False),
        (".float()", ".float() / 25500", True),
        ("a.sqrt() * x0 +", "x0 +", False),
        ("network(mixed), noise", "network(mixed), x0", False),
        ("(1 - a).sqrt() * noise", "(1 - a).sqrt() * torch.randn_like(x0)", False),
    ],
)
def test_data_that_noise_is_mixed_with(old: str, new: str, told: bool) -> None:
    assert bool(found(DIFFUSION.replace(old, new), "AE703")) is told


def test_a_measured_spread_decides() -> None:
    sound = replace(setup("linear", "mse", STANDARDISED), mixed=measured(-1.0, 1.0, std=0.6))
    assert not violations("AE703", sound)
    for spread, words in ((79.0, "hardly seen"), (0.02, "drowns")):
        subject = replace(sound, mixed=measured(0.0, 255.0, std=spread))
        (violation,) = violations("AE703", subject)
        assert words in violation.message
        assert violation.evidence[-1].kind == "runtime"


@pytest.mark.parametrize(
    ("spread", "told"),
    [
        ("tf.exp(0.5 * log_var)", False),
        ("tf.exp(log_var / 2)", False),
        ("tf.sqrt(tf.exp(log_var))", False),
        ("tf.exp(log_var)", True),
        ("tf.exp(0.25 * log_var)", True),
        ("log_var", True),
        ("tf.nn.softplus(log_var)", False),
    ],
)
def test_the_spread_that_a_code_is_drawn_with(spread: str, told: bool) -> None:
    assert bool(found(VAE.replace("tf.exp(0.5 * log_var)", spread), "AE602")) is told


def test_a_divergence_in_terms_of_the_log_deviation() -> None:
    charged = VAE.replace("1 + log_var - tf.square(mean) - tf.exp(log_var)",
                          "1 + 2 * log_var - tf.square(mean) - tf.exp(2 * log_var)")  # fmt: skip
    assert not found(charged.replace("tf.exp(0.5 * log_var)", "tf.exp(log_var)"), "AE602")
    assert found(charged, "AE602")
