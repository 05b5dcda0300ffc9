"""Hugging Face's transformers: what its models put out, and its ``Trainer``.

The heads of its models end in a linear layer; given labels, a model computes its loss itself.
"""

from __future__ import annotations

from ae_audit.static.domain import losses, tensors
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.values import (
    NONE,
    Bound,
    Const,
    Function,
    Instance,
    Library,
    LossValue,
    Mapping,
    Object,
    Seq,
    Tensor,
    Unknown,
    Value,
)
from ae_audit.static.interpreter.registry import Table
from ae_audit.static.knowledge.torch import data, heads

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from typing import Any

    from ae_audit.static.interpreter.run import Run

TABLE = Table("transformers")
MODEL, OUTPUT, TRAINER = "transformers.Model", "transformers.Output", "transformers.Trainer"
TABLE.bases[MODEL] = ("torch.nn.Module",)
for _family in ("Bert", "Roberta", "DistilBert", "GPT2", "T5", "Electra", "ViT", ""):
    TABLE.bases[f"transformers.{_family}PreTrainedModel"] = ("torch.nn.Module",)
TABLE.bases["transformers.Seq2SeqTrainer"] = (TRAINER,)
_MAKING = ("from_pretrained", "from_config")
_CLASSIFYING = ("SequenceClassification", "TokenClassification", "ImageClassification", "AudioClassification",
                "CausalLM", "MaskedLM", "ConditionalGeneration", "Seq2SeqLM", "LMHeadModel", "MultipleChoice",
                "SemanticSegmentation")  # fmt: skip
"""tasks whose loss is a cross-entropy over the last axis of ``logits``"""


@TABLE.prefix("transformers")
def named(run: Run, name: str, call: Call) -> Value:
    """Models by their class, or by what their class makes of a checkpoint; of the rest nothing is known."""
    parts = name.split(".")
    cls = parts[-2] if parts[-1] in _MAKING and len(parts) > 2 else parts[-1]
    is_model = "For" in cls or cls.endswith(("Model", "LMHeadModel", "WithLMHead"))
    if is_model and cls[:1].isupper() and (cls != parts[-1] or "Config" not in cls):
        return Object(MODEL, call, cls)
    return Unknown(f"what `{name}` returns is not known", call.where)


@TABLE.method(MODEL, "__call__", "forward")
def model_call(run: Run, receiver: Any, call: Call) -> Value:
    """``outputs = model(input_ids=…, labels=…)``: scores without activation, and the loss where labels are given."""
    task = receiver.state if isinstance(receiver, Object) and isinstance(receiver.state, str) else ""
    labels = call.get(None, "labels")
    given = [value for value in call.values() if value is not labels and not isinstance(value, Const)]
    if not given:
        given = [Unknown("what is handed to a model of transformers", call.where)]
    units = receiver.call.constant(None, "num_labels") if isinstance(receiver, Object) and receiver.call else None
    scores = tensors.through_weights(run, heads.TORCH, given, task or "a model of transformers", call.where,
                                     units=units if isinstance(units, int) else None)  # fmt: skip
    made = Object(OUTPUT, call)
    made.attrs["last_hidden_state"] = scores
    made.attrs["pooler_output"] = heads.activated(run, scores, "tanh", {}, call.where)
    if "For" in task or task.endswith(("LMHeadModel", "WithLMHead")):
        made.attrs = {"logits": scores}
    if labels is not None and any(name in task for name in _CLASSIFYING):
        made.attrs["loss"] = _own_loss(run, task, scores, labels, units, call)
    return made


def _own_loss(run: Run, task: str, scores: Tensor, labels: Value, units: object, call: Call) -> Value:
    single = units == 1 and "SequenceClassification" in task
    symbol = "mse_loss" if single else "cross_entropy"
    return run.call(Library(f"torch.nn.functional.{symbol}"), Call(call.where, [scores, labels]))


@TABLE.method(OUTPUT, "__getitem__")
def output_part(run: Run, receiver: Any, call: Call) -> Value:
    """``outputs["logits"]``, ``outputs[0]``: the loss comes first where there is one."""
    key = call.constant(0)
    parts: dict[str, Value] = receiver.attrs
    if isinstance(key, str) and key in parts:
        return parts[key]
    ordered = sorted(parts, key=lambda name: name != "loss")
    if isinstance(key, int) and 0 <= key < len(ordered):
        return parts[ordered[key]]
    return Unknown(f"`{call.where.written}` of a model of transformers", call.where)


@TABLE.function(TRAINER, "transformers.Seq2SeqTrainer")
def trainer(run: Run, call: Call) -> Value:
    """A trainer."""
    return Object(TRAINER, call)


@TABLE.method(TRAINER, "__init__")
def trainer_init(run: Run, receiver: Any, call: Call) -> Value:
    """``super().__init__(*args, **kwargs)`` in a trainer of the user's own."""
    receiver.state = call
    return NONE


@TABLE.method(TRAINER, "train")
def train(run: Run, receiver: Any, call: Call) -> Value:
    """One step: the loss of the trainer's own, or of the model's."""
    made = receiver.call if isinstance(receiver, Object) else receiver.state
    if not isinstance(made, Call):
        return NONE
    model = made.get(0, "model") or Unknown("the model of a trainer", call.where)
    batch = _batch(run, made, call)
    own = receiver.cls.find("compute_loss") if isinstance(receiver, Instance) else None
    if isinstance(own, Function):
        value = run.call(Bound(receiver, "compute_loss", own), Call(call.where, [model, batch]))
    else:
        kwargs = {key: item for key, item in batch.items.items() if isinstance(key, str)} if isinstance(
            batch, Mapping) else {"inputs": batch}  # fmt: skip
        value = _loss_in(run, run.call(model, Call(call.where, [], kwargs)), call)
    if isinstance(value, Seq) and value.items:
        value = value.items[0]
    losses.trained(run, value, where=call.where)
    return NONE


def _batch(run: Run, made: Call, call: Call) -> Value:
    """What the trainer hands to the model: samples put together, by the user's own function where there is one."""
    dataset = made.get(None, "train_dataset")
    if dataset is None:
        return Unknown("the data of a trainer", call.where)
    found = data.sample(run, dataset, call.where)
    collator = made.get(None, "data_collator")
    if isinstance(collator, (Function, Instance)):
        return run.call(collator, Call(call.where, [Seq([], rest=found)]))
    return data.stacked(run, found, call.where)


def _loss_in(run: Run, output: Value, call: Call) -> Value:
    """The loss among what a model returned."""
    if isinstance(output, (LossValue, Seq)):
        return output
    if isinstance(output, Mapping):
        return output.items.get("loss") or Unknown("the loss of a model", call.where)
    return run.attribute(output, "loss", call.where)
