"""lib3mf with the cryptography that it leaves to its callers, from `cryptography` alone: the other side.

The callback types of the bindings (2.5) lack three of the eight parameters that the library passes, so the
right ones stand here and are cast. A callback that fails returns 0, which lib3mf takes for a failure.
"""

from __future__ import annotations

import ctypes
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_CALLBACK = ctypes.CFUNCTYPE(
    None,
    ctypes.c_void_p,
    ctypes.c_uint64,
    ctypes.POINTER(ctypes.c_uint8),
    ctypes.c_uint64,
    ctypes.POINTER(ctypes.c_uint64),
    ctypes.POINTER(ctypes.c_uint8),
    ctypes.c_void_p,
    ctypes.POINTER(ctypes.c_uint64),
)
_RANDOM = ctypes.CFUNCTYPE(
    None, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint64)
)
_HASHES = {"SHA1": hashes.SHA1, "SHA256": hashes.SHA256, "SHA384": hashes.SHA384, "SHA512": hashes.SHA512}
_IDENTITY = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]]

Transform = Callable[[Any, bytes], bytes]


def library() -> Any:
    """The bindings; tests that need them say how to get them where they are absent."""
    return pytest.importorskip("lib3mf", reason="lib3mf is not installed: run make .venv/.neighbours")


@dataclass
class Lib3mf:
    """One use of the library. Keeps what the library calls back alive; `failures` are the callbacks' own."""

    module: Any = field(default_factory=library)
    failures: list[Exception] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.wrapper = self.module.Wrapper()
        self.model = self.wrapper.CreateModel()
        self._kept: list[Any] = []
        self._ciphers: dict[int, Any] = {}
        random = _RANDOM(_fill)
        self.model.SetRandomNumberCallback(self._cast(random, "RandomNumberCallback"), 0)

    def read(self, data: bytes, consumer: str, key: rsa.RSAPrivateKey) -> Any:
        """Read `data` as `consumer`; returns the reader. Raises what the library or a callback raised."""
        reader = self.model.QueryReader("3mf")
        reader.SetStrictModeActive(True)
        wrapping = self._wrapping(lambda scheme, wrapped: key.decrypt(wrapped, scheme), 32)
        reader.AddKeyWrappingCallback(consumer, wrapping, 0)
        reader.SetContentEncryptionCallback(self._content(encrypting=False), 0)
        self._guarded(lambda: reader.ReadFromBuffer(data))
        return reader

    def write(self, consumers: dict[str, rsa.RSAPublicKey]) -> bytes:
        """Write the model with its key store, wrapping keys for `consumers`."""
        writer = self.model.QueryWriter("3mf")
        for name, key in consumers.items():
            wrapping = self._wrapping(
                lambda scheme, plain, key=key: key.encrypt(plain, scheme), key.key_size // 8
            )
            writer.AddKeyWrappingCallback(name, wrapping, 0)
        writer.SetContentEncryptionCallback(self._content(encrypting=True), 0)
        written: list[int] = self._guarded(lambda: self._written_once(writer))
        assert [writer.GetWarning(number) for number in range(writer.GetWarningCount())] == []
        return bytes(written)

    def meshes(self) -> list[tuple[list[tuple[float, ...]], list[tuple[int, ...]]]]:
        """Vertices and triangles of every mesh of the model."""
        found = []
        meshes = self.model.GetMeshObjects()
        while meshes.MoveNext():
            mesh = meshes.GetCurrentMeshObject()
            vertices = [tuple(vertex.Coordinates) for vertex in mesh.GetVertices()]
            found.append((vertices, [tuple(facet.Indices) for facet in mesh.GetTriangleIndices()]))
        return found

    def add_encrypted_mesh(
        self,
        shape: tuple[Any, Any],
        consumers: dict[str, str],
        *,
        hash_name: str = "SHA256",
        deflate: bool = False,
        aad: bytes = b"test",
    ) -> None:
        """Add a mesh in a part of its own, to be encrypted for `consumers`, PEM by id."""
        mesh = self.model.AddMeshObject()
        vertices, facets = shape
        mesh.SetGeometry(
            [self.module.Position(Coordinates=tuple(map(float, vertex))) for vertex in vertices],
            [self.module.Triangle(Indices=tuple(map(int, facet))) for facet in facets],
        )
        self.model.AddBuildItem(mesh, self.wrapper.GetIdentityTransform())
        part = self.model.FindOrCreatePackagePart("/3D/secret.model")
        mesh.SetPackagePart(part)
        keystore = self.model.GetKeyStore()
        group = keystore.AddResourceDataGroup()
        for name, pem in consumers.items():
            group.AddAccessRight(
                keystore.AddConsumer(name, "", pem),
                self.module.WrappingAlgorithm.RSA_OAEP,
                self.module.MgfAlgorithm[f"MGF1_{hash_name}"],
                self.module.DigestMethod[hash_name],
            )
        compression = self.module.Compression.Deflate if deflate else self.module.Compression.NoCompression
        keystore.AddResourceData(
            group, part, self.module.EncryptionAlgorithm.AES256_GCM, compression, list(aad)
        )

    def _written_once(self, writer: Any) -> Any:
        """The buffer of one pass: the bindings' WriteToBuffer runs twice, and a cipher ends once."""
        written = bytearray()
        position = 0

        def write(source: int, count: int, _user: int) -> None:
            nonlocal position
            written[position : position + count] = ctypes.string_at(source, count)
            position += count

        def seek(to: int, _user: int) -> None:
            nonlocal position
            position = to

        writes, seeks = self.module.Lib3MF.WriteCallback(write), self.module.Lib3MF.SeekCallback(seek)
        writer.WriteToCallback(writes, seeks, 0)
        return written

    def _wrapping(self, transform: Callable[[padding.OAEP, bytes], bytes], size: int) -> Any:
        def wrap(handle: Any, given: bytes, needed: Any, out: Any) -> int:
            if not out:
                needed[0] = size
                return size
            right = self._borrowed(self.module.AccessRight, handle)
            digest = _HASHES[right.GetDigestMethod().name]
            mask = _HASHES[right.GetMgfAlgorithm().name.removeprefix("MGF1_")]
            result = transform(padding.OAEP(padding.MGF1(mask()), digest(), None), given)
            ctypes.memmove(out, result, len(result))
            return len(result)

        return self._callback(wrap, "KeyWrappingCallback")

    def _content(self, *, encrypting: bool) -> Any:
        def crypt(handle: Any, given: bytes, needed: Any, out: Any) -> int:
            params = self._borrowed(self.module.ContentEncryptionParams, handle)
            if not given:
                return self._ended(params, encrypting=encrypting)
            if not out:
                needed[0] = len(given)
                return len(given)
            result = self._cipher(params, encrypting=encrypting).update(given)
            ctypes.memmove(out, result, len(result))
            return len(result)

        return self._callback(crypt, "ContentEncryptionCallback")

    def _cipher(self, params: Any, *, encrypting: bool) -> Any:
        number = params.GetDescriptor()
        if number not in self._ciphers:
            gcm = modes.GCM(bytes(params.GetInitializationVector()))
            cipher = Cipher(algorithms.AES(bytes(params.GetKey())), gcm)
            self._ciphers[number] = cipher.encryptor() if encrypting else cipher.decryptor()
            self._ciphers[number].authenticate_additional_data(
                bytes(params.GetAdditionalAuthenticationData())
            )
        return self._ciphers[number]

    def _ended(self, params: Any, *, encrypting: bool) -> int:
        cipher = self._ciphers.pop(params.GetDescriptor())
        if encrypting:
            cipher.finalize()
            params.SetAuthenticationTag(list(cipher.tag))
        else:
            cipher.finalize_with_tag(bytes(params.GetAuthenticationTag()))
        return 16

    def _callback(self, work: Callable[..., int], name: str) -> Any:
        def called(
            handle: Any, size: int, given: Any, _room: int, needed: Any, out: Any, _user: Any, status: Any
        ) -> None:
            try:
                content = ctypes.string_at(given, size) if given and size else b""
                status[0] = work(handle, content, needed, out)
            except Exception as error:  # noqa: BLE001 - nothing may unwind through the library
                self.failures.append(error.with_traceback(None))  # its frames would hold borrowed things
                status[0] = 0

        return self._cast(_CALLBACK(called), name)

    def _cast(self, function: Any, name: str) -> Any:
        self._kept.append(function)
        return ctypes.cast(function, getattr(self.module.Lib3MF, name))

    def _borrowed(self, kind: Any, handle: Any) -> Any:
        thing = kind(ctypes.c_void_p(handle), self.wrapper)
        self.wrapper.Acquire(thing)
        return thing

    def _guarded(self, work: Callable[[], Any]) -> Any:
        try:
            result = work()
        except self.module.ELib3MFException as error:
            raise (self.failures[0] if self.failures else error) from None
        if self.failures:
            raise self.failures[0]
        return result


def _fill(buffer: int, size: int, _user: Any, written: Any) -> None:
    ctypes.memmove(buffer, secrets.token_bytes(size), size)
    written[0] = size
