"""A complete application form, to be changed where a test says something about it."""

from __future__ import annotations

from typing import Any


def application_form(**changes: Any) -> dict[str, Any]:
    """A form in which everything is in order; `changes` replace fields, None leaves one out."""
    form: dict[str, Any] = {
        "unit_name": "醴陵陶瓷创新服务有限公司",
        "credit_code": "91110000600037341L",
        "kind": "quality_enterprise",
        "county": "liling",
        "legal_representative": {"name": "陈志远", "title": "董事长"},
        "representative": {
            "name": "李文静",
            "title": "副总经理",
            "mobile": "13800138000",
            "email": "li.wenjing@example.cn",
        },
        "address": "醴陵市瓷谷大道 1 号",
        "postcode": "412200",
        "phone": "0731-23000000",
        "email": "office@example.cn",
        "website": "https://example.cn/about",
        "established_on": "2012-05-08",
        "registered_capital_fen": 500_000_000,
        "headcount": 120,
        "main_business": "陶瓷工艺研发与检测服务",
        "introduction": "为醴陵的陶瓷企业提供釉料配方、烧成工艺和产品检测服务。",
        "service_fields": ["技术研发", "检测"],
        "reason": "希望与各县市区的服务机构共享检测设备。",
        "charter_pledge": True,
    }
    return {name: value for name, value in {**form, **changes}.items() if value is not None}
