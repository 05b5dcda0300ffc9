"""Edits that replace, remove or add the output activation."""

from __future__ import annotations

import ast

from ae_audit.fix.source import Text, Texts, dotted, without_element
from ae_audit.schema.findings import Edit
from ae_audit.schema.location import Location
from ae_audit.schema.training_setup import Framework
from ae_audit.theory.activation_names import canonical, function_named, keras_layers, layer_named

_DISTRIBUTIONS = frozenset({"softmax", "log_softmax"})
"""What torch needs an axis for, and a fix may name."""
_LAYERS_WITH_ACTIVATION = frozenset(
    {
        "Dense",
        "Conv1D",
        "Conv2D",
        "Conv3D",
        "Convolution1D",
        "Convolution2D",
        "Conv1DTranspose",
        "Conv2DTranspose",
        "Conv3DTranspose",
        "Convolution2DTranspose",
        "Deconvolution2D",
        "SeparableConv1D",
        "SeparableConv2D",
    }
)
_ACTIVATION_LAYERS = frozenset({"Activation", *keras_layers()})
_EVERYWHERE = frozenset({"sigmoid", "tanh", "relu", "softmax", "log_softmax"})
"""What torch has as a function of its own and as a method of tensors; ``torch.nn.functional`` alone has the others."""


def swap_activation(to: str, place: Location | None, framework: Framework, texts: Texts) -> tuple[Edit, ...] | None:
    """The edits after which the activation at ``place`` is ``to``; None where the source does not show how."""
    text = texts.at(place) if place is not None else None
    node = text.node_at(place) if text is not None and place is not None else None
    if text is None or node is None or _shared(node, text, texts):
        return None
    edit = (_keras if framework is Framework.KERAS else _torch)(to, node, text, texts)
    return None if edit is None else (_without_choice(edit, node, text),)


def _without_choice(edit: Edit, node: ast.expr, text: Text) -> Edit:
    """``edit``, or one for a whole choice (``Sigmoid() if wide else Tanh()``) of which it makes both arms the same."""
    choice = text.parents.get(node)
    if not isinstance(choice, ast.IfExp) or node is choice.test:
        return edit
    other = choice.orelse if node is choice.body else choice.body
    start, end = text.span(node)
    place = edit.location
    assert place.end_line is not None
    assert place.end_column is not None
    edited = text.offset(place.line, place.column), text.offset(place.end_line, place.end_column)
    if not start <= edited[0] <= edited[1] <= end:
        return edit
    made = f"{text.source[start : edited[0]]}{edit.text}{text.source[edited[1] : end]}"
    try:
        same = ast.dump(ast.parse(made, mode="eval").body) == ast.dump(other)
    except SyntaxError:
        return edit
    return text.replace(choice, text.text(other)) if same else edit


def _shared(node: ast.expr, text: Text, texts: Texts) -> bool:
    """Whether the activation is given a name that is used in several places, of which the output is only one."""
    parent = text.parents.get(node)
    if isinstance(parent, ast.Assign):
        names = [dotted(target) for target in parent.targets]
        return any(name is None or texts.uses(text, name) > 1 for name in names)
    if isinstance(parent, ast.arguments):
        function = text.parents[parent]
        with_default = [*parent.posonlyargs, *parent.args][-len(parent.defaults) :] if parent.defaults else []
        pairs = [
            *zip(with_default, parent.defaults, strict=True),
            *zip(parent.kwonlyargs, parent.kw_defaults, strict=True),
        ]
        names = [argument.arg for argument, default in pairs if default is node]
        loads = [part for part in ast.walk(function) if isinstance(part, ast.Name) and part.id in names]
        return len(loads) > 1
    return False


def quoted(to: str, node: ast.Constant, text: Text) -> Edit | None:
    """The edit that puts ``to`` between the quotes of a plain string."""
    start, end = text.span(node)
    if text.source[start + 1 : end - 1] != node.value:
        return None
    return text.edit(start + 1, end - 1, to)


def _keras(to: str, node: ast.expr, text: Text, texts: Texts) -> Edit | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return quoted(to, node, text)
    if isinstance(node, ast.Attribute):
        return _reference(to, node, text)
    if not isinstance(node, ast.Call):
        return None
    name = dotted(node.func) or ""
    prefix, _, last = name.rpartition(".")
    given = _argument(node, "activation")
    if last == "Activation":
        given = given or (node.args[0] if node.args else None)
    if given is not None:
        return _keras(to, given, text, texts)
    if last in _LAYERS_WITH_ACTIVATION:
        # a second positional argument may be the activation, or a kernel size: what it is was for the reader to say
        return None if to == "linear" else _add_argument(f'activation="{to}"', node, text)
    if last in _ACTIVATION_LAYERS:
        if prefix:
            return text.replace(node, f'{prefix}.Activation("{to}")')
        return text.replace(node, f'Activation("{to}")') if texts.binds(text, "Activation") else None
    return _function_call(to, node, prefix, last, text)


def _reference(to: str, node: ast.Attribute, text: Text) -> Edit | None:
    """``tf.nn.softmax``, ``keras.activations.softmax``, given as an object."""
    if not _is_activation(Framework.KERAS, node.attr):
        return None
    before = text.text(node.value)
    if to == "linear":
        return text.replace(node, "None")
    if before.endswith(".nn") and canonical("keras", f"tf.nn.{to}") is None:
        return None
    return text.replace(node, f"{before}.{to}")


def _function_call(to: str, node: ast.Call, prefix: str, last: str, text: Text) -> Edit | None:
    """``tf.nn.softmax(x)``, ``F.softmax(x, dim=1)``: the first argument is the tensor."""
    if (
        not _is_activation(Framework.KERAS, last)
        or not prefix
        or not node.args
        or isinstance(node.args[0], ast.Starred)
    ):
        return None
    tensor, root = text.text(node.args[0]), prefix.removesuffix(".math")
    if root in {"tf", "tensorflow"}:  # which has few of them itself
        prefix = f"{root}.nn"
    if prefix.endswith(".nn") and canonical("keras", f"tf.nn.{to}") is None and to != "linear":
        return None
    return text.replace(node, tensor if to == "linear" else f"{prefix}.{to}({tensor})")


def _is_activation(framework: Framework, last: str) -> bool:
    """Whether a framework has an activation of that last name: in Keras those of TensorFlow count."""
    if framework is Framework.TORCH:
        return canonical("torch", last) is not None
    return canonical("keras", last) is not None or canonical("keras", f"tf.{last}") is not None


def _torch(to: str, node: ast.expr, text: Text, texts: Texts) -> Edit | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return quoted(to, node, text) if to != "linear" else None
    if not isinstance(node, ast.Call):
        return None
    if (
        isinstance(node.func, ast.Attribute)
        and _is_activation(Framework.TORCH, node.func.attr)
        and node.func.attr.islower()
    ):
        return _torch_function(to, node, node.func, text, texts)
    name = dotted(node.func) or ""
    prefix, _, last = name.rpartition(".")
    if _is_activation(Framework.TORCH, last) and last[:1].isupper():
        return _torch_module(to, node, prefix, text, texts)
    return _append_module(to, node, prefix, text, texts) or _around_call(to, node, text, texts)


def _torch_function(to: str, node: ast.Call, func: ast.Attribute, text: Text, texts: Texts) -> Edit | None:
    """``torch.softmax(x, dim=1)``, ``F.softmax(x, dim=1)`` and ``x.softmax(dim=1)``."""
    owner = dotted(func.value) or ""
    is_module = owner in {"F", "torch", "nn.functional", "functional", "torch.nn.functional"}
    if is_module and (not node.args or isinstance(node.args[0], ast.Starred)):
        return None
    tensor = text.text(node.args[0]) if is_module else text.text(func.value)
    if to == "linear":
        return text.replace(node, tensor)
    if to in _DISTRIBUTIONS:
        if func.attr not in _DISTRIBUTIONS:
            # torch's losses look for the classes along axis 1; what is written by hand sums over the last
            dim = f"dim={1 if to == 'log_softmax' else -1}"
            return text.replace(node, f"{owner}.{to}({tensor}, {dim})" if is_module else f"{tensor}.{to}({dim})")
        end = text.span(func)[1]
        return text.edit(end - len(func.attr), end, to)
    if to not in _EVERYWHERE:
        functional = is_module and owner != "torch" and function_named("torch", to) is not None
        return text.replace(node, f"{owner}.{function_named('torch', to)}({tensor})") if functional else None
    if not is_module:
        return text.replace(node, f"{tensor}.{to}()")
    if owner == "torch" or texts.binds(text, "torch"):
        return text.replace(node, f"torch.{to}({tensor})")
    return text.replace(node, f"{owner}.{to}({tensor})")


def _torch_module(to: str, node: ast.Call, prefix: str, text: Text, texts: Texts) -> Edit | None:
    """``nn.Softmax(dim=1)``: another module in its place, or none where it is an element of a sequence."""
    if to == "linear" and _follows_another(node, text) and (edit := without_element(node, text)) is not None:
        return edit
    module = layer_named("torch", to)
    if module is None or (not prefix and not texts.binds(text, module)):
        return None
    old = (dotted(node.func) or "").rpartition(".")[2].casefold()
    arguments = ""
    if to in _DISTRIBUTIONS:
        kept = [text.text(argument) for argument in node.args] + [text.text(word.value) for word in node.keywords]
        arguments = f"dim={kept[0]}" if old in {"softmax", "logsoftmax"} and len(kept) == 1 else "dim=1"
    return text.replace(node, f"{prefix}.{module}({arguments})" if prefix else f"{module}({arguments})")


def _follows_another(node: ast.Call, text: Text) -> bool:
    """Whether ``node`` is an element of a sequence, and not its first."""
    parent = text.parents.get(node)
    elements = parent.args if isinstance(parent, ast.Call) else parent.elts if isinstance(parent, ast.List) else []
    return node in elements[1:]


def _around_call(to: str, node: ast.Call, text: Text, texts: Texts) -> Edit | None:
    """``torch.sigmoid(self.out(h))`` where a layer that a module keeps is called, if that is done in one place."""
    parent = text.parents.get(node)
    if to not in _EVERYWHERE or text.tree is None or not texts.binds(text, "torch"):
        return None
    kept = parent.targets if isinstance(parent, ast.Assign) else []
    if len(kept) != 1 or not isinstance(kept[0], ast.Attribute):
        return None
    name = dotted(kept[0])
    made = [one for one in ast.walk(text.tree) if isinstance(one, ast.Attribute) and dotted(one) == name]
    calls = [one for one in ast.walk(text.tree) if isinstance(one, ast.Call) and dotted(one.func) == name]
    if name is None or len(calls) != 1 or len(made) != 2:
        return None  # used in several places, or kept by several classes under one name
    dim = {"log_softmax": ", dim=1", "softmax": ", dim=-1"}.get(to, "")
    return text.replace(calls[0], f"torch.{to}({text.text(calls[0])}{dim})")


def _append_module(to: str, node: ast.Call, prefix: str, text: Text, texts: Texts) -> Edit | None:
    """After the last layer of a ``Sequential`` that ends without an activation."""
    module = layer_named("torch", to)
    parent = text.parents.get(node)
    if module is None or to == "linear" or not isinstance(parent, ast.Call) or parent.args[-1:] != [node]:
        return None
    if (dotted(parent.func) or "").rpartition(".")[2] != "Sequential":
        return None
    if not prefix and not texts.binds(text, module):
        return None
    arguments = "dim=1" if to in _DISTRIBUTIONS else ""
    end = text.span(node)[1]
    return text.edit(end, end, f", {prefix}.{module}({arguments})" if prefix else f", {module}({arguments})")


def _argument(node: ast.Call, name: str) -> ast.expr | None:
    return next((keyword.value for keyword in node.keywords if keyword.arg == name), None)


def _add_argument(argument: str, node: ast.Call, text: Text) -> Edit | None:
    """Append a keyword argument to a call."""
    given = [*node.args, *(keyword.value for keyword in node.keywords)]
    if not given or any(isinstance(item, ast.Starred) for item in given):
        return None
    if any(keyword.arg is None for keyword in node.keywords):
        return None
    end = max(text.span(item)[1] for item in given)
    return text.edit(end, end, f", {argument}")
