"""The command ``ae-audit``: arguments, commands, completion, fixing."""
