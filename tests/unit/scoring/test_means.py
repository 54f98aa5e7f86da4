"""Student's and Welch's intervals: cases worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from harness.scoring.means import student, welch


def test_student_interval_by_hand():
    # mean 2, standard deviation 1, three values, t of two degrees of freedom 4.30265 (tables): 2 -+ 4.30265 / sqrt(3)
    found = student(np.array([1.0, 2.0, 3.0]))
    assert found == pytest.approx((2 - 4.30265 / np.sqrt(3), 2 + 4.30265 / np.sqrt(3)), abs=1e-5)


def test_student_interval_of_another_confidence():
    # t of two degrees of freedom at 99 %, two-sided: 9.92484 (tables)
    low, high = student(np.array([1.0, 2.0, 3.0]), 0.99)
    assert (high - low) / 2 == pytest.approx(9.92484 / np.sqrt(3), abs=1e-4)


def test_welch_interval_by_hand():
    # means 3 and 2, variances 4 and 1 of three values each: 4/3 + 1/3 = 5/3, freedom (5/3)^2 / (16/18 + 1/18) = 50/17;
    # its t lies between the tables' 4.303 (2) and 3.182 (3), close to the latter
    low, high = welch(np.array([1.0, 3.0, 5.0]), np.array([1.0, 2.0, 3.0]))
    assert (low + high) / 2 == pytest.approx(1)
    assert 3.182 < (high - low) / 2 / np.sqrt(5 / 3) < 3.3


def test_values_that_are_all_equal_have_an_interval_of_no_width():
    same = np.array([2.0, 2.0, 2.0])
    assert student(same) == (2.0, 2.0)
    assert welch(same, same - 1) == (1.0, 1.0)
