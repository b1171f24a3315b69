# Before a library with telemetry is imported: see copysight/system/telemetry.py.
from copysight.system import telemetry as telemetry
