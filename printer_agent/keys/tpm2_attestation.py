"""What a TPM says of the keys it holds: TPM2_Certify by an attestation key, and the endorsement key's word
that this attestation key is its own (TPM2_ActivateCredential). The format: docs/formats/attestation.md.

The attestation key is a primary key of the endorsement hierarchy, made anew each time from one template: so
it is the same for one TPM until its endorsement seed changes, and takes no room in it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from printer_agent.keys.tpm2_device import Blob, Loaded, Tpm

FORMAT = "partvault/tpm2-certify/v1"
_ATTESTATION = "ecc:ecdsa-sha256:null"
_ATTESTATION_ATTRIBUTES = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|sign"
_ENDORSEMENT = "EK-RSA2048"
_ENDORSEMENT_HANDLE = 0x81010001
"""Where TCG's provisioning guidance has the RSA endorsement key, on machines that keep it loaded."""


class Tpm2Attestor:
    """Attests the keys of one printer; see `Attestor`."""

    def __init__(self, open_tpm: Callable[[], Tpm], blobs: Mapping[str, Blob]) -> None:
        self._open = open_tpm
        self._blobs = dict(blobs)

    def evidence(self, binding: bytes) -> dict[str, Any]:
        """Have each key certified over `binding` (32 bytes); add the endorsement certificate if there is one.

        Raises KeysUnavailable where the TPM refuses.
        """
        with self._open() as tpm:
            attester, area = _attestation_key(tpm)
            keys = {}
            for role, blob in self._blobs.items():
                key = tpm.load(blob)
                keys[role] = {"public": _text(blob.public[2:]), **_certified(key, attester, binding)}
                tpm.release(key.handle)
            certificate = _endorsement(tpm)[0]
        found = {
            "attestation_key": _text(area),
            "endorsement_certificate": certificate and _text(certificate),
        }
        return {"format": FORMAT, **found, "keys": keys}

    def activate(self, blob: str, secret: str) -> str:
        """Open a challenge that only the TPM of both endorsement key and attestation key can open.

        Takes TPM2B_ID_OBJECT and TPM2B_ENCRYPTED_SECRET in base64; gives what was in them, in hex.
        """
        with self._open() as tpm:
            package = tpm.package
            attester, _ = _attestation_key(tpm)
            challenge = package.TPM2B_ID_OBJECT.unmarshal(base64.b64decode(blob))[0]
            seed = package.TPM2B_ENCRYPTED_SECRET.unmarshal(base64.b64decode(secret))[0]
            with tpm.reported():
                endorsement, policy = _endorsement_key(tpm), _endorsement_policy(tpm)
                opened = tpm.api.activate_credential(attester, endorsement, challenge, seed, session2=policy)
        return bytes(opened).hex()


def _attestation_key(tpm: Tpm) -> tuple[Any, bytes]:
    """Make the attestation key; give its handle and its TPMT_PUBLIC."""
    package = tpm.package
    template = package.TPM2B_PUBLIC.parse(_ATTESTATION, objectAttributes=_ATTESTATION_ATTRIBUTES)
    empty = package.TPM2B_SENSITIVE_CREATE()
    with tpm.reported():
        handle, public, *_ = tpm.api.create_primary(empty, template, package.ESYS_TR.ENDORSEMENT)
    return tpm.hold(handle), bytes(public.publicArea.marshal())


def _certified(key: Loaded, attester: Any, binding: bytes) -> dict[str, str]:
    """Certify a loaded key: TPMS_ATTEST and the signature over its SHA-256, r ‖ s."""
    tpm, package = key.tpm, key.tpm.package
    scheme = package.TPMT_SIG_SCHEME(scheme=package.TPM2_ALG.NULL)
    with tpm.reported():
        info, signed = tpm.api.certify(key.handle, attester, binding, scheme, session1=tpm.session)
    parts = (signed.signature.ecdsa.signatureR, signed.signature.ecdsa.signatureS)
    signature = b"".join(bytes(part).rjust(32, b"\x00") for part in parts)
    return {"info": _text(bytes(info)), "signature": _text(signature)}


def _endorsement(tpm: Tpm) -> tuple[bytes | None, Any]:
    """Read the RSA endorsement key's certificate, None where the TPM has none, and make its template."""
    tools = tpm.tools
    with tpm.reported():
        certificate, template = tools.create_ek_template(_ENDORSEMENT, tools.NVReadEK(tpm.api))
    return certificate, template


def _endorsement_key(tpm: Tpm) -> Any:
    """Find the endorsement key where it is kept, or make it, which takes seconds."""
    try:
        return tpm.api.tr_from_tpmpublic(_ENDORSEMENT_HANDLE)
    except tpm.package.TSS2_Exception:
        empty, template = tpm.package.TPM2B_SENSITIVE_CREATE(), _endorsement(tpm)[1]
        return tpm.hold(tpm.api.create_primary(empty, template, tpm.package.ESYS_TR.ENDORSEMENT)[0])


def _endorsement_policy(tpm: Tpm) -> Any:
    """Satisfy the endorsement key's policy: the endorsement hierarchy's own authorisation."""
    package = tpm.package
    nobody, none = package.ESYS_TR.NONE, package.TPMT_SYM_DEF(algorithm=package.TPM2_ALG.NULL)
    policy = tpm.api.start_auth_session(nobody, nobody, package.TPM2_SE.POLICY, none, package.TPM2_ALG.SHA256)
    tpm.hold(policy)
    tpm.api.policy_secret(package.ESYS_TR.ENDORSEMENT, policy)
    return policy


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
