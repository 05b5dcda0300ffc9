"""Training loops that a library runs: Lightning (and Fabric), Accelerate, ignite, skorch."""

from __future__ import annotations

from ae_audit.static.domain import losses
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.values import (
    NONE,
    Array,
    Class,
    Const,
    Instance,
    Library,
    Mapping,
    Object,
    Seq,
    Unknown,
    Value,
    is_const,
)
from ae_audit.static.interpreter.registry import Table
from ae_audit.static.knowledge.torch.criteria import LOSS, compared, use_of
from ae_audit.static.knowledge.torch.modules import MODULE

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    from ae_audit.static.interpreter.run import Run
    from ae_audit.static.source.sources import Where

TABLE = Table("training loops")
LIGHTNING = "lightning.LightningModule"
DATA_MODULE = "lightning.LightningDataModule"
TRAINER = "lightning.Trainer"

TABLE.aliases["pytorch_lightning"] = "lightning"
TABLE.aliases["lightning.pytorch"] = "lightning"
for _part in ("core.lightning", "core.module", "core.datamodule", "core", "trainer.trainer", "trainer"):
    TABLE.aliases[f"lightning.{_part}.LightningModule"] = LIGHTNING
    TABLE.aliases[f"lightning.{_part}.LightningDataModule"] = DATA_MODULE
    TABLE.aliases[f"lightning.{_part}.Trainer"] = TRAINER
TABLE.bases[LIGHTNING] = (MODULE,)


@TABLE.function(LIGHTNING)
def lightning_module(run: Run, call: Call) -> Value:
    """A bare LightningModule."""
    return Object(LIGHTNING, call)


@TABLE.method(LIGHTNING, "log", "log_dict", "print", "save_hyperparameters", "toggle_optimizer", "untoggle_optimizer")
@TABLE.method(DATA_MODULE, "__init__", "save_hyperparameters", "prepare_data", "setup")
def nothing(run: Run, receiver: Any, call: Call) -> Value:
    """Called for its effect."""
    return NONE


@TABLE.method(LIGHTNING, "manual_backward")
def manual_backward(run: Run, receiver: Any, call: Call) -> Value:
    """``self.manual_backward(loss)``."""
    if call.args:
        losses.trained(run, call.args[0], where=call.where)
    return NONE


@TABLE.method(LIGHTNING, "optimizers", "lr_schedulers")
def optimizers(run: Run, receiver: Any, call: Call) -> Value:
    """The optimizers, however many."""
    return Object("torch.optim.Optimizer", call)


@TABLE.function(TRAINER)
def trainer(run: Run, call: Call) -> Value:
    """A trainer."""
    return Object(TRAINER, call)


@TABLE.method(TRAINER, "fit")
def fit(run: Run, receiver: Any, call: Call) -> Value:
    """``trainer.fit(model, loader, …)``: one training step and one validation step."""
    model = call.get(0, "model")
    if not isinstance(model, Instance):
        return NONE
    data = call.get(1, "train_dataloaders", "train_dataloader")
    module = call.get(None, "datamodule") or (data if _is_data_module(run, data) else None)
    source: Value = module if module is not None else model
    _call_own(run, source, "prepare_data", [], call.where)
    _call_own(run, source, "setup", [Const("fit")], call.where)
    _call_own(run, model, "configure_optimizers", [], call.where)
    if module is not None or data is None:
        data = _call_own(run, source, "train_dataloader", [], call.where)
    validation = None if module is not None else call.get(2, "val_dataloaders", "val_dataloader")
    if validation is None:
        validation = _call_own(run, source, "val_dataloader", [], call.where)
    if data is not None:
        losses.trained(run, _loss_of(_step(run, model, "training_step", data, call.where)), where=call.where)
    if validation is not None and not is_const(validation, type(None)):
        evaluate_step(run, model, "validation_step", validation, call.where)
    return NONE


@TABLE.method(TRAINER, "test", "validate", "predict")
def test(run: Run, receiver: Any, call: Call) -> Value:
    """``trainer.test(model, loader)``."""
    model, data = call.get(0, "model"), call.get(1, "dataloaders", "test_dataloaders")
    if isinstance(model, Instance) and data is not None and not _is_data_module(run, data):
        evaluate_step(run, model, "test_step", data, call.where)
    return Unknown("what a trainer measures", call.where)


def evaluate_step(run: Run, model: Instance, name: str, data: Value, where: Where) -> None:
    """A step that trains nothing."""
    kept, run.no_grad = run.no_grad, True
    try:
        _step(run, model, name, data, where)
    finally:
        run.no_grad = kept


def _step(run: Run, model: Instance, name: str, data: Value, where: Where) -> Value:
    batch = _batch(run, data, where)
    return _call_own(run, model, name, [batch, Unknown("the number of a batch", where)], where) or NONE


def _batch(run: Run, data: Value, where: Where) -> Value:
    """What one step is given: a batch of a loader; of several loaders, a batch of each."""
    if isinstance(data, Mapping):
        return Mapping({key: run.element(item, where) for key, item in data.items.items()})
    if isinstance(data, Seq) and data.items and all(isinstance(item, (Object, Instance)) for item in data.items):
        if len(data.items) == 1:
            return run.element(data.items[0], where)
        return Seq([run.element(item, where) for item in data.items], "list")
    return run.element(data, where)


def _call_own(run: Run, receiver: Value, name: str, arguments: list[Value], where: Where) -> Value | None:
    """Call a method where the user wrote one, with as many arguments as it takes."""
    if not isinstance(receiver, Instance):
        return None
    from ae_audit.static.domain.values import Function

    function = receiver.cls.find(name)
    if not isinstance(function, Function):
        return None
    spec = function.node.args
    takes = len(spec.posonlyargs) + len(spec.args) - 1
    given = arguments if spec.vararg is not None else arguments[: max(takes, 0)]
    return run.call_method(receiver, name, Call(where, given))


def _is_data_module(run: Run, value: Value | None) -> bool:
    return isinstance(value, (Instance, Object)) and DATA_MODULE in run.registry.kinds(value)


def _loss_of(value: Value) -> Value:
    if isinstance(value, Mapping):
        return value.items.get("loss", NONE)
    return value


# -- Accelerate and Fabric -------------------------------------------------------------------------------------------

ACCELERATOR = "accelerate.Accelerator"
TABLE.aliases["accelerate.accelerator.Accelerator"] = ACCELERATOR
TABLE.aliases["lightning.fabric.Fabric"] = ACCELERATOR
TABLE.aliases["lightning.Fabric"] = ACCELERATOR
TABLE.aliases["lightning_fabric.Fabric"] = ACCELERATOR
TABLE.functions[ACCELERATOR] = lambda run, call: Object(ACCELERATOR, call)


@TABLE.method(ACCELERATOR, "prepare", "setup", "setup_dataloaders", "prepare_model", "prepare_data_loader")
def prepare(run: Run, receiver: Any, call: Call) -> Value:
    """What is given comes back."""
    return call.args[0] if len(call.args) == 1 else Seq(list(call.args), "tuple")


@TABLE.method(ACCELERATOR, "backward")
def accelerator_backward(run: Run, receiver: Any, call: Call) -> Value:
    """``accelerator.backward(loss)``."""
    if call.args:
        losses.trained(run, call.args[0], where=call.where)
    return NONE


@TABLE.method(ACCELERATOR, "unwrap_model", "gather", "gather_for_metrics", "reduce", "to_device")
def unwrapped(run: Run, receiver: Any, call: Call) -> Value:
    """What is given comes back."""
    return call.args[0] if call.args else NONE


# -- ignite ----------------------------------------------------------------------------------------------------------

ENGINE = "ignite.engine.Engine"
TABLE.functions[ENGINE] = lambda run, call: Object(ENGINE, call)


@TABLE.function("ignite.engine.create_supervised_trainer")
def supervised_trainer(run: Run, call: Call) -> Value:
    """An engine that compares ``model(x)`` with y."""
    made = Object(ENGINE, call)
    made.state = "supervised"
    return made


@TABLE.method(ENGINE, "run")
def engine_run(run: Run, receiver: Any, call: Call) -> Value:
    """One batch through the engine."""
    data = call.get(0, "data")
    if data is None or not isinstance(receiver, Object) or receiver.call is None:
        return NONE
    batch = run.element(data, call.where)
    if receiver.state != "supervised":
        function = receiver.call.get(0, "process_function")
        return NONE if function is None else run.call(function, Call(call.where, [receiver, batch]))
    model, loss = receiver.call.get(0, "model"), receiver.call.get(2, "loss_fn")
    items, rest = run.iterate(batch, call.where)
    if model is None or loss is None or (len(items) < 2 and rest is None):
        return NONE
    first, second = (items[0], items[1]) if len(items) > 1 else (rest or NONE, rest or NONE)
    prediction = run.call(model, Call(call.where, [first]))
    losses.trained(run, run.call(loss, Call(call.where, [prediction, second])))
    return NONE


@TABLE.method(ENGINE, "add_event_handler", "on", "attach")
def engine_handler(run: Run, receiver: Any, call: Call) -> Value:
    """Handlers are functions that nobody calls by name."""
    return Library("functools.identity")


# -- skorch ----------------------------------------------------------------------------------------------------------

SKORCH = {
    "NeuralNet": None,
    "NeuralNetClassifier": "torch.nn.NLLLoss",
    "NeuralNetBinaryClassifier": "torch.nn.BCEWithLogitsLoss",
    "NeuralNetRegressor": "torch.nn.MSELoss",
}
"""The nets of skorch and their default criterions."""


@TABLE.function(*(f"skorch.{name}" for name in SKORCH))
def skorch_net(run: Run, call: Call) -> Value:
    """A net of skorch: module, criterion, and a ``fit``."""
    return Object("skorch.NeuralNet", call, call.name)


@TABLE.method("skorch.NeuralNet", "fit", "partial_fit")
def skorch_fit(run: Run, receiver: Any, call: Call) -> Value:
    """``net.fit(X, y)``."""
    made = receiver.call if isinstance(receiver, Object) else None
    first, target = call.get(0, "X"), call.get(1, "y")
    if made is None or first is None or target is None:
        return NONE
    module, criterion = made.get(0, "module"), made.get(1, "criterion")
    if isinstance(module, (Class, Library)):
        own = {key[len("module__") :]: value for key, value in made.kwargs.items() if key.startswith("module__")}
        module = run.call(module, Call(call.where, [], own))
    if criterion is None:
        default = SKORCH.get(str(receiver.state))
        criterion = Library(default) if default else None
    if module is None or criterion is None:
        return NONE
    array = run.as_array(first) if not isinstance(first, Array) else first
    prediction = run.call(module, Call(call.where, [array or first]))
    loss = run.call(criterion, Call(call.where)) if isinstance(criterion, (Class, Library)) else criterion
    use = use_of(loss)
    if use is not None and LOSS in run.registry.kinds(loss):
        losses.trained(run, compared(run, use, Call(call.where, [prediction, target])))
    return receiver if isinstance(receiver, Object) else NONE
