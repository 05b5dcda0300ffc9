"""Programs of ``torch.export``, loaded without unpickling anything, as modules whose functions can be watched."""

from __future__ import annotations

import contextlib
import pickle
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from ae_audit.runtime.data_files.model_checks import CannotLoad, LoadedModel, first_line


def load_saved(path: str, loss: tuple[str, bool] | None) -> LoadedModel:
    """The model in a ``.pt2`` file; ``loss`` is the class of ``torch.nn`` that ``--loss`` stands for.

    Raises:
        CannotLoad: if torch refuses it.
    """
    try:
        import torch
    except Exception as error:  # whatever an installation that is broken raises
        raise CannotLoad(f"loading it requires PyTorch, which cannot be imported here ({first_line(error)})") from None
    try:
        with warnings.catch_warnings(), _nothing_unpickled(torch):
            warnings.simplefilter("ignore")
            program = torch.export.load(path)
    except pickle.UnpicklingError:
        raise CannotLoad("it holds a pickled object, which would run code on loading") from None
    except Exception as error:
        why = f"{type(error).__name__}: {first_line(error)}".rstrip(" .")
        raise CannotLoad(f"PyTorch {torch.__version__} cannot load it ({why})") from None
    module = program.module()
    shape = _input_shape(program)
    batch = shape[0] if shape and isinstance(shape[0], int) else None
    criterion = None if loss is None else getattr(torch.nn, loss[0])()
    return LoadedModel(_watchable(torch, module, shape), criterion, _output_shape(program), batch)


@contextlib.contextmanager
def _nothing_unpickled(torch: Any) -> Iterator[None]:
    """``torch.export.load`` falls back on unpickling anything at all; here it may not."""
    load, loads = torch.load, pickle.loads

    def safely(*arguments: Any, **options: Any) -> Any:
        return load(*arguments, **{**options, "weights_only": True})

    def refuse(*_: Any, **__: Any) -> Any:
        raise pickle.UnpicklingError("refused")

    torch.load, pickle.loads = safely, refuse
    try:
        yield
    finally:
        torch.load, pickle.loads = load, loads


def _input_shape(program: Any) -> tuple[int | None, ...] | None:
    """Of the first input, None for extents that may vary."""
    names = program.graph_signature.user_inputs
    for node in program.graph.nodes:
        if node.op == "placeholder" and node.name == names[0]:
            return tuple(extent if isinstance(extent, int) else None for extent in node.meta["val"].shape)
    return None


def _output_shape(program: Any) -> tuple[int | None, ...] | None:
    names = program.graph_signature.user_outputs
    for node in program.graph.nodes:
        if len(names) == 1 and node.name == names[0] and "val" in node.meta:
            return tuple(extent if isinstance(extent, int) else None for extent in node.meta["val"].shape)
    return None


def _watchable(torch: Any, module: Any, shape: tuple[int | None, ...] | None) -> Any:
    """``module`` with torch's own functions in place of the operators that export leaves, and free of export's bans.

    Operators have other names than functions, by which captures know an activation. Where other numbers come out then,
    the operators stay.
    """
    module.train = lambda mode=True: module  # how dropout and the like behave was fixed by the export
    for node in list(module.graph.nodes):
        if node.op == "call_module" and node.target == "_guards_fn":  # shapes are checked before
            module.graph.erase_node(node)
            module.delete_submodule("_guards_fn")
    module.recompile()
    operators = {
        node: node.target
        for node in module.graph.nodes
        if node.op == "call_function" and isinstance(node.target, torch._ops.OpOverload)
    }
    before = _answer(torch, module, shape)
    for node, operator in operators.items():
        node.target = _function(torch, operator) or operator
    module.recompile()
    after = _answer(torch, module, shape)
    if before is None or after is None or not torch.allclose(before, after, equal_nan=True):
        for node, operator in operators.items():
            node.target = operator
        module.recompile()
    return module


def _answer(torch: Any, module: Any, shape: tuple[int | None, ...] | None) -> Any:
    """The first output for a fixed batch, state and random numbers left as they were; None if there is none."""
    if shape is None or None in shape[1:]:
        return None
    state = {name: value.clone() for name, value in module.state_dict().items()}
    try:
        with torch.no_grad(), torch.random.fork_rng([]):
            torch.manual_seed(0)
            output = module(torch.rand([4 if extent is None else extent for extent in shape]))
    except Exception:
        return None
    finally:
        module.load_state_dict(state)
    return output if isinstance(output, torch.Tensor) else output[0]


def _function(torch: Any, operator: Any) -> Callable[..., Any] | None:
    if operator.namespace != "aten":
        return None
    for room in (torch, torch._C._nn, torch.Tensor):
        function = getattr(room, operator.overloadpacket.__name__, None)
        if callable(function):
            found: Callable[..., Any] = function
            return found
    return None
