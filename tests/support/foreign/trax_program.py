"""A program that speaks the TraX protocol, written from its specification with the standard library and OpenCV alone.

It moves its box a pixel to the right in every frame, tells a confidence, and, told to, dies in the frame of that number.
"""

import re
import sys

import cv2

PREFIX = "@@TRAX:"


def words(line):
    """The arguments of a message: bare, or in double quotes with escapes."""
    found = re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', line)
    return [quoted.replace('\\"', '"') if quoted else bare for quoted, bare in found]


def main(dies_at):
    print("a line that is no message")
    print(PREFIX + "hello trax.version=1 trax.name=shifting trax.image=path trax.region=rectangle", flush=True)
    box, count = [], 0
    for line in sys.stdin:
        if not line.startswith(PREFIX):
            continue
        kind, *arguments = words(line[len(PREFIX) :])
        if kind == "quit":
            return
        image = cv2.imread(arguments[0].replace("file://", ""))
        if image is None:
            sys.exit("no image at " + arguments[0])
        if kind == "initialize":
            box = [float(value) for value in arguments[1].split(",")]
        else:
            box[0] += 1
            count += 1
        if count == dies_at:
            sys.exit("the program's last words")
        print("{}state {} confidence=0.5".format(PREFIX, ",".join(str(value) for value in box)), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else -1)
