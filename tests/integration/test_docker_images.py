"""The engine keeps when an image was last tagged, and that tells when a job last took it."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta, timezone

import pytest

from dativo_dagster.launchers.docker import image

pytestmark = [pytest.mark.integration, pytest.mark.docker, pytest.mark.xdist_group("docker")]

_EMPTY_ARCHIVE = bytes(10_240)


def test_an_image_that_a_job_takes_is_used_from_then_on(base_images, monkeypatch):
    tag = f"{image.NAME}:{uuid.uuid4().hex[:16]}"
    assert not image._take(base_images, tag)
    base_images.api.import_image_from_data(_EMPTY_ARCHIVE, *tag.split(":"))  # nobody else tags it
    try:
        tagged = image.last_used(base_images.images.get(tag))
        assert datetime.now(timezone.utc) - tagged < timedelta(minutes=5)
        assert image._take(base_images, tag)
        assert image.last_used(base_images.images.get(tag)) == tagged, "it is noted once an hour"
        monkeypatch.setattr(image, "_NOTED_EVERY", timedelta(days=-1))
        before = base_images.images.get(tag).attrs["Metadata"]["LastTagTime"]
        assert image._take(base_images, tag)
        assert base_images.images.get(tag).attrs["Metadata"]["LastTagTime"] > before
    finally:
        base_images.images.remove(tag)
