"""TrackingNet."""
