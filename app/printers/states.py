"""The states of a printer, and how a machine's keys rotate.

    awaiting_key → awaiting_approval → approving → enrolled → retiring → retired

| from              | to                | who moves it | guard                                             |
|-------------------|-------------------|--------------|---------------------------------------------------|
| –                 | awaiting_key      | provider     | adds a machine, or opens a rotation ¹             |
| awaiting_key      | awaiting_approval | printer      | live code ⁵, its signatures, the predecessor's ²  |
| awaiting_key      | retired           | provider     | nothing is on chain                               |
| awaiting_approval | approving         | provider     | its signature; the predecessor may be succeeded ¹ |
| awaiting_approval | retired           | provider     | nothing is on chain                               |
| approving         | enrolled          | chain        | the enrolment is confirmed ³                      |
| approving         | awaiting_approval | chain        | the enrolment is rejected                         |
| enrolled          | retiring          | provider     | its signature; the service itself where drained ⁴ |
| retiring          | retired           | chain        | the retirement is confirmed                       |
| retiring          | enrolled          | chain        | the retirement is rejected                        |

A rotation gives a machine a second row, linked to the first:

¹ The first row is enrolled, in no quarantine and has no open or finished rotation. The new row carries over
  name and machine facts with the record of who stated them.
² The key of before signs `Succession{predecessor, successor}` (docs/formats/sealed-key.md), so a stolen code
  alone succeeds nobody.
³ In that transaction the first row learns its `successor_id`: it is superseded. Nothing new is authorised on
  it; what it has redeemed goes on, and its outcomes are taken.
⁴ A superseded row is drained when no print of it is authorised, redeeming or redeemed without an outcome. The
  service then retires it, where it signs for the provider; else the provider does, as it may at any time: the
  row shows what it signs, and whether that is due.
⁵ Until it expires, the code answers a repeat by the same keys, up to the retirement; it moves nothing then.

A licence that lists printers lists names of keys: it covers no successor.
"""

from __future__ import annotations

from enum import StrEnum


class PrinterState(StrEnum):
    """What a row holds, as the chain has it; `quarantined` and `superseded` are never stored.

    They are how an enrolled printer is shown while a quarantine is open, and from when its successor is
    enrolled: the chain knows nothing of either, and a printer can be retired out of both.
    """

    AWAITING_KEY = "awaiting_key"
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVING = "approving"
    ENROLLED = "enrolled"
    QUARANTINED = "quarantined"
    SUPERSEDED = "superseded"
    RETIRING = "retiring"
    RETIRED = "retired"
