from copysight.system import telemetry as telemetry
