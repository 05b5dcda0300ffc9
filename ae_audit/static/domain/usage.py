"""What a trained model is asked apart from training: data of the same source on the same scale, or on another."""

from __future__ import annotations

from ae_audit.static.domain import arrays, tensors
from ae_audit.static.domain.values import Array, Site, Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

ASKED = "what models are asked"
"""the key among a run's notes of the data that each model predicts, by the model's identity"""


def attach(sites: list[Site], notes: dict[Any, Any]) -> None:
    """Give each site the data that its model is asked on another scale than it was trained on."""
    entered, asked = notes.get(tensors.ENTERED, {}), notes.get(ASKED, {})
    if not entered and not asked:
        return
    trained = [site.input for site in sites if isinstance(site.input, Array) and not site.evaluation]
    for site in sites:
        if not isinstance(site.input, Array) or site.evaluation:
            continue
        layer = site.prediction.entry if isinstance(site.prediction, Tensor) else None
        given: list[Array] = [*entered.get(layer, ()), *asked.get(site.extra.get("model"), (None, ()))[1]]
        if isinstance(site.validation_input, Array):
            given.append(site.validation_input)
        for array in given:
            if array not in trained and arrays.scaled_otherwise(site.input, array):
                site.extra["asked"] = array
                break
