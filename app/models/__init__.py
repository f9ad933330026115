"""The rows of the service, as SQLModel tables; importing this package registers all of them.

Times are whole seconds since 1970; digests and chain identifiers are raw bytes; secrets are never here in the
clear.
"""

from app.models.accounts import ApiKey, Organisation
from app.models.alarms import Alarm, Sighting
from app.models.custody import KeyDestruction, KeyRotation, WrappedSecret
from app.models.designs import Design, Revision
from app.models.licences import Licence, LicenceKey
from app.models.plates import Plate
from app.models.printers import Printer
from app.models.prints import PartSerial, Print, Release
from app.models.quarantines import Quarantine
from app.models.reissues import Reissue
from app.models.requests import IdempotencyRecord, SeenProof
from app.models.shreddings import Shredding
from app.models.similarity import PartFingerprint, Resemblance

__all__ = [
    "Alarm",
    "ApiKey",
    "Design",
    "IdempotencyRecord",
    "KeyDestruction",
    "KeyRotation",
    "Licence",
    "LicenceKey",
    "Organisation",
    "PartFingerprint",
    "PartSerial",
    "Plate",
    "Print",
    "Printer",
    "Quarantine",
    "Reissue",
    "Release",
    "Resemblance",
    "Revision",
    "SeenProof",
    "Shredding",
    "Sighting",
    "WrappedSecret",
]
