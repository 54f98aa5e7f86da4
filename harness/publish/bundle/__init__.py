"""Bundles: runs in one file, with everything needed to check and continue them elsewhere. No bundle is trusted.

``bundle`` writes a bundle, ``archive`` reads one safely, ``truth`` stores the ground truth of the scores, ``check``
computes the scores again.
"""

from harness.core.archives import Bundle, unpack
from harness.publish.bundle.bundle import Written, write_bundle
from harness.publish.bundle.check import Check, check_scores
from harness.publish.bundle.importing import Imported, import_bundle

__all__ = ["Bundle", "Check", "Imported", "Written", "check_scores", "import_bundle", "unpack", "write_bundle"]
