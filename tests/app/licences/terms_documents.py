"""Terms as owners may write them, for properties over all of them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

labels = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=20)
listings = st.lists(labels, min_size=1, max_size=4, unique=True)
numbers = st.integers(-10_000, 10_000) | st.floats(-1e4, 1e4, allow_nan=False, width=32)
prices: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-999, 999) | labels,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(labels, inner, max_size=3),
    max_leaves=5,
)


@st.composite
def bounds(draw: st.DrawFn) -> dict[str, Any]:
    low, high = sorted((draw(numbers), draw(numbers)))
    found: dict[str, Any] = draw(st.sampled_from([{"min": low}, {"max": high}, {"min": low, "max": high}]))
    return found | draw(st.just({}) | st.builds(lambda unit: {"unit": unit}, labels))


documents = st.fixed_dictionaries(
    {},
    optional={
        "processes": listings,
        "materials": listings,
        "sites": listings,
        "parameters": st.dictionaries(labels, bounds(), min_size=1, max_size=3),
        "export_labels": listings,
        "qualifications": listings,
        "calibration_days_max": st.integers(1, 36_500),
        "transferable": st.booleans(),
        "plates": st.sampled_from(["none", "own", "any"]),
        "price": prices,
        "note": st.text(max_size=40),
    },
)
