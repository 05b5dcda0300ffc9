"""What a trained model is asked apart from training: data of the same source on the same scale, or on another."""

from __future__ import annotations

from ae_audit.static.domain import relations, tensors
from ae_audit.static.domain.stores import ListsByIdentity, Store
from ae_audit.static.domain.values import Array, Tensor, Value

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.domain.evaluator import Evaluator

_ASKED: Store[ListsByIdentity[Array]] = Store(ListsByIdentity)
"""the data that each model predicts"""


def note_asked(run: Evaluator, model: Value, inputs: Value | None) -> None:
    """Remember what a model is asked apart from training."""
    array = run.as_array(inputs) if inputs is not None else None
    if array is not None and not array.placeholder:
        known = _ASKED.of(run).of(model)
        known.extend([array] if len(known) < tensors.MAX_ENTERED else [])


def attach(run: Evaluator) -> None:
    """Give each site of a run the data that its model is asked on another scale than it was trained on."""
    entered, asked, sites = tensors.ENTERED.of(run), _ASKED.of(run), run.sites
    if not entered and not len(asked):
        return
    trained = [site.input for site in sites if isinstance(site.input, Array) and not site.evaluation]
    for site in sites:
        if not isinstance(site.input, Array) or site.evaluation:
            continue
        layer = site.prediction.entry if isinstance(site.prediction, Tensor) else None
        inside = _as_it_enters(site.prediction, site.input)
        given = [(inside, array) for array in (entered.get(layer, ()) if layer else ())]
        given.extend((site.input, array) for array in asked.get(site.fitted_model) or ())
        if isinstance(site.validation_input, Array):
            given.append((site.input, site.validation_input))
        for own, array in given:
            if array not in trained and relations.scaled_otherwise(own, array):
                site.asked = array
                break


def _as_it_enters(prediction: Value, given: Array) -> Array:
    """The data of the training as the first weights get them: a model may scale them itself."""
    fed = prediction.fed if isinstance(prediction, Tensor) else ()
    return next((array for array in fed if array.root == given.root and not array.placeholder), given)
