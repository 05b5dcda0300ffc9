"""Measures of image quality that are told the span of the values: SSIM and PSNR in every library.

Each call is noted with its span and the data that it is given; what it returns stays as unknown as before.
"""

from __future__ import annotations

from ae_audit.schema.training_setup import DataFacts, MetricUse
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.values import Array, Object, Value, number
from ae_audit.static.interpreter.calls import unknown_result
from ae_audit.static.interpreter.registry import Table

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.interpreter.run import Run

TABLE = Table("image quality")
Spelling = tuple[str, int | None, float | None]
"""canonical name; the place of the span among the arguments (None: by its name alone); its default"""

FUNCTIONS: dict[str, Spelling] = {
    "tensorflow.image.ssim": ("ssim", 2, None),
    "tensorflow.image.ssim_multiscale": ("ms_ssim", 2, None),
    "tensorflow.image.psnr": ("psnr", 2, None),
    "skimage.metrics.structural_similarity": ("ssim", None, None),
    "skimage.metrics.peak_signal_noise_ratio": ("psnr", None, None),
    "skimage.measure.compare_ssim": ("ssim", None, None),
    "skimage.measure.compare_psnr": ("psnr", 2, None),
    "pytorch_msssim.ssim": ("ssim", 2, 255.0),
    "pytorch_msssim.ms_ssim": ("ms_ssim", 2, 255.0),
    "kornia.metrics.ssim": ("ssim", 3, 1.0),
    "kornia.metrics.psnr": ("psnr", 2, None),
    "kornia.losses.ssim_loss": ("ssim", 3, 1.0),
    "kornia.losses.psnr_loss": ("psnr", 2, None),
    "piq.ssim": ("ssim", None, 1.0),
    "piq.multi_scale_ssim": ("ms_ssim", None, 1.0),
    "piq.psnr": ("psnr", 2, 1.0),
}
CLASSES: dict[str, Spelling] = {
    "pytorch_msssim.SSIM": ("ssim", 0, 255.0),
    "pytorch_msssim.MS_SSIM": ("ms_ssim", 0, 255.0),
    "kornia.losses.SSIMLoss": ("ssim", 1, 1.0),
    "kornia.losses.PSNRLoss": ("psnr", 0, None),
    "kornia.metrics.SSIM": ("ssim", 1, 1.0),
    "piq.SSIMLoss": ("ssim", None, 1.0),
    "piq.MultiScaleSSIMLoss": ("ms_ssim", None, 1.0),
}
for _place in ("torchmetrics", "torchmetrics.image"):
    CLASSES[f"{_place}.PeakSignalNoiseRatio"] = ("psnr", 0, None)
    CLASSES[f"{_place}.StructuralSimilarityIndexMeasure"] = ("ssim", None, None)
    CLASSES[f"{_place}.MultiScaleStructuralSimilarityIndexMeasure"] = ("ms_ssim", None, None)
for _place in ("torchmetrics.functional", "torchmetrics.functional.image"):
    FUNCTIONS[f"{_place}.peak_signal_noise_ratio"] = ("psnr", 2, None)
    FUNCTIONS[f"{_place}.structural_similarity_index_measure"] = ("ssim", None, None)
TABLE.aliases["torchmetrics.image.ssim"] = "torchmetrics.image"
TABLE.aliases["torchmetrics.image.psnr"] = "torchmetrics.image"
_SPANS = ("max_val", "data_range")


def _measured(run: Run, call: Call) -> Value:
    name = call.qualified
    known, place, default = FUNCTIONS[name]
    _note(run, known, _span(call, place, default), call)
    below = run.registry.prefix(name)
    return unknown_result(run, f"what `{name}` returns is not known", call) if below is None else below(run, name, call)


def _made(run: Run, call: Call) -> Value:
    return Object(call.qualified, call)


def _called(run: Run, receiver: Object, call: Call) -> Value:
    name, place, default = CLASSES[receiver.cls]
    if receiver.call is not None:
        _note(run, name, _span(receiver.call, place, default), call)
    return unknown_result(run, f"what `{receiver.cls}` returns is not known", call)


def _kept(run: Run, receiver: Object, call: Call) -> Value:
    return receiver


def _span(call: Call, place: int | None, default: float | None) -> float | None:
    given = call.get(place, *_SPANS)
    return (None if call.open else default) if given is None else number(given)


def _note(run: Run, name: str, span: float | None, call: Call) -> None:
    """Note a comparison of images: of two that are data, both are on one scale or neither is believed."""
    given = [array for array in [*call.values()][:2] if isinstance(array, Array) and array.values.reach is not None]
    nobody_asks = run.uncalled is not None and not given  # in a function that the program does not call
    if span is None or nobody_asks or any(array.values.hull != given[0].values.hull for array in given):
        return
    data = given[0].facts if given else DataFacts()
    run.quality.append(MetricUse(name, call.where.written, call.where.location, span, data))


for _name in FUNCTIONS:
    TABLE.functions[_name] = _measured
for _name in CLASSES:
    TABLE.functions[_name] = _made
    for _method in ("__call__", "forward", "update"):
        TABLE.methods[_name, _method] = _called
    for _method in ("to", "cuda", "cpu"):
        TABLE.methods[_name, _method] = _kept
