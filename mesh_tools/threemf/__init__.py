"""3MF: the package, its parts and its meshes, read strictly."""
