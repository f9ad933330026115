"""From a mesh to a toolpath of this machine, with nothing of the customer in between but the shape."""
