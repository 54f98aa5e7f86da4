"""Code shared by several backends: modules of a torch source, quantisers, NNCF."""
