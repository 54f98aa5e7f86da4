"""Follows one target in live frames: a camera, a stream, a file, a folder of images."""
