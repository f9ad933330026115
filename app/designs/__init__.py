"""Designs and revisions: streamed upload, inspection, manifest, publication."""
