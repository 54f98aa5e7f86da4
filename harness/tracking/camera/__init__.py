"""Following one target in frames that come now: a camera, a stream, a file, a folder of images."""
