"""What several backends share: modules of a torch source, quantisers, NNCF."""
