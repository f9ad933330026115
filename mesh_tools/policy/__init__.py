"""What a part must satisfy, by process and material, machine and owner. Pure: no numpy, no reader, no I/O.

- `policy.Policy`: the whole of it, checked field by field, to JSON and back.
- `guidelines`: what a process makes at all, with the sources of every figure.
- `words`: the words a policy may use (processes, units, rotations).
"""
