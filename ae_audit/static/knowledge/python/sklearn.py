"""scikit-learn: scalers, encoders, splits and its data sets."""

from __future__ import annotations

import math

from ae_audit.base.records import replace
from ae_audit.schema.training_setup import Structure
from ae_audit.static.domain import arrays
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.values import Array, Const, Object, Seq, Unknown, Value, number
from ae_audit.static.interpreter import attributes
from ae_audit.static.interpreter.registry import Table
from ae_audit.theory.intervals import UNIT, Interval
from ae_audit.theory.ranges import UNKNOWN_RANGE, ValueRange

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.interpreter.run import Run

TABLE = Table("sklearn")
TABLE.aliases.update({"sklearn.cross_validation": "sklearn.model_selection", "sklearn.preprocessing.data":
                      "sklearn.preprocessing", "sklearn.datasets.base": "sklearn.datasets",
                      "sklearn.preprocessing._data": "sklearn.preprocessing"})  # fmt: skip
_SCALERS = ("MinMaxScaler", "StandardScaler", "RobustScaler", "MaxAbsScaler", "Normalizer", "QuantileTransformer",
            "PowerTransformer", "LabelEncoder", "OneHotEncoder", "LabelBinarizer", "OrdinalEncoder", "Binarizer",
            "MultiLabelBinarizer", "KBinsDiscretizer")  # fmt: skip
SCALER = "sklearn.preprocessing.Scaler"


def _scaler_made(name: str) -> None:
    qualified = f"sklearn.preprocessing.{name}"
    TABLE.bases[qualified] = (SCALER,)

    @TABLE.function(qualified)
    def _make(run: Run, call: Call) -> Value:
        return Object(qualified, call, state={"fitted": None})


for _name in _SCALERS:
    _scaler_made(_name)


@TABLE.method(SCALER, "fit", "partial_fit")
def _fit(run: Run, receiver: Object, call: Call) -> Value:
    receiver.state = {"fitted": run.as_array(call.args[0]) if call.args else None}
    return receiver


@TABLE.method(SCALER, "fit_transform")
def _fit_transform(run: Run, receiver: Object, call: Call) -> Value:
    _fit(run, receiver, call)
    return _transform(run, receiver, call)


@TABLE.method(SCALER, "transform")
def _transform(run: Run, receiver: Object, call: Call) -> Value:
    array = run.as_array(call.args[0]) if call.args else None
    if array is None:
        return Unknown("the result of a scaler on unknown data", call.where)
    name = receiver.cls.rpartition(".")[2]
    fitted = receiver.state.get("fitted") if isinstance(receiver.state, dict) else None
    own = isinstance(fitted, Array) and fitted.root == array.root
    how = f"{name}"
    if name == "StandardScaler" and receiver.call is not None:
        mean = receiver.call.constant(1, "with_mean", default=True)
        std = receiver.call.constant(2, "with_std", default=True)
        if mean is False or std is False:
            return arrays.recast(array, UNKNOWN_RANGE, how, call.where, why=f"`{name}` without mean or deviation")
        made = arrays.standardised(array, how, call.where)
        return made if own else replace(made, why=None)
    if name in {"RobustScaler", "PowerTransformer"}:
        return arrays.standardised(array, how, call.where)
    values = _range_after(name, receiver.call, array)
    if values is None:
        return _encoded(name, array, call)
    if not own and name in {"MinMaxScaler", "MaxAbsScaler"}:
        values = ValueRange(reach=None)
        return arrays.recast(array, values, how, call.where, why=f"`{name}` was fitted on other data")
    return arrays.recast(array, values, how, call.where)


def _range_after(name: str, made: Call | None, array: Array) -> ValueRange | None:
    if name == "MinMaxScaler":
        given = None if made is None else made.constant(0, "feature_range")
        if isinstance(given, tuple) and len(given) == 2:
            ends = [number(Const(end)) for end in given]
            low, high = ends[0], ends[1]
            if low is None or high is None:
                return ValueRange()
            return ValueRange.exactly(Interval(min(low, high), max(low, high)))
        return ValueRange.exactly(UNIT)
    if name == "QuantileTransformer":
        return ValueRange.exactly(UNIT)
    if name == "MaxAbsScaler":
        low = 0.0 if array.values.hull.lo >= 0 else -1.0
        return ValueRange(Interval(low, 1.0))
    if name == "Normalizer":
        return ValueRange(Interval(0.0 if array.values.hull.lo >= 0 else -1.0, 1.0))
    if name == "Binarizer":
        return ValueRange.exactly(UNIT)
    return None


def _encoded(name: str, array: Array, call: Call) -> Value:
    if array.shape is not None and name not in {"LabelEncoder", "OrdinalEncoder"}:
        array = replace(array, shape=(*array.shape[:1], None))  # as many columns as there are values
    if name in {"OneHotEncoder", "LabelBinarizer"}:
        return arrays.recast(array, ValueRange.exactly(UNIT), name, call.where, structure=Structure.ONE_HOT,
                             structure_axis=-1)  # fmt: skip
    if name == "MultiLabelBinarizer":
        return arrays.recast(array, ValueRange.exactly(UNIT), name, call.where, structure=Structure.MULTI_HOT,
                             structure_axis=-1)  # fmt: skip
    values = ValueRange(Interval(0.0, math.inf), Interval(0.0, 1.0))
    return arrays.recast(array, values, name, call.where, structure=Structure.CLASS_INDEX)


@TABLE.method(SCALER, "inverse_transform")
def _inverse(run: Run, receiver: Object, call: Call) -> Value:
    return arrays.unknown_array(run, "values scaled back", call.where)


@TABLE.function("sklearn.preprocessing.minmax_scale")
def _minmax(run: Run, call: Call) -> Value:
    array = run.as_array(call.args[0]) if call.args else None
    if array is None:
        return Unknown("the result of a scaler on unknown data", call.where)
    inner = Call(call.where, [], {k: v for k, v in call.kwargs.items() if k == "feature_range"})
    values = _range_after("MinMaxScaler", inner, array)
    return arrays.recast(array, values or UNKNOWN_RANGE, "minmax_scale()", call.where)


@TABLE.function("sklearn.preprocessing.scale", "scipy.stats.zscore")
def _scale(run: Run, call: Call) -> Value:
    array = run.as_array(call.args[0]) if call.args else None
    if array is None:
        return Unknown("the result of a scaler on unknown data", call.where)
    return arrays.standardised(array, "scale()", call.where)


@TABLE.function("sklearn.preprocessing.normalize")
def _normalize(run: Run, call: Call) -> Value:
    array = run.as_array(call.args[0]) if call.args else None
    if array is None:
        return Unknown("the result of a scaler on unknown data", call.where)
    low = 0.0 if array.values.hull.lo >= 0 else -1.0
    return arrays.recast(array, ValueRange(Interval(low, 1.0)), "normalize()", call.where)


@TABLE.function("sklearn.model_selection.train_test_split")
def _split(run: Run, call: Call) -> Value:
    parts: list[Value] = []
    for value in call.args:
        array = run.as_array(value)
        if array is None:
            parts.extend((value, value))
            continue
        part = replace(array, shape=None if not array.shape else (None, *array.shape[1:]))
        parts.extend((part, part))
    return Seq(parts, "list")


@TABLE.function("sklearn.utils.shuffle", "sklearn.utils.resample")
def _shuffle(run: Run, call: Call) -> Value:
    return call.args[0] if len(call.args) == 1 else Seq(list(call.args), "list")


@TABLE.function("sklearn.preprocessing.FunctionTransformer")
def _function_transformer(run: Run, call: Call) -> Value:
    return Object("sklearn.preprocessing.FunctionTransformer", call)


@TABLE.method("sklearn.preprocessing.FunctionTransformer", "fit_transform", "transform")
def _function_transform(run: Run, receiver: Object, call: Call) -> Value:
    function = receiver.call.get(0, "func") if receiver.call is not None else None
    return Unknown("an unknown transformer") if function is None else run.call(function, call)


@TABLE.function("sklearn.pipeline.Pipeline", "sklearn.pipeline.make_pipeline")
def _pipeline(run: Run, call: Call) -> Value:
    steps = call.args
    if steps and isinstance(steps[0], Seq):
        steps = [pair.items[-1] for pair in steps[0].items if isinstance(pair, Seq) and pair.items]
    return Object("sklearn.pipeline.Pipeline", call, state=list(steps))


@TABLE.method("sklearn.pipeline.Pipeline", "fit", "fit_transform", "transform", "fit_predict")
def _pipeline_run(run: Run, receiver: Object, call: Call) -> Value:
    name = call.name
    value: Value = call.get(0, "X") or Unknown("nothing")
    target = call.get(1, "y")
    for place, part in enumerate(receiver.state):
        inner = Call(call.where, [value] if target is None else [value, target])
        if place == len(receiver.state) - 1 and name in {"fit", "fit_predict"}:  # an estimator, perhaps a network
            run.call_method(part, "fit", inner)
            break
        step = "transform" if name == "transform" else "fit_transform"
        made = run.call_method(part, step, Call(call.where, [value]))
        if made is None:  # a transformer of the program's own inherits it
            run.call_method(part, "fit", Call(call.where, [value]))
            made = run.call_method(part, "transform", Call(call.where, [value]))
        value = Unknown(f"what `{attributes.describe(part).strip('`')}` gives", call.where) if made is None else made
    return receiver if name == "fit" else value


@TABLE.function("sklearn.model_selection.GridSearchCV", "sklearn.model_selection.RandomizedSearchCV",
                "sklearn.model_selection.HalvingGridSearchCV")  # fmt: skip
def _search(run: Run, call: Call) -> Value:
    return Object("sklearn.model_selection.Search", call)


@TABLE.method("sklearn.model_selection.Search", "fit")
def _search_fit(run: Run, receiver: Object, call: Call) -> Value:
    """Fits what it searches the options of, again and again."""
    estimator = receiver.call.get(0, "estimator") if receiver.call is not None else None
    if estimator is not None:
        run.call_method(estimator, "fit", call)
    return receiver


@TABLE.function("sklearn.model_selection.cross_val_score", "sklearn.model_selection.cross_validate",
                "sklearn.model_selection.cross_val_predict")  # fmt: skip
def _cross_validated(run: Run, call: Call) -> Value:
    estimator, data, target = call.get(0, "estimator"), call.get(1, "X"), call.get(2, "y")
    if estimator is not None and data is not None:
        run.call_method(estimator, "fit", Call(call.where, [data] if target is None else [data, target]))
    return Unknown(f"what `{call.where.written}` gives", call.where)


_SETS: dict[str, tuple[float, float, str]] = {
    "load_digits": (0.0, 16.0, "pixels"), "fetch_olivetti_faces": (0.0, 1.0, "pixels"),
}  # fmt: skip
_MEASURED = ("load_iris", "load_wine", "load_breast_cancer", "load_boston", "load_diabetes", "fetch_california_housing",
             "fetch_covtype", "fetch_kddcup99", "fetch_lfw_people", "fetch_lfw_pairs",
             "fetch_20newsgroups")  # fmt: skip
_SIZES = {
    "load_digits": (1797, 64, 10), "load_iris": (150, 4, 3), "load_wine": (178, 13, 3),
    "load_breast_cancer": (569, 30, 2), "load_diabetes": (442, 10, None), "load_boston": (506, 13, None),
    "fetch_california_housing": (20640, 8, None), "fetch_olivetti_faces": (400, 4096, 40),
}  # fmt: skip
"""samples, features and classes of the sets that scikit-learn brings along"""


@TABLE.function(*(f"sklearn.datasets.{name}" for name in (*_SETS, *_MEASURED)))
def _bundled(run: Run, call: Call) -> Value:
    name = call.name
    source = f"sklearn.datasets.{name}"
    if name in _SETS:
        low, high, _ = _SETS[name]
        data = Array(ValueRange.exactly(Interval(low, high)), "float64", None, Structure.CONTINUOUS, root=run.fresh(),
                     source=source, where=call.where)  # fmt: skip
    else:
        data = Array(structure=Structure.CONTINUOUS, root=run.fresh(), source=source, where=call.where,
                     why=f"the measurements of `{name}` have no fixed range")  # fmt: skip
    target = Array(ValueRange(Interval(0.0, math.inf)), "int64", (None,), Structure.CLASS_INDEX, root=run.fresh(),
                   source=f"{source} target", where=call.where)  # fmt: skip
    samples, features, classes = _SIZES.get(name, (None, None, None))
    if features is not None and not (name == "load_digits" and call.args):  # fewer classes were asked for
        data = replace(data, shape=(samples, features))
        target = replace(target, shape=(samples,))
        if classes is not None:
            target = replace(target, values=ValueRange.exactly(Interval(0.0, classes - 1.0)))
    if name in {"load_boston", "load_diabetes", "fetch_california_housing"}:
        target = replace(target, structure=Structure.CONTINUOUS, values=UNKNOWN_RANGE)
    if call.constant(None, "return_X_y") is True:
        return Seq([data, target], "tuple")
    return _bunch(data, target, call)


def _bunch(data: Array, target: Array, call: Call) -> Value:
    made = Object("sklearn.utils.Bunch", call)
    made.attrs.update({"data": data, "images": data, "target": target})
    return made


@TABLE.method("sklearn.utils.Bunch", "__getitem__")
def _bunch_item(run: Run, receiver: Object, call: Call) -> Value:
    name = call.constant(0)
    return (
        receiver.attrs.get(name) or Unknown("an entry of a data set") if isinstance(name, str) else Unknown("an entry")
    )


@TABLE.function("sklearn.datasets.fetch_openml", "sklearn.datasets.fetch_mldata")
def _openml(run: Run, call: Call) -> Value:
    name = call.constant(0, "name", default="")
    pixels = isinstance(name, str) and "mnist" in name.lower()
    data = Array(
        ValueRange.exactly(Interval(0.0, 255.0)) if pixels else UNKNOWN_RANGE, "float64", None, Structure.CONTINUOUS,
        root=run.fresh(), source=f"the data set {name}", where=call.where,
        why=None if pixels else f"the data set {name}",
    )  # fmt: skip
    target = Array(ValueRange(Interval(0.0, 9.0)), "int64", (None,), Structure.CLASS_INDEX, root=run.fresh(),
                   source=f"the labels of {name}", where=call.where)  # fmt: skip
    if call.constant(None, "return_X_y") is True:
        return Seq([data, target], "tuple")
    return _bunch(data, target, call)


_INDICES = ValueRange(Interval(0.0, math.inf))
_MADE_CLASSES: dict[str, tuple[int, str, int] | None] = {
    "make_classification": (5, "n_classes", 2), "make_blobs": (2, "centers", 3), "make_moons": None,
    "make_circles": None,
}  # fmt: skip
"""sets of classes, with the argument that says how many, and how many there are by default (None: always two)"""


def _size(call: Call, position: int, name: str, default: int) -> int | None:
    """A count that a function is told: the default where it is not, None where it is not known."""
    if not call.given(position, name):
        return None if call.open else default
    count = call.constant(position, name)
    return count if isinstance(count, int) and not isinstance(count, bool) else None


MANY_FEATURES = 5
"""of a made-up regression, each with a coefficient up to 100, from which the targets surely lie far apart"""


def _made_targets(name: str, features: int | None) -> ValueRange:
    """The targets of a made-up set that are no classes: places on a roll or curve, or sums over the features."""
    if name == "make_swiss_roll":
        return ValueRange.exactly(Interval(1.5 * math.pi, 4.5 * math.pi))
    if name == "make_s_curve":
        return ValueRange.exactly(Interval(-1.5 * math.pi, 1.5 * math.pi))
    if name == "make_regression" and features is not None and features >= MANY_FEATURES:
        return ValueRange(reach=Interval(-10.0, 10.0))
    return ValueRange(reach=Interval(8.0, 19.0)) if name == "make_friedman1" else UNKNOWN_RANGE


@TABLE.function("sklearn.datasets.make_blobs", "sklearn.datasets.make_classification", "sklearn.datasets.make_moons",
                "sklearn.datasets.make_circles", "sklearn.datasets.make_regression", "sklearn.datasets.make_swiss_roll",
                "sklearn.datasets.make_s_curve", "sklearn.datasets.make_friedman1",
                "sklearn.datasets.make_multilabel_classification")  # fmt: skip
def _made(run: Run, call: Call) -> Value:
    name = call.name
    samples = _size(call, 0, "n_samples", 100)
    features = {"make_moons": 2, "make_circles": 2, "make_swiss_roll": 3, "make_s_curve": 3}.get(name)
    if features is None:
        features = _size(call, 1, "n_features", 2 if name == "make_blobs" else 10 if "friedman" in name else 0)
    if features == 0:  # another number for each function, and each release
        features = {"make_classification": 20, "make_regression": 100, "make_multilabel_classification": 20}.get(name)
    data = Array(ValueRange(reach=Interval(-0.1, 0.1)), "float64", (samples, features), Structure.CONTINUOUS,
                 root=run.fresh(), where=call.where, source="a made-up data set", synthetic=True)  # fmt: skip
    if name == "make_multilabel_classification":
        shape = (samples, _size(call, 2, "n_classes", 5))
        labels = ValueRange.exactly(Interval(0.0, 1.0))
        target = Array(labels, "int64", shape, Structure.MULTI_HOT, -1, root=run.fresh(), where=call.where)
        return Seq([data, target], "tuple")
    if name in _MADE_CLASSES:
        where_told = _MADE_CLASSES[name]
        classes = None if where_told is None else _size(call, where_told[0], where_told[1], where_told[2])
        classes = 2 if where_told is None else classes
        known = classes is not None and classes > 0
        values = ValueRange.exactly(Interval(0.0, classes - 1.0)) if classes and known else _INDICES
        target = Array(values, "int64", (samples,), Structure.CLASS_INDEX, root=run.fresh(), where=call.where)
        return Seq([data, target], "tuple")
    targets = _size(call, 3, "n_targets", 1) if name == "make_regression" else 1
    told = _size(call, 2, "n_informative", features or 0) if name == "make_regression" else features
    values = _made_targets(name, None if told is None or features is None else min(told, features))
    target = Array(values, "float64", (samples,) if targets == 1 else (samples, targets), Structure.CONTINUOUS,
                   root=run.fresh(), where=call.where)  # fmt: skip
    return Seq([data, target], "tuple")
