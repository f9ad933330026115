"""Pictures of a part by a small software renderer: numpy and Pillow, no GPU, no display."""
