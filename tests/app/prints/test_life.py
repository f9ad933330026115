"""The life of prints through the whole service, against a model of what the table in `lifecycle` says.

Anything in any order: authorise, redeem, retry, withdraw, report, re-issue, revoke, quarantine, time. What
the model does not allow is refused, what it allows happens, and the chain's counts are the model's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.clock import rfc3339
from tests.app.parties import Party, Printer, new_party
from tests.app.service import HandClock, Service, running_service

TOKEN_S, RETRY_S, DUE_S, PRINTS = 10_000, 50_000, 200_000, 3
"""So long that the time the test itself takes decides nothing."""
ENDS = {1: "completed", 2: "failed", 3: "cancelled"}
KEYS = ("the-first-key", "the-second-key")


@dataclass
class Told:
    """A print as the model has it."""

    id: str
    token: str
    sequence: int
    authorised_at: int
    state: str = "authorised"
    key: str | None = None
    redeemed_at: int = 0
    body: bytes = b""
    credited: bool = False
    replaced_by: str | None = None


@dataclass
class Stage:
    """One service for all examples, each on a licence and a printer of its own."""

    service: Service
    owner: Party
    provider: Party
    revision: dict[str, Any]


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    times = {"token_ttl_s": TOKEN_S, "redeem_retry_s": RETRY_S, "outcome_due_s": DUE_S}
    with running_service(folder, HandClock(), **times) as service:
        owner, provider = new_party(service, "owner"), new_party(service, "provider")
        yield Stage(service, owner, provider, owner.published())


class Lives(RuleBasedStateMachine):
    """Prints of one licence for three with one reprint, on one printer."""

    stage: Stage

    @initialize()
    def grant(self) -> None:
        stage, now = self.stage, self.stage.service.clock.now()
        window = {"starts_at": rfc3339(now - 60), "expires_at": rfc3339(now + 10**8)}
        self.licence = stage.owner.license(
            stage.revision, stage.provider, prints=PRINTS, reprints=1, **window
        )
        self.printer: Printer = stage.provider.printer()
        self.prints: list[Told] = []
        self.revoked = self.stopped = False

    def now(self) -> int:
        return self.stage.service.clock.now()

    def live(self, told: Told) -> bool:
        return told.state == "authorised" and self.now() < told.authorised_at + TOKEN_S

    def free(self) -> int | None:
        """The lowest number that no live token holds and the chain has not consumed."""
        taken = {told.sequence for told in self.prints if told.redeemed_at or self.live(told)}
        credited = sum(told.credited for told in self.prints)
        return next((n for n in range(1, PRINTS + credited + 1) if n not in taken), None)

    def one(self, data: st.DataObject, *states: str) -> Told:
        fitting = [told for told in self.prints if not states or told.state in states]
        return data.draw(st.sampled_from(fitting or self.prints))

    @rule()
    def authorise(self) -> None:
        at, number = self.now(), self.free()
        answer = self.stage.provider.ask(self.licence, self.printer)
        allowed = number is not None and not self.revoked and not self.stopped
        assert answer.status_code == (201 if allowed else 409), answer.text
        if allowed:
            made = answer.json()
            assert made["sequence"] == number
            self.prints.append(Told(made["id"], made["token"], made["sequence"], at))

    @precondition(lambda self: self.prints)
    @rule(data=st.data(), key=st.sampled_from(KEYS))
    def redeem(self, data: st.DataObject, key: str) -> None:
        told = self.one(data)
        answer = self.printer.redeem(told.token, key)
        retry = told.key == key and self.now() <= told.redeemed_at + RETRY_S
        if not self.stopped and retry:
            assert (answer.status_code, answer.content) == (200, told.body)
            return
        if self.stopped or self.revoked or not self.live(told):
            assert answer.status_code == 409, answer.text
            return
        assert answer.status_code == 200, answer.text
        told.state, told.key, told.body, told.redeemed_at = "redeemed", key, answer.content, self.now()

    @precondition(lambda self: self.prints)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        told = self.one(data, "authorised")
        if told.state == "authorised" and not self.live(told):
            return  # withdrawn or expired, as the sweep has been there before or not
        fits = told.state in {"authorised", "withdrawn"}
        answer = self.stage.provider.call("POST", f"/v1/prints/{told.id}/withdraw")
        assert answer.status_code == (200 if fits else 409)
        if fits:
            told.state = "withdrawn"

    @precondition(lambda self: any(told.redeemed_at for told in self.prints))
    @rule(data=st.data(), result=st.sampled_from([1, 2, 2, 3]))
    def report(self, data: st.DataObject, result: int) -> None:
        told = self.one(data, "redeemed")
        first, fits = told.state == "redeemed", told.redeemed_at > 0
        answer = self.printer.report({"print_id": told.id}, self.licence, told.sequence, result)
        assert answer.status_code == (200 if fits and first else 409), answer.text
        if first:
            spent = any(each.credited for each in self.prints)
            told.state, told.credited = ENDS[result], result == 2 and not spent

    @precondition(lambda self: any(told.redeemed_at for told in self.prints))
    @rule(data=st.data())
    def reissue(self, data: st.DataObject) -> None:
        told = self.one(data, "redeemed", "failed")
        late = told.state == "redeemed" and (self.stopped or self.now() >= told.redeemed_at + DUE_S)
        lost = late or (told.state == "failed" and not told.credited)
        body = {"expires_at": rfc3339(self.stage.service.clock.now() + 10**8)}
        if told.replaced_by is not None:
            granted = self.stage.owner.expect(200, "GET", f"/v1/licences/{told.replaced_by}")
            body = {"expires_at": granted["expires_at"]}
        answer = self.stage.owner.call("POST", f"/v1/prints/{told.id}/reissue", json=body)
        assert answer.status_code == (201 if lost or told.replaced_by else 409), answer.text
        if answer.status_code == 201:
            assert told.replaced_by in {None, answer.json()["id"]}
            told.replaced_by = answer.json()["id"]

    @rule(seconds=st.sampled_from([10, TOKEN_S + 1000, RETRY_S + 1000, DUE_S + 1000]))
    def wait(self, seconds: int) -> None:
        self.stage.service.clock.forward(seconds)

    @precondition(lambda self: not self.revoked and len(self.prints) > 2)
    @rule()
    def revoke(self) -> None:
        self.stage.owner.revoke(self.licence)
        self.revoked = True

    @precondition(lambda self: self.prints)
    @rule()
    def stop_or_go_on(self) -> None:
        how = "lift" if self.stopped else "quarantine"
        body = {} if self.stopped else {"reason": "smoke"}
        self.stage.provider.expect(200, "POST", f"/v1/printers/{self.printer.id}/{how}", json=body)
        self.stopped = not self.stopped

    @invariant()
    def rows_and_chain_are_as_told(self) -> None:
        counted = self.stage.owner.expect(200, "GET", f"/v1/licences/{self.licence['id']}")
        assert counted["prints_recorded"] == sum(told.redeemed_at > 0 for told in self.prints)
        assert counted["credited"] == sum(told.credited for told in self.prints)
        for told in self.prints:
            shown = self.stage.owner.expect(200, "GET", f"/v1/prints/{told.id}")
            over = told.state == "authorised" and not self.live(told)
            assert shown["state"] in ({"authorised", "expired"} if over else {told.state})
            assert shown["replaced_by"] == told.replaced_by
            assert shown["credited"] == (told.credited if told.state in ENDS.values() else None)
            late = told.state == "redeemed" and self.now() >= told.redeemed_at + DUE_S
            assert shown["overdue"] == late


def run(examples: int, steps: int) -> None:
    with TemporaryDirectory() as folder, staged(Path(folder)) as stage:
        machine = type("Lives", (Lives,), {"stage": stage})
        limits = settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        run_state_machine_as_test(machine, settings=limits)


class TestLife:
    def test_is_as_the_model_has_it(self) -> None:
        run(examples=3, steps=20)

    @pytest.mark.slow
    def test_is_as_the_model_has_it_at_length(self) -> None:
        run(examples=150, steps=50)
