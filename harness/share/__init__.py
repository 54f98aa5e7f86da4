"""Bundles: runs in one file with all that is needed to check and continue elsewhere. Nothing in a bundle is trusted.

``bundle`` writes one, ``archive`` reads one safely, ``truth`` carries what scores are computed against, ``check``
computes them again.
"""

from harness.share.archive import Bundle, unpack
from harness.share.bundle import Written, write_bundle
from harness.share.check import Check, check_scores
from harness.share.importing import Imported, import_bundle

__all__ = ["Bundle", "Check", "Imported", "Written", "check_scores", "import_bundle", "unpack", "write_bundle"]
