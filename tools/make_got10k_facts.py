"""Writes harness/submission/got10k_test.csv: names, frame counts and first boxes (cut to integers) of GOT-10k test.

The facts come from published result files of the test split (a folder of ``NAME.txt`` with a box per line, of a tracker
that repeats the given box on line 1); several folders must agree. Used once, kept so that the list can be checked:

    python tools/make_got10k_facts.py ../shared/results/smat_got10k_test/{pytorch,onnx,openvino}
"""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.core.files import write_text
from harness.core.results import read_numbers
from harness.publish.submission.facts import TEST_FACTS

HEADER = "name,frames,x,y,w,h\n"


def facts(folder: Path) -> list[str]:
    """Lines ``name,frames,x,y,w,h`` of one result folder, in the order of names."""
    lines = []
    for path in sorted(folder.glob("GOT-10k_Test_*.txt")):
        if path.stem.endswith("_time"):
            continue
        boxes = read_numbers(path)
        box = ",".join(str(int(value)) for value in boxes[0])
        lines.append(f"{path.stem},{len(boxes)},{box}\n")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=TEST_FACTS)
    arguments = parser.parse_args()
    found = [facts(folder) for folder in arguments.folders]
    if any(lines != found[0] for lines in found) or len(found[0]) != 180:
        raise SystemExit(f"the folders disagree or are incomplete: {[len(lines) for lines in found]} sequences")
    write_text(arguments.output, HEADER + "".join(found[0]))
    print(f"{arguments.output}: {len(found[0])} sequences")


if __name__ == "__main__":
    main()
