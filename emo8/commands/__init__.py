"""One module per `emo8` command: `HELP`, `add_arguments(parser)` and `run(arguments)`.

They import only the standard library at the top; what a command needs is imported by `run`.
"""
