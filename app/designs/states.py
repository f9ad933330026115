"""The states of a revision, and the words for them."""

from __future__ import annotations

from enum import StrEnum


class RevisionState(StrEnum):
    """draft → inspecting → ready | refused; ready → publishing → published, or back to ready if rejected."""

    DRAFT = "draft"
    INSPECTING = "inspecting"
    READY = "ready"
    REFUSED = "refused"
    PUBLISHING = "publishing"
    PUBLISHED = "published"
