"""Keras Tuner: the builder of a model is called with hyperparameters, each of whose named values is an alternative."""

from __future__ import annotations

from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.values import Const, DefaultValue, Object, Seq, Unknown, Value
from ae_audit.static.interpreter.registry import Table
from ae_audit.static.knowledge.keras.training import fit

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.interpreter.run import Run

TABLE = Table("keras tuner")
TABLE.aliases.update(
    {"kerastuner": "keras_tuner", "keras_tuner.tuners": "keras_tuner", "keras_tuner.engine": "keras_tuner"}
)
TUNER, PARAMETERS = "keras_tuner.Tuner", "keras_tuner.HyperParameters"
TUNERS = ("RandomSearch", "Hyperband", "BayesianOptimization", "GridSearch", "Sklearn", "Tuner")
for _name in TUNERS[:-1]:
    TABLE.bases[f"keras_tuner.{_name}"] = (TUNER,)


@TABLE.function(*(f"keras_tuner.{name}" for name in TUNERS))
def _tuner(run: Run, call: Call) -> Value:
    return Object(f"keras_tuner.{call.name}", call)


@TABLE.function(PARAMETERS, "keras_tuner.hyperparameters.HyperParameters")
def _parameters(run: Run, call: Call) -> Value:
    return Object(PARAMETERS, call)


@TABLE.method(PARAMETERS, "Choice")
def _choice(run: Run, receiver: Value, call: Call) -> Value:
    """One of several values: the default, or the first; those that are names are alternatives."""
    values, _ = run.iterate(call.get(1, "values") or Seq(), call.where)
    known = [value.value for value in values if isinstance(value, Const)]
    default = call.constant(None, "default", default=known[0] if known else None)
    name = call.constant(0, "name")
    if not known or len(known) < len(values) or not isinstance(name, str):
        return Unknown("a hyperparameter that is searched for", call.where)
    if not isinstance(default, str):
        return Const(default, call.where)
    where = next((v.where for v in values if isinstance(v, Const) and v.value == default), None) or call.where
    source = f'hp["{name}"]'
    run.offer_values(DefaultValue(source), default, tuple(known[:8]))
    return run.soft(default, source, where)


@TABLE.method(PARAMETERS, "Int", "Float")
def _number(run: Run, receiver: Value, call: Call) -> Value:
    """A number between two bounds: the default, or the lower bound."""
    return call.get(None, "default") or call.get(1, "min_value") or Unknown("a hyperparameter", call.where)


@TABLE.method(PARAMETERS, "Boolean", "Fixed")
def _flag(run: Run, receiver: Value, call: Call) -> Value:
    if call.name == "Fixed":
        return call.get(1, "value") or Unknown("a hyperparameter", call.where)
    default = call.constant(None, "default", default=False)
    return run.soft(bool(default), f'hp["{call.constant(0, "name")}"]', call.where)


def _build(run: Run, tuner: Object, call: Call) -> Value:
    """The model that the tuner's builder makes."""
    builder = None if tuner.call is None else tuner.call.get(0, "hypermodel")
    given = Call(call.where, [Object(PARAMETERS, call)])
    if builder is None:
        return Unknown("a model that the tuner makes", call.where)
    made = run.call_method(builder, "build", given)
    return run.call(builder, given) if made is None else made


@TABLE.method(TUNER, "search")
def _search(run: Run, receiver: Object, call: Call) -> Value:
    """``search`` hands its arguments to the ``fit`` of every model it makes."""
    fit(run, _build(run, receiver, call), call)
    return Const(None)


@TABLE.method(TUNER, "get_best_models")
def _best_models(run: Run, receiver: Object, call: Call) -> Value:
    return Seq([_build(run, receiver, call)], "list")


@TABLE.method(TUNER, "get_best_hyperparameters")
def _best_parameters(run: Run, receiver: Object, call: Call) -> Value:
    return Seq([Object(PARAMETERS, call)], "list")


@TABLE.attribute(TUNER, "hypermodel")
def _hypermodel(run: Run, receiver: Object) -> Value:
    return receiver


@TABLE.method(TUNER, "build")
def _built(run: Run, receiver: Object, call: Call) -> Value:
    """``tuner.hypermodel.build(best)``."""
    return _build(run, receiver, call)
