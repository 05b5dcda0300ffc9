"""Sound: waveforms read from files, and spectrograms in decibels (librosa, soundfile, torchaudio)."""

from __future__ import annotations

import math

from ae_audit.static.domain import arrays
from ae_audit.static.domain.arguments import Call
from ae_audit.static.domain.values import Array, Const, Library, Object, Seq, Unknown, Value
from ae_audit.static.interpreter.registry import Table
from ae_audit.theory.intervals import NON_NEGATIVE, Interval
from ae_audit.theory.ranges import ValueRange

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing.TYPE_CHECKING, without the price of typing
    from ae_audit.static.interpreter.run import Run

TABLE = Table("audio")
_WAVE = ValueRange(Interval(-1.0, 1.0), Interval(-0.05, 0.05))
"""what files of sound hold as floats: they swing to both sides of 0, and not only in whispers"""
TOP_DB = 80.0
"""decibels below the loudest that librosa keeps, unless it is told otherwise"""
_QUIETER = 10.0
"""decibels by which something of a spectrogram is surely quieter than the loudest of it"""
_DECIBELS = "torchaudio.transforms.AmplitudeToDB"


@TABLE.function("librosa.load", "librosa.core.load", "soundfile.read", "torchaudio.load")
def _loaded(run: Run, call: Call) -> Value:
    """``waveform, rate``."""
    wave = Array(_WAVE, "float32", source=f"sound files by `{call.name}`", root=run.fresh(), where=call.where)
    rate = call.get(None, "sr")
    known = rate if isinstance(rate, Const) and rate.value is not None else None
    return Seq([wave, known or Unknown("the sampling rate of a file", call.where)], "tuple")


@TABLE.function("scipy.io.wavfile.read")
def _samples(run: Run, call: Call) -> Value:
    """``rate, samples``."""
    why = f"`{call.where.written}` gives whole numbers or floats, as the file has them"
    samples = arrays.unknown_array(run, why, call.where, "sound files by `wavfile.read`")
    return Seq([Unknown("the sampling rate of a file", call.where), samples], "tuple")


@TABLE.function("librosa.feature.melspectrogram", "librosa.feature.chroma_stft")
def _spectrum(run: Run, call: Call) -> Value:
    """Energies: 0 or more."""
    found = _given(run, call, "y", "S", "D")
    if found is None:
        return Unknown(f"what `{call.where.written}` gives", call.where)
    return arrays.recast(found, ValueRange(NON_NEGATIVE), f"{call.name}()", call.where, shape=None)


@TABLE.function("librosa.stft", "librosa.feature.mfcc", "librosa.effects.pitch_shift", "librosa.effects.time_stretch",
                "librosa.feature.delta", "librosa.istft", "librosa.cqt")  # fmt: skip
def _measured(run: Run, call: Call) -> Value:
    """Numbers without bounds."""
    found = _given(run, call, "y", "S")
    why = f"`{call.where.written}` has no fixed range"
    made = arrays.unknown_array(run, why, call.where)
    return (
        made if found is None else arrays.recast(found, ValueRange(), f"{call.name}()", call.where, why=why, shape=None)
    )


@TABLE.function("librosa.power_to_db", "librosa.amplitude_to_db")
def _decibels(run: Run, call: Call) -> Value:
    """Below the greatest value where that is the reference, down to ``top_db`` less."""
    found = _given(run, call, "S")
    if found is None:
        return Unknown(f"what `{call.where.written}` gives", call.where)
    top = call.number(3, "top_db", default=TOP_DB)
    reference = call.get(1, "ref")
    greatest = isinstance(reference, Library) and reference.name in {"numpy.max", "numpy.amax"}
    if not greatest or (call.given(3, "top_db") and top is None):
        why = f"`{call.where.written}` is measured against no loudest value"
        return arrays.recast(found, ValueRange(), f"{call.name}()", call.where, why=why)
    low = -math.inf if top is None else -top
    return arrays.recast(found, ValueRange(Interval(low, 0.0), Interval(-_QUIETER, 0.0)), f"{call.name}()", call.where)


@TABLE.function("librosa.util.normalize", "librosa.to_mono", "librosa.resample", "librosa.effects.trim",
                "librosa.util.fix_length", "librosa.effects.preemphasis")  # fmt: skip
def _kept(run: Run, call: Call) -> Value:
    """A waveform as it was, or with its greatest value 1."""
    found = _given(run, call, "y", "S", "data")
    if found is None:
        return Unknown(f"what `{call.where.written}` gives", call.where)
    if call.name == "normalize":
        low = 0.0 if found.values.hull.lo >= 0 else -1.0
        return arrays.recast(found, ValueRange(Interval(low, 1.0)), "normalize()", call.where)
    moved = arrays.selected(found, call.name, None)
    return Seq([moved, Unknown("where sound begins and ends", call.where)], "tuple") if call.name == "trim" else moved


@TABLE.function("torchaudio.transforms.MelSpectrogram", "torchaudio.transforms.Spectrogram", _DECIBELS,
                "torchaudio.transforms.MFCC", "torchaudio.transforms.Resample")  # fmt: skip
def _transform(run: Run, call: Call) -> Value:
    return Object(f"torchaudio.transforms.{call.name}", call)


@TABLE.method("torchaudio.transforms.MelSpectrogram", "__call__", "forward")
@TABLE.method("torchaudio.transforms.Spectrogram", "__call__", "forward")
@TABLE.method(_DECIBELS, "__call__", "forward")
@TABLE.method("torchaudio.transforms.MFCC", "__call__", "forward")
@TABLE.method("torchaudio.transforms.Resample", "__call__", "forward")
def _transformed(run: Run, receiver: Object, call: Call) -> Value:
    found = _given(run, call, "waveform", "x")
    what = receiver.cls.rpartition(".")[2]
    if found is None or what == "Resample":
        return found or Unknown(f"what `{call.where.written}` gives", call.where)
    values = ValueRange(NON_NEGATIVE) if what in {"MelSpectrogram", "Spectrogram"} else ValueRange()
    why = f"`{what}` has no fixed range" if values.unknown else None
    return arrays.recast(found, values, f"{what}()", call.where, why=why, shape=None)


def _given(run: Run, call: Call, *names: str) -> Array | None:
    value = call.get(0, *names)
    return None if value is None else run.as_array(value)
