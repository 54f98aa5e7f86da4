"""Lists the packages: every folder of harness/, and conf/, which lies beside the package and goes into it in a wheel."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["harness", "harness.*"]), "harness.conf"],
    package_dir={"harness": "harness", "harness.conf": "conf"},
)
