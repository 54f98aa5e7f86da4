"""LightTrack-Mobile (Yan, Peng, Wu and others, CVPR 2021)."""
