"""Tests of the remote job: its table row by row, and a random host against an independent model."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from printer_agent.drivers.base import Phase, Sighting
from printer_agent.remote_job import Patience, RemoteJob, RemoteResult, RemoteState

PATIENCE = Patience(missing_max=3, silence_s_max=60.0)
MISSING = (Phase.ABSENT, Phase.PLACED)
ENDINGS = (Phase.COMPLETED, Phase.FAILED, Phase.CANCELLED)


def job_in(state: RemoteState) -> RemoteJob:
    job = RemoteJob(PATIENCE)
    if state is RemoteState.PRINTING:
        job.taken()
    elif state is RemoteState.CANCELLING:
        job.cancelled()
    elif state in (RemoteState.ENDED, RemoteState.WIPED):
        job.see(Sighting(Phase.COMPLETED))
    if state is RemoteState.WIPED:
        job.wiped()
    return job


def looks(job: RemoteJob, phase: Phase, times: int = 1) -> RemoteJob:
    for _ in range(times):
        job.see(Sighting(phase))
    return job


RUNNING = (RemoteState.STARTING, RemoteState.PRINTING, RemoteState.CANCELLING)


class TestTable:
    @pytest.mark.parametrize("state", RUNNING)
    @pytest.mark.parametrize("phase", ENDINGS)
    def test_takes_the_hosts_word_for_the_end(self, state: RemoteState, phase: Phase) -> None:
        job = looks(job_in(state), phase)
        assert (job.state, job.result) == (RemoteState.ENDED, RemoteResult(phase.value))

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            (RemoteState.STARTING, RemoteState.PRINTING),
            (RemoteState.PRINTING, RemoteState.PRINTING),
            (RemoteState.CANCELLING, RemoteState.CANCELLING),
        ],
    )
    def test_goes_on_while_it_prints(self, before: RemoteState, after: RemoteState) -> None:
        assert looks(job_in(before), Phase.PRINTING, 100).state is after

    @pytest.mark.parametrize(
        ("state", "phase", "result"),
        [
            (RemoteState.STARTING, Phase.ABSENT, RemoteResult.FAILED),
            (RemoteState.STARTING, Phase.PLACED, RemoteResult.UNKNOWN),
            (RemoteState.PRINTING, Phase.ABSENT, RemoteResult.UNKNOWN),
            (RemoteState.PRINTING, Phase.PLACED, RemoteResult.UNKNOWN),
            (RemoteState.CANCELLING, Phase.ABSENT, RemoteResult.UNKNOWN),
            (RemoteState.CANCELLING, Phase.PLACED, RemoteResult.UNKNOWN),
        ],
    )
    def test_gives_a_missing_job_up_in_the_end(
        self, state: RemoteState, phase: Phase, result: RemoteResult
    ) -> None:
        job = looks(job_in(state), phase, PATIENCE.missing_max - 1)
        assert (job.running, job.state) == (True, state)
        assert looks(job, phase).result is result

    def test_counts_missing_looks_in_a_row_alone(self) -> None:
        job = job_in(RemoteState.PRINTING)
        for _ in range(10):
            looks(job, Phase.PLACED, PATIENCE.missing_max - 1)
            looks(job, Phase.PRINTING)
        assert job.running

    def test_a_refused_start_failed(self) -> None:
        job = RemoteJob()
        job.refused("no paper")
        assert (job.result, job.detail) == (RemoteResult.FAILED, "no paper")

    def test_a_silent_host_leaves_it_unknown(self) -> None:
        job = job_in(RemoteState.PRINTING)
        job.silent(59.9)
        assert job.running
        job.silent(60.0)
        assert (job.result, "60 s" in job.detail) == (RemoteResult.UNKNOWN, True)


class TestOrder:
    @pytest.mark.parametrize(
        ("state", "call"),
        [
            (RemoteState.PRINTING, RemoteJob.taken),
            (RemoteState.CANCELLING, RemoteJob.taken),
            (RemoteState.ENDED, RemoteJob.taken),
            (RemoteState.PRINTING, lambda job: job.refused("")),
            (RemoteState.ENDED, RemoteJob.cancelled),
            (RemoteState.WIPED, RemoteJob.cancelled),
            (RemoteState.PRINTING, RemoteJob.wiped),
            (RemoteState.WIPED, RemoteJob.wiped),
            (RemoteState.STARTING, lambda job: job.result),
        ],
    )
    def test_is_the_programs_to_keep(self, state: RemoteState, call: Callable[[RemoteJob], object]) -> None:
        with pytest.raises(RuntimeError):
            call(job_in(state))


class TestModel:
    """A host that says anything at all, against a model written as a single rule over what was seen."""

    @given(
        st.sampled_from(RUNNING),
        st.lists(st.one_of(st.sampled_from(Phase), st.just("cancel"), st.just("silence")), max_size=30),
    )
    def test_ends_as_the_model_says(self, state: RemoteState, events: list[Phase | str]) -> None:
        job = job_in(state)
        for event in events:
            if isinstance(event, Phase):
                job.see(Sighting(event))
            elif event == "silence":
                job.silent(60.0)
            elif job.running:
                job.cancelled()
        expected = self.model(state, events)
        assert (None if job.running else job.result.value) == expected

    @staticmethod
    def model(state: RemoteState, events: list[Phase | str]) -> str | None:
        begun = state is not RemoteState.STARTING
        row: list[Phase] = []
        for event in events:
            if event == "silence":
                return "unknown"
            if event in ENDINGS:
                return str(event)
            if event in MISSING:
                row.append(Phase(event))
            elif event is Phase.PRINTING:
                row, begun = [], True
            else:
                begun = True
            if len(row) == 3:
                return "failed" if row[-1] is Phase.ABSENT and not begun else "unknown"
        return None
