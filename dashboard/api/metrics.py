"""`GET /metrics` for Prometheus, from a registry of its own: read when asked, nothing counted in this process."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from dashboard.api.health import readiness
from dashboard.api.openapi import documented
from dashboard.auth import require
from dashboard.context import House, house
from dashboard.overview import device_cards

blueprint = Blueprint("metrics", __name__)
_SENSORS = {
    "memory_used_bytes": "Device memory in use.",
    "memory_total_bytes": "Device memory altogether.",
    "utilization_percent": "Device load.",
    "temperature_c": "Device temperature.",
    "power_w": "Device power draw.",
}


class HouseCollector(Collector):
    """The house's figures now."""

    def __init__(self, home: House) -> None:
        self._house = home

    def collect(self) -> Iterator[Metric]:
        """One family per figure; a sensor that does not exist has no sample."""
        jobs = GaugeMetricFamily("greenroom_jobs", "Jobs by state.", labels=["state"])
        for state, count in self._house.reads.store.state_counts().items():
            jobs.add_metric([state], count)
        yield jobs
        yield GaugeMetricFamily("greenroom_audit_seq", "Rows of the audit.", value=self._house.reads.last_seq())
        yield GaugeMetricFamily("greenroom_ready", "1 when /readyz says so.", value=int(readiness(self._house)[0]))
        beat = self._house.pulse.last
        if beat.at:
            yield GaugeMetricFamily("greenroom_daemon_answered_seconds", "When the daemon last answered.", value=beat.at)
        yield from self._slots()
        yield from self._devices()

    def _slots(self) -> Iterator[Metric]:
        slots = GaugeMetricFamily("greenroom_slot_state", "1 for the state a slot is in.", labels=["slot", "state"])
        for slot in self._house.pulse.last.slots:
            slots.add_metric([str(slot["slot"]), str(slot["state"])], 1)
        yield slots

    def _devices(self) -> Iterator[Metric]:
        devices = device_cards(self._house.reads)
        for sensor, text in _SENSORS.items():
            family = GaugeMetricFamily(f"greenroom_device_{sensor}", text, labels=["device"])
            for device in devices:
                if device.get(sensor) is not None:
                    family.add_metric([device["device"]], device[sensor])
            yield family


@blueprint.get("/metrics")
@documented("metrics")
@require("see_metrics")
def metrics() -> Response:
    """Jobs by state, slots, devices, readiness, in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(HouseCollector(house()))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
