"""Hostile inputs of every kind, made from a seed: what people mistype, break, edit by hand, or are sent by others."""
