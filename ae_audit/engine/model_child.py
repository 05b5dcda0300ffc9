"""Entry of the sandboxed child for model files: ``python -m ae_audit.engine.model_child FOLDER``.

It reads the data as a stream, loads the model in safe mode, trains it a few steps as it would be trained, and judges
and probes what was captured. What it says: :mod:`ae_audit.schema.messages`.
"""

from __future__ import annotations

from ae_audit.runtime.sandbox import channel


def main() -> None:
    """Run the request to its end; never returns."""
    session = channel.enter()
    # Only after the sandbox has closed: these import NumPy.
    from ae_audit.engine.child_model import ModelRecording
    from ae_audit.schema.codec import from_json
    from ae_audit.schema.training_setup import TrainingSetup

    static = tuple(from_json(TrainingSetup, item) for item in session.request["setups"])
    ModelRecording(session.request, static, session.emit).run()
    session.finish()


if __name__ == "__main__":
    main()
