"""The kinds of sources. A kind is one file: its name is what a recipe says as `kind`.

It has two functions:

    plan(source, recipe_dir, part_rows) -> Iterator[Chunk]     list the inputs, in a fixed order
    read(chunk, max_bytes) -> Iterator[Candidate]              one candidate per planned input

A further file in this folder is a further kind; nothing else has to know of it.
"""
