"""What makes moto faster changes no answer."""

from __future__ import annotations

import xmltodict

from dlcluster.local.aws.quick import document


def test_a_dictionary_becomes_the_same_xml_as_before() -> None:
    body = {
        "Answer": {
            "@xmlns": 'http://x/?a="b"&c',
            "text": "a < b & c > d",
            "numbers": {"item": [1, 2.5, True, False]},
            "rows": {"item": [{"key": "k", "value": None}, {"key": "", "value": {}}]},
            "none": [],
            "empty": "",
        }
    }
    assert xmltodict.parse(document(body)) == xmltodict.parse(xmltodict.unparse(body, short_empty_elements=True))
