"""OTB-2013, OTB-50 and OTB-100."""
