"""Keras networks as estimators of scikit-learn: ``KerasClassifier(build_fn)``, of Keras and of SciKeras."""

from __future__ import annotations

from ae_audit.schema.training_setup import Structure
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.values import Array, Class, Function, Library, Object, Partial, Unknown, Value, python
from ae_audit.static.interpreter.registry import Table
from ae_audit.static.knowledge.keras.memory import COMPILED
from ae_audit.static.knowledge.keras.training import fit
from ae_audit.static.knowledge.spellings import loss as canonical

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.interpreter.run import Run

TABLE = Table("keras wrappers")
ESTIMATOR = "keras.wrappers.Estimator"
_NAMES = ("KerasClassifier", "KerasRegressor", "SKLearnClassifier", "SKLearnRegressor")
_MODULES = ("keras.wrappers.scikit_learn", "keras.wrappers", "scikeras.wrappers")


@TABLE.function(*(f"{module}.{name}" for module in _MODULES for name in _NAMES))
def _estimator(run: Run, call: Call) -> Value:
    return Object(ESTIMATOR, call, call.name)


@TABLE.method(ESTIMATOR, "fit")
def _fit(run: Run, receiver: Object, call: Call) -> Value:
    """``fit(X, y)`` builds the network and fits it; a classifier makes one-hot vectors where its loss asks for them."""
    made = receiver.call
    builder = None if made is None else made.get(0, "build_fn", "model")
    if made is None or builder is None:
        return receiver
    network = builder
    if isinstance(builder, (Function, Partial, Class)):
        network = run.call(builder, Call(call.where))
    inputs, target = call.get(0, "X", "x") or Unknown("the input"), call.get(1, "y")
    if target is not None and str(receiver.state).endswith("Classifier"):
        target = _encoded(run, network, target, call)
    fit(run, network, Call(call.where, [inputs] if target is None else [inputs, target], dict(call.kwargs), name="fit"))
    return receiver


def _encoded(run: Run, network: Value, target: Value, call: Call) -> Value:
    """Labels as a categorical cross-entropy needs them."""
    compiled = COMPILED.of(run).get(network)
    name = None if compiled is None or compiled.loss is None else python(compiled.loss)
    found = canonical("keras", name) if isinstance(name, str) else None
    labels = run.as_array(target)
    if found is None or found[0] != "cce" or not isinstance(labels, Array):
        return target
    rows = labels.shape is not None and len(labels.shape) == 1
    if not rows and labels.structure is not Structure.CLASS_INDEX:
        return target
    return run.call(Library("keras.utils.to_categorical"), Call(call.where, [labels]))


@TABLE.method(ESTIMATOR, "predict", "predict_proba", "score")
def _asked(run: Run, receiver: Object, call: Call) -> Value:
    return Unknown("what an estimator answers", call.where)
