"""Application forms of units that never applied before: valid in every field, another unit each time.

For tests on an alliance that lasts longer than the test; `applications` has the one unit of tests on a fresh database.
"""

from __future__ import annotations

import itertools
import os
from typing import Any

from stdnum.cn import uscc

_ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
#: Numbers of units. Each test process begins elsewhere, so that several may work on one running alliance.
_numbers = itertools.count(int.from_bytes(os.urandom(4)) % 99_000_000)


def credit_code(number: int) -> str:
    """A valid unified social credit code of an invented unit; the same number gives the same code."""
    organisation = f"{number:08d}"
    total = sum(int(digit) * weight for digit, weight in zip(organisation, _ORGANISATION_WEIGHTS, strict=True))
    body = f"91430211{organisation}{'0123456789X0'[11 - total % 11]}"
    # python-stdnum rather than our own arithmetic: a builder must not share a mistake with what it tests.
    return body + str(uscc.calc_check_digit(body))


def new_unit_form(**changes: Any) -> dict[str, Any]:
    """The form of a new unit without warnings; `changes` replace fields, a field given as None is left out."""
    number = next(_numbers)
    form: dict[str, Any] = {
        "unit_name": f"株洲第{number}号科技服务有限公司",
        "credit_code": credit_code(number),
        "kind": "quality_enterprise",
        "county": "liling",
        "legal_representative": {"name": "王建国", "title": "董事长"},
        "representative": {
            "name": "李晓梅",
            "title": "总经理",
            "mobile": "13907330000",
            "email": f"unit{number}@lianmeng.example",
        },
        "address": "湖南省株洲市醴陵市瓷城大道1号",
        "main_business": "为中小企业提供数字化转型诊断、改造与培训服务",
        "introduction": "成立以来服务本地企业二百余家。",
        "reason": "愿与同行一道为本地中小企业服务。",
        "charter_pledge": True,
    }
    return {name: value for name, value in {**form, **changes}.items() if value is not None}
