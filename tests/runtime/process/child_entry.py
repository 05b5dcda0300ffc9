"""A child entry as the engine has one, for these tests: runs the request's program inside the sandbox.

With ``source`` in the request that text is executed with the session at hand; with ``script`` the whole road is taken:
interception, stand-ins, the script runner.
"""

import dataclasses
import os

from ae_audit.runtime.sandbox import bubblewrap, channel, kernel, mounts, namespaces


def main() -> None:
    if os.environ.get("AE_AUDIT_TEST_NO_KERNEL"):  # as on a kernel without Landlock and seccomp
        kernel.restrict_writes = lambda *_, **__: False
        kernel.refuse_internet_sockets = lambda: False
        kernel.refuse_meddling = lambda: False
        kernel.landlock_abi = lambda: 0
        namespaces.enter = lambda *_, **__: ()
        namespaces.drop_capabilities = lambda: False
    if os.environ.get("AE_AUDIT_TEST_NO_NAMESPACES"):  # as in most containers
        namespaces._unshare = lambda _: False
    if os.environ.get("AE_AUDIT_TEST_NO_MAPPING"):  # as AppArmor has it on Ubuntu
        namespaces._map_ids = lambda *_: False
    if os.environ.get("AE_AUDIT_TEST_NO_PROC"):  # as in a container that hides parts of /proc
        mounts.own_processes = lambda: False
    if any(name.startswith("AE_AUDIT_TEST_NO_") for name in os.environ):  # nor is bubblewrap there
        bubblewrap.start_anew = lambda *_, **__: None
    session = channel.enter()
    if "source" in session.request:
        exec(compile(session.request["source"], "program.py", "exec"), {"__name__": "__main__", "session": session})
    else:
        from ae_audit.runtime.host.accommodations.absent_packages import AbsentPackages
        from ae_audit.runtime.host.user_code import UserCode
        from ae_audit.runtime.interception import Interception, run_script

        interception = Interception(guard=session.guard, emit=session.emit)
        interception.install()
        if os.environ.get("AE_AUDIT_TEST_ABSENT"):  # as the engine does for every program
            AbsentPackages(UserCode(session.request["script"]), lambda _: None, lambda _: None).install()
        outcome = run_script(
            session.request["script"], session.request.get("argv", []), working_folder=session.working_folder
        )
        session.channel.send({"type": "ended", **dataclasses.asdict(outcome), "how": outcome.how.value})
    session.finish()


if __name__ == "__main__":
    main()
