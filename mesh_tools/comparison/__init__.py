"""Is this file the approved part? Geometric comparison of a print file with its approved master.

A file that was exported again, meshed anew or repaired has other bytes and is still the part; one with a
void, a shaved joint or a hole that moved is not. `compare` tells them apart and says where they differ;
`words` is what a process needs that only asks the sandbox.
"""
