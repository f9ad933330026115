"""Token buckets: how many requests somebody may still make, in bounded memory; the time is an argument.

A bucket holds `burst` tokens at the most and gets `per_s` a second; one that is full is the same as none, so
the buckets that were longest unused may be forgotten. Not safe for use from several threads.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True)
class Policy:
    """How much is permitted to each; `per_s` above 0, `burst` at least 1."""

    name: str
    per_s: float
    burst: int

    @property
    def window_s(self) -> int:
        """How long an empty bucket takes to be full, in whole seconds."""
        return math.ceil(self.burst / self.per_s)


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Buckets:
    """The buckets of one policy, by whatever key; `entries_max` of them."""

    def __init__(self, policy: Policy, entries_max: int) -> None:
        self.policy = policy
        self._entries_max = entries_max
        self._buckets: OrderedDict[bytes, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: bytes, now: float) -> bool:
        """Take one token, if there is one; `now` is monotonic, in seconds."""
        bucket = self._fill(key, now)
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    def give_back(self, key: bytes) -> None:
        """Give one token back that was taken in error."""
        bucket = self._buckets.get(key)
        if bucket is not None:
            bucket.tokens += 1
            if bucket.tokens >= self.policy.burst:
                del self._buckets[key]

    def left(self, key: bytes, now: float) -> float:
        """Give how many tokens there are, without remembering that it was asked."""
        bucket = self._buckets.get(key)
        return self.policy.burst if bucket is None else self._grown(bucket, now)

    def _fill(self, key: bytes, now: float) -> _Bucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(self.policy.burst, now)
            if len(self._buckets) > self._entries_max:
                self._buckets.popitem(last=False)
            return bucket
        self._buckets.move_to_end(key)
        bucket.tokens, bucket.at = self._grown(bucket, now), now
        return bucket

    def _grown(self, bucket: _Bucket, now: float) -> float:
        return min(bucket.tokens + max(now - bucket.at, 0.0) * self.policy.per_s, self.policy.burst)
