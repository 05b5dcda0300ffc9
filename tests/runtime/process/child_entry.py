"""A child entry as the engine has one, for these tests: runs the source given in the request inside the sandbox."""

from ae_audit.runtime import channel


def main() -> None:
    session = channel.enter()
    namespace = {"__name__": "__main__", "session": session}
    exec(compile(session.request["source"], "program.py", "exec"), namespace)
    session.finish()


if __name__ == "__main__":
    main()
