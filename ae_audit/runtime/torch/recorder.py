"""The recorder: watches a program's torch calls, keeps its first training steps, and ends it when enough was seen."""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.modules.loss import _Loss
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from ae_audit.runtime.host.accommodations.cuda_on_cpu import NOTE as DEVICE_NOTE
from ae_audit.runtime.host.accommodations.cuda_on_cpu import CpuInstead
from ae_audit.runtime.host.accommodations.short_loaders import short_loops
from ae_audit.runtime.host.accommodations.single_process import NOTE as PROCESSES_NOTE
from ae_audit.runtime.host.accommodations.single_process import OneProcess
from ae_audit.runtime.host.further_trainings import further_trainings
from ae_audit.runtime.host.loop_counts import rounds
from ae_audit.runtime.host.user_code import UserCode
from ae_audit.runtime.measure.variational import ATTEMPTS
from ae_audit.runtime.torch import functions, losses
from ae_audit.runtime.torch.custom_activations import Described
from ae_audit.runtime.torch.events import (
    Backward,
    Event,
    OptimizerRecord,
    OptimizerStep,
    Zeroed,
    bytes_held,
    weights_behind,
    weights_in,
)
from ae_audit.runtime.torch.graph import Tape, ancestors
from ae_audit.runtime.torch.guarded_calls import GuardedCalls
from ae_audit.runtime.torch.handwritten_losses import terms_of
from ae_audit.runtime.torch.heads import HeadTracker
from ae_audit.runtime.torch.loss_sites import LossSites
from ae_audit.runtime.torch.modules import ModelWatch, spelled
from ae_audit.runtime.torch.nodes import Holder, Kind, Leaf, LossEvent, Node, RecordedLoss, Ref, SiteKey
from ae_audit.runtime.torch.optimizers import watched_optimizers
from ae_audit.runtime.torch.stop_rule import PATIENCE, StopRule
from ae_audit.runtime.torch.tensor_refs import IdentityMap
from ae_audit.runtime.torch.variational import variational_terms
from ae_audit.schema.location import Location
from ae_audit.theory.ranges import Tri

if TYPE_CHECKING:
    from ae_audit.runtime.torch.capture import TorchCapture


class TorchRecorder(GuardedCalls):
    """Records the training of the program that runs while it is entered.

    Args:
        script: the program; places in it and in files beside it are the user's own.
        expected_losses: where losses are known to be computed; the program ends once each has been recorded. Without
            any, it ends once every loss that was seen has been.
        max_steps: training steps recorded at each loss.
        deadline: time of :func:`~ae_audit.runtime.sandbox.clock.undisturbed` at which the program is ended if any loss
            was seen.
        patience: seconds without a new loss, once every loss seen was recorded, after which the program is ended.
        stop: the exception that ends the program; ``None`` lets it go on (a loop of our own).
        on_failure: told of a failure of the recorder's own, which the program does not notice.
        elsewhere: whether the program is still to train with another framework.
    """

    def __init__(
        self,
        script: str | Path,
        expected_losses: Sequence[Location] = (),
        *,
        max_steps: int = 24,
        deadline: float | None = None,
        patience: float = PATIENCE,
        stop: type[BaseException] | None = None,
        cut_loops: bool = True,
        on_failure: Callable[[Exception], None] = lambda error: None,
        elsewhere: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__(on_failure)
        self.user = UserCode(script)
        self.events: list[Event] = []
        self.models = ModelWatch(self.user)
        self.optimizers: dict[int, OptimizerRecord] = {}
        self.initial: dict[int, tuple[torch.nn.Parameter, torch.Tensor]] = {}
        """every optimized parameter, by identity, with its value before the first step"""
        self.tape = Tape(self._open_owner_of)
        self.heads = HeadTracker(self._describe_activation)
        self._enough = StopRule(
            expected_losses,
            max_steps,
            deadline,
            patience,
            stop,
            lambda: elsewhere() or further_trainings(self.user.callers()),
        )
        self._sites = LossSites(self.user, self.models, self.heads, self._enough.news)
        self._cut_loops = cut_loops
        self._devices = CpuInstead()
        self._paused = 0
        self._processes = OneProcess(self.user)
        self._steps = 0
        self._thread = threading.get_ident()
        self._holder: Holder | None = None
        self._on_refusal = lambda *call: None if self._paused or self._holder else self._sites.clash(self.tape, *call)
        self._owners: IdentityMap[weakref.ref[torch.nn.Module]] = IdentityMap()
        self._drawn = 0
        self._blind: Location | None = None
        self._sink = self.events
        self._present = self._following = False
        self._installed = contextlib.ExitStack()

    # --- installing -------------------------------------------------------------------------------------------------

    def __enter__(self) -> TorchRecorder:
        self.install()
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()

    def install(self) -> None:
        """Begin to watch; torch may have been imported a moment ago, by the program itself."""
        stack = self._installed
        stack.enter_context(self.models.watching(self._call_module))
        stack.enter_context(watched_optimizers(self))
        stack.enter_context(self._devices.pretending())
        stack.enter_context(self._processes.pretending())
        if self._cut_loops:
            stack.enter_context(short_loops(lambda: self._enough.batches(self.sites.values()), self.quietly))
        self._enough.news()
        self._present = True

    def begin(self) -> None:
        """Follow every torch function from now on: a model, a loss or an optimizer is in use.

        Before that a program prepares its data, at full speed.
        """
        if not self._following and self._present:
            self._following = True
            self._installed.enter_context(FunctionMode(self))

    def remove(self) -> None:
        """Leave torch as it was."""
        self._present = self._following = False
        self._installed.close()

    @contextlib.contextmanager
    def quietly(self) -> Iterator[None]:
        """Nothing is recorded inside."""
        self._paused += 1
        try:
            yield
        finally:
            self._paused -= 1

    @property
    def sites(self) -> Mapping[SiteKey, RecordedLoss]:
        """Where losses were computed, in the order in which they were met."""
        return self._sites.found

    @property
    def blind_spot(self) -> Location | None:
        """Where gradients were first taken of something that compares no prediction with data, if of nothing else."""
        return None if any(site.trained for site in self.sites.values()) else self._blind

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader must know of how the program was run."""
        asked = {DEVICE_NOTE: self._devices.asked, PROCESSES_NOTE: self._processes.asked}
        return tuple(note for note, is_due in asked.items() if is_due)

    def captures(self) -> tuple[TorchCapture, ...]:
        """One for each loss that met a target, in the order of their places in the source."""
        from ae_audit.runtime.torch.capture import captures_of

        return captures_of(self)

    # --- torch functions --------------------------------------------------------------------------------------------

    def refusal(self, call: losses.LossCall) -> str | None:
        """The sentence with which a loss would refuse its values, where a harmless value is to take its place."""
        return losses.raises_on(call)

    def _note_function(self, function: functions.Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run one torch function of the program, and take note of it."""
        name = functions.short_name(function)
        if kwargs:
            kwargs = self._devices.redirected(kwargs)
        if self._paused or threading.get_ident() != self._thread:
            return self.perform(function, args, kwargs)
        if name in functions.SILENT:
            return self.perform(function, args, kwargs)
        if name == "backward":
            return self._backward(function, args, kwargs)
        if losses.is_loss(function):
            return self._loss(function, args, kwargs)
        if name == "broadcast_tensors":
            return self._broadcast(function, args, kwargs)
        if name in functions.RANDOM:
            self._drawn += 1
        if self._holder is not None:
            result = self.perform(function, args, kwargs)
            self.heads.follow(function, args, kwargs, result, self._holder)
            self._own(result)
            return result
        return self._outside_modules(function, args, kwargs)

    def _broadcast(self, function: functions.Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Each tensor brought to the common shape by itself: in one call a fixed scale would seem to come of the mean.

        Distributions begin with it.
        """
        try:
            shape = torch.broadcast_shapes(*(tensor.shape for tensor in args))  # type: ignore[no-untyped-call]
        except (AttributeError, RuntimeError):
            return self.perform(function, args, kwargs)  # which says what is wrong with them
        return tuple(
            tensor if tensor.shape == shape else self.handle(torch.broadcast_to, (tensor, shape), {}) for tensor in args
        )

    def _outside_modules(self, function: functions.Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        name = functions.short_name(function)
        drawn = name in functions.RANDOM and name not in functions.CHOOSING
        if not drawn and not self.tape.concerns(args, kwargs):
            result = self.perform(function, args, kwargs)  # preparing data: nothing to record
            if name in functions.ARITHMETIC:
                self.tape.derive(function, args, kwargs, result)
            else:
                self.tape.trace(function, args, result)
            return result
        node = self.tape.begin(function, args, kwargs)
        result = self.perform(function, args, kwargs)
        holder = Holder(node)
        if node is not None:
            if node.kind is Kind.MODEL:
                node.location, node.callers = self.user.location(), self.user.callers()
            self.tape.end(node, args, result)
        self.heads.follow(function, args, kwargs, result, holder)
        if node is not None:
            self._keep_origins(node, result)
        return result

    def _keep_origins(self, node: Node, result: Any) -> None:
        """What is known of a call's results, for when only the tape is left."""
        for index, value in enumerate(pytree.tree_leaves(result)):
            origin = self.heads.head(value) if isinstance(value, torch.Tensor) else None
            if origin is not None:
                node.origins[index] = origin

    def _loss(self, function: functions.Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        inside = self._holder is not None
        call = losses.read_call(function, args, kwargs, self._depends_on_weights)
        if call is None:
            return self._outside_modules(function, args, kwargs) if not inside else self.perform(function, args, kwargs)
        if inside and call.prediction.requires_grad and not call.target.requires_grad:
            self.models.open_current()
        refusal = self.refusal(call)
        node = self.tape.begin(function, args, kwargs) if not inside else None
        try:
            result = losses.surrogate(call) if refusal else self.perform(function, args, kwargs)
        except Exception as cause:  # the program ends here, and this is why
            self._note_loss(call, None, " ".join(str(cause).split()))
            raise
        if node is not None:
            self.tape.end(node, args, result)
            node.location = self.user.location()
        elif inside:
            return result
        self._note_loss(call, node, refusal)
        return result

    def _note_loss(self, call: losses.LossCall, node: Node | None, refusal: str | None) -> None:
        prediction = self.tape.ref(call.prediction) if node is None else node.leaves[call.prediction_index]
        target = self.tape.ref(call.target) if node is None else node.leaves[call.target_index]
        if not isinstance(prediction, Ref) or not isinstance(target, Ref) or target.kind is Kind.MODEL:
            return
        self._sites.note(call, prediction, target, node, refusal)

    # --- modules ----------------------------------------------------------------------------------------------------

    def _call_module(
        self, module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], original: Any
    ) -> Any:
        if self._paused or threading.get_ident() != self._thread:
            return original(module, *args, **kwargs)
        return self.call_module(module, args, kwargs, original)

    def _note_module(
        self, module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], run: Callable[..., Any]
    ) -> Any:
        if not self._following and not isinstance(module, _Loss) and next(module.parameters(), None) is None:
            return run(module, *args, **kwargs)  # a transform: data are being prepared
        self.begin()
        with self.models.inside(module):
            if self._holder is not None or self.models.transparent(module):
                return run(module, *args, **kwargs)
            self._enough.in_time(self.sites.values())
            with self.quietly():
                self.models.remember(module)
                node = self.tape.begin(module, args, kwargs)
            self._holder = Holder()
            self.heads.enter_model()
            drawn = self._drawn
            try:
                result = run(module, *args, **kwargs)
            finally:
                holder, self._holder = self._holder, None
                self.models.note_start(module, self.heads.normalised)
            if node is not None:
                if node.kind is Kind.DATA and self._drawn > drawn:
                    node.kind = Kind.NOISE
                holder.node = node
                node.location = self.user.location()
                with self.quietly():
                    self.tape.end(node, args, result, kwargs)
                    self._keep_origins(node, result)
            return result

    def _open_owner_of(self, tensor: torch.Tensor) -> None:
        owner = self._owners.get(tensor)
        module = owner() if owner is not None else None
        if module is not None:
            self.models.open(module)

    def _own(self, result: Any) -> None:
        outermost = self.models.outermost
        if outermost is None:
            return
        for value in result if isinstance(result, tuple) else (result,):
            if isinstance(value, torch.Tensor) and value.requires_grad:
                self._owners[value] = weakref.ref(outermost)

    # --- gradients and steps ----------------------------------------------------------------------------------------

    def _backward(self, function: functions.Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        roots = args[0] if args else kwargs.get("tensors", kwargs.get("self"))
        for root in roots if isinstance(roots, (tuple, list)) else [roots]:
            if isinstance(root, torch.Tensor):
                with self._guarded():
                    self.note_backward(self.tape.ref(root))
        self.heads.variational = False
        with self.quietly():
            return self.perform(function, args, kwargs)

    def note_backward(self, root: Ref) -> None:
        """Gradients of ``root`` are wanted: it is what the program minimises."""
        for record in self.optimizers.values():
            record.look_for_reset()
        nodes = ancestors([root])
        if isinstance(root.source, Leaf):
            return
        found = [node.loss for node in nodes if node.loss is not None]
        self._sites.told_apart(found)
        weights = weights_in(root)
        for loss in found:
            if loss.node is not None:
                loss.weight = loss.factor = weights.get(loss.node.serial)
        found += self._sites.hand_written(root, [loss.node for loss in found if loss.node is not None], weights)
        fresh = all(parameter.grad is None for parameter in self.models.parameters_of(nodes))
        wanted = [loss for loss in found if loss.site is not None and not loss.site.complete]
        if not found:
            self._open_hidden_loss(root)
            self._blind = self._blind or self.user.location()
        if not wanted:
            return
        self.models.remember_modes(nodes)
        held = bytes_held(root)
        alone = Tri.NO if len(found) > 1 else Tri.YES if len(terms_of(root)) == 1 else Tri.UNKNOWN
        for loss in found:
            loss.alone = alone
        self._sink.append(Backward(root, tuple(found), fresh))
        sites = {id(loss.site): loss.site for loss in wanted if loss.site is not None}
        noted = {id(loss) for site in sites.values() for loss in site.trained}
        for loss in wanted:
            if loss.site is not None and id(loss) not in noted:
                loss.site.weights = loss.site.weights or weights_behind(loss.prediction)
                loss.site.trained.append(loss)
                loss.site.unused.clear()
                loss.site.held += held
                self._look_for_divergence(root, loss, loss.site)

    def _look_for_divergence(self, root: Ref, loss: LossEvent, site: RecordedLoss) -> None:
        """Measure the divergence of a code that is minimised with a loss, in the first steps."""
        if site.variational is None and site.looked_for_divergence < ATTEMPTS:
            site.looked_for_divergence += 1
            with self.quietly():
                site.variational = variational_terms(root, loss)

    def _open_hidden_loss(self, root: Ref) -> None:
        """A model that returns its own loss hides it: from now on it is recorded call by call."""
        for node in ancestors([root]):
            if isinstance(node.call, torch.nn.Module) and any(shape.numel() == 1 for shape in node.shapes.values()):
                self.models.open(node.call)

    def zeroed(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Gradients are being reset."""
        reset = {id(parameter) for parameter in parameters}
        for record in self.optimizers.values():
            record.reset = record.reset or any(id(parameter) in reset for parameter in record.parameters)
        with self._guarded():
            if not self._paused and not self._enough.all_complete(self.sites.values()):
                self._sink.append(Zeroed(tuple(parameters)))

    def before_step(
        self, optimizer: torch.optim.Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """An optimizer is about to step: keep its weights if it is its first, and see whether the program may end."""
        if self._paused or threading.get_ident() != self._thread:
            return None
        event: OptimizerStep | None = None
        with self._guarded():
            event = self.note_step(optimizer)
            self._enough.settle(self.sites.values())
        self._steps += 1
        self._paused += 1
        closure = kwargs.get("closure", args[1] if len(args) > 1 else None)
        if not callable(closure) or event is None:
            return None
        wrapped = self._closure(closure, event)
        if "closure" in kwargs:
            return args, {**kwargs, "closure": wrapped}
        return (args[0], wrapped, *args[2:]), kwargs

    def copy(self, parameter: torch.nn.Parameter) -> torch.Tensor:
        """The value of a weight, kept for trials."""
        return parameter.detach().clone()

    def note_step(self, optimizer: torch.optim.Optimizer) -> OptimizerStep:
        """The optimizer steps, or would; its weights are kept if this is its first time."""
        record = self.optimizers.get(id(optimizer))
        if record is None:
            with self.quietly():
                record = self.optimizers[id(optimizer)] = OptimizerRecord.of(optimizer)
                record.rounds = rounds(self.user)
            for parameter in record.parameters:
                if id(parameter) not in self.initial:
                    with self.quietly():
                        self.initial[id(parameter)] = (parameter, self.copy(parameter))
        record.stepped()
        event = OptimizerStep(record)
        if not self._enough.all_complete(self.sites.values()):
            self._sink.append(event)
        return event

    def after_step(self) -> None:
        """The step is done."""
        if self._steps and threading.get_ident() == self._thread:
            self._steps -= 1
            self._paused -= 1
            self.tape.tick += 1

    def _closure(self, closure: Callable[[], Any], event: OptimizerStep) -> Callable[[], Any]:
        """The closure, recorded the first time that the optimizer calls it."""

        def wrapped() -> Any:
            if event.inner is not None:
                return closure()
            event.inner = []
            sink, self._sink = self._sink, event.inner
            paused, self._paused = self._paused, 0
            try:
                return closure()
            finally:
                self._sink, self._paused = sink, paused

        return wrapped

    # --- places -----------------------------------------------------------------------------------------------------

    def _depends_on_weights(self, tensor: torch.Tensor) -> bool:
        return tensor.requires_grad or self.tape.kind(tensor) is Kind.MODEL

    def _describe_activation(self) -> Described:
        module = self.models.innermost
        if module is not None and type(module).__module__.startswith("torch.nn.modules.") and _is_leaf(module):
            place = self.models.built_at(module)
            return self.user.text(place) or spelled(module), place
        location = self.user.location()
        return self.user.text(location), location


def _is_leaf(module: torch.nn.Module) -> bool:
    return next(module.children(), None) is None


class FunctionMode(TorchFunctionMode):
    """Sends every torch function to the recorder."""

    def __init__(self, recorder: TorchRecorder) -> None:
        super().__init__()
        self._recorder = recorder

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self._recorder.handle(func, args, kwargs or {})
