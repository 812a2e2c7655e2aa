"""What all tests share: how long the random ones run. NIMBUS_TEST_SCALE=10 makes them ten times as long."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

SCALE = float(os.environ.get("NIMBUS_TEST_SCALE", "1"))

# No deadline: the machine that runs the tests is shared. A failing example is printed so that it can be replayed.
settings.register_profile(
    "nimbus",
    max_examples=max(1, round(100 * SCALE)),
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("nimbus")
