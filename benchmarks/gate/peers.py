"""What others ask of a mesh, each by the interface it offers, and where they are installed.

Loaded by an interpreter that has the peers and nothing of what the project needs.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

PACKAGES = (
    "trimesh==5.2.0", "manifold3d==3.5.4", "pymeshlab==2025.7.post1", "numpy==2.4.6", "scipy==1.17.1",
)  # fmt: skip

Work = Callable[[], list[float]]


def trimesh_check(path: Path) -> Work:
    """The same questions put to trimesh."""
    import numpy as np
    import trimesh

    def work() -> list[float]:
        data = path.read_bytes()
        hashlib.sha256(data).digest()
        mesh = trimesh.load_mesh(io.BytesIO(data), file_type="stl")
        sound = mesh.is_watertight and mesh.is_winding_consistent and np.isfinite(mesh.vertices).all()
        sound = sound and mesh.nondegenerate_faces().all() and mesh.unique_faces().all()
        assert mesh.bounds is not None
        return [bool(sound), len(mesh.faces), float(mesh.volume), float(mesh.area), mesh.body_count]

    return work


def manifold_check(path: Path) -> Work:
    """manifold3d: closed and wound or refused; it tells nothing of duplicate or degenerate facets."""
    import manifold3d
    import numpy as np

    record = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])

    def work() -> list[float]:
        data = path.read_bytes()
        hashlib.sha256(data).digest()
        corners = np.ascontiguousarray(np.frombuffer(data, record, offset=84)["corners"].reshape(-1, 3))
        facets = np.arange(len(corners), dtype=np.uint32).reshape(-1, 3)
        mesh = manifold3d.Mesh(vert_properties=corners, tri_verts=facets)
        mesh.merge()
        solid = manifold3d.Manifold(mesh)
        assert solid.bounding_box() is not None
        sound = solid.status() == manifold3d.Error.NoError
        return [sound, solid.num_tri(), solid.volume(), solid.surface_area(), len(solid.decompose())]

    return work


def pymeshlab_check(path: Path) -> Work:
    """pymeshlab's geometric and topological measures."""
    import pymeshlab

    def work() -> list[float]:
        hashlib.sha256(path.read_bytes()).digest()
        meshes = pymeshlab.MeshSet()
        meshes.load_new_mesh(str(path))
        metric, topology = meshes.get_geometric_measures(), meshes.get_topological_measures()
        sound = topology["is_mesh_two_manifold"] and topology["boundary_edges"] == 0
        sound = sound and topology["incident_faces_on_non_two_manifold_edges"] == 0
        return [sound, topology["faces_number"], metric["mesh_volume"], metric["surface_area"],
                topology["connected_components_number"]]  # fmt: skip

    return work


def pymeshlab_crossings(path: Path) -> Work:
    """Facets of a loaded mesh that cut others, by pymeshlab: how many are found."""
    import pymeshlab

    meshes = pymeshlab.MeshSet()
    meshes.load_new_mesh(str(path))

    def work() -> list[float]:
        meshes.compute_selection_by_self_intersections_per_face()
        return [meshes.current_mesh().selected_face_number()]

    return work


def admesh_check(path: Path) -> Work:
    """The admesh command with all its checks; a process for each run, as it comes. No area, no hash."""

    def work() -> list[float]:
        told = subprocess.run(["admesh", path], capture_output=True, text=True, check=True).stdout
        rows = [row.partition(":")[2].split() for row in told.splitlines()]
        heads = [row.partition(":")[0].strip() for row in told.splitlines()]
        facets, loose = (
            rows[heads.index(name)] for name in ("Number of facets", "Total disconnected facets")
        )
        parts = rows[heads.index("Number of parts")]
        return [loose[0] == "0", float(facets[0]), float(parts[-1]), 0.0, float(parts[0])]

    return work


def has_admesh() -> bool:
    """Whether the command is installed (Debian: admesh)."""
    return shutil.which("admesh") is not None


def interpreter() -> Path:
    """Return the peers' interpreter, making their environment where it is absent."""
    environment = Path(sys.prefix) / "bench-gate-peers"
    python = environment / "bin" / "python"
    if not (environment / ".complete").exists():
        uv = Path(sys.executable).with_name("uv")
        subprocess.run(
            [uv, "venv", "--quiet", "--clear", "--python", sys.executable, environment], check=True
        )
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *PACKAGES], check=True)
        (environment / ".complete").touch()
    return python
