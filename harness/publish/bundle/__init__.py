"""Bundles: runs in one file with all that is needed to check and continue elsewhere. Nothing in a bundle is trusted.

``bundle`` writes one, ``archive`` reads one safely, ``truth`` carries what scores are computed against, ``check``
computes them again.
"""

from harness.core.archives import Bundle, unpack
from harness.publish.bundle.bundle import Written, write_bundle
from harness.publish.bundle.check import Check, check_scores
from harness.publish.bundle.importing import Imported, import_bundle

__all__ = ["Bundle", "Check", "Imported", "Written", "check_scores", "import_bundle", "unpack", "write_bundle"]
