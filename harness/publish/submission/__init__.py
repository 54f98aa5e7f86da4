"""GOT-10k submissions: reading result folders, checking archives, packing them.

``pack_tracks(folder, facts_of(dataset), archive, manifest)`` makes an archive that ``validate`` accepts, or raises.
"""

from harness.publish.submission.entries import Fault
from harness.publish.submission.facts import SequenceFacts, SplitFacts, facts_of, shipped_test_facts
from harness.publish.submission.formats import ResultFolder, find_results
from harness.publish.submission.pack import manifest_path, pack_job, pack_tracks
from harness.publish.submission.validate import Report, validate

__all__ = [
    "Fault",
    "Report",
    "ResultFolder",
    "SequenceFacts",
    "SplitFacts",
    "facts_of",
    "find_results",
    "manifest_path",
    "pack_job",
    "pack_tracks",
    "shipped_test_facts",
    "validate",
]
