"""Our reading of botocore's data gives what botocore's own gives."""

from __future__ import annotations

import pytest
from botocore.exceptions import DataNotFoundError, UnknownServiceError
from botocore.loaders import Loader

from dlcluster.cloud.models import Models
from dlcluster.cloud.session import Session


@pytest.mark.parametrize("service", ["s3", "cloudformation"])
@pytest.mark.parametrize("kind", ["service-2", "paginators-1", "waiters-2", "endpoint-rule-set-1"])
def test_models_are_those_of_botocore(service, kind):
    theirs = Loader()
    assert Models(theirs.search_paths).load_service_model(service, kind) == theirs.load_service_model(service, kind)


def test_what_is_not_there_is_an_error_as_with_botocore():
    models = Models(Loader().search_paths)
    with pytest.raises(UnknownServiceError):
        models.load_service_model("nothing", "service-2")
    with pytest.raises(DataNotFoundError):
        models.load_service_model("sts", "nothing-1")


def test_a_users_own_models_come_first(tmp_path, monkeypatch):
    folder = tmp_path / "sts" / "2011-06-15"
    folder.mkdir(parents=True)
    (folder / "service-2.json").write_text('{"mine": true}')
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    models = Session("local", "us-east-1")._sdk().get_component("data_loader")
    assert models.load_service_model("sts", "service-2") == {"mine": True}
