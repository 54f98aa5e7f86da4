"""Pixels: decoding, crops, windows and box arithmetic."""
