#!/usr/bin/env bash
# A meter's integers from one Sparkplug B library to another.
#
# Packages   mqtt-spb-wrapper 2.1.2 (PyPI, with protobuf 3.20.3), sparkplug-payload 1.0.3 (npm)
# Guess      Both write the same protobuf with a declared type, so -3425 W as Int16 and 3000000000 Wh as
#            UInt32 arrive as they were sent.
# Seen       Each library reads what it wrote itself. Across, the power arrives as 62111 W: one writes
#            Int16 as 16 bits, the other extends the sign of 32. The register arrives as null: one writes
#            UInt32 into int_value, the other looks in long_value.
# Matters    Export to the grid becomes import of 62 kW, which is plausible for a site, and a register
#            is "missing" only for peers of another make. Send power as Int64 or Double.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check mqtt-spb-wrapper==2.1.2 protobuf==3.20.3
cd "$work"
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$work" sparkplug-payload@1.0.3

"$work/venv/bin/python" - <<'PY'
from pathlib import Path

from mqtt_spb_wrapper import MetricDataType, MqttSpbEntityDevice, SpbPayloadParser

meter = MqttSpbEntityDevice("site", "edge", "meter")
for name, kind, value in (
    ("power_w", MetricDataType.Int16, -3425),
    ("power_w_64", MetricDataType.Int64, -3425),
    ("register_wh", MetricDataType.UInt32, 3_000_000_000),
):
    meter.data.set_value(name, value, timestamp=0, spb_data_type=kind)
payload = meter.serialize_payload_data(send_all=True)
Path("payload.bin").write_bytes(payload)
seen = {metric["name"]: metric["value"] for metric in SpbPayloadParser(payload).payload["metrics"]}
print("mqtt-spb-wrapper to itself:", seen)
assert seen == {"power_w": -3425, "power_w_64": -3425, "register_wh": 3_000_000_000}, seen
PY

cat > read.js <<'JS'
const assert = require("node:assert");
const { readFileSync } = require("node:fs");
const sparkplug = require("sparkplug-payload").get("spBv1.0");

const values = (bytes) =>
  Object.fromEntries(
    sparkplug.decodePayload(bytes).metrics.map((metric) => [metric.name, String(metric.value)]),
  );

const own = values(
  sparkplug.encodePayload({
    timestamp: 0,
    metrics: [
      { name: "power_w", type: "Int16", value: -3425 },
      { name: "register_wh", type: "UInt32", value: 3000000000 },
    ],
  }),
);
console.log("sparkplug-payload to itself:", own);
assert.deepStrictEqual(own, { power_w: "-3425", register_wh: "3000000000" });

const across = values(readFileSync("payload.bin"));
console.log("mqtt-spb-wrapper to sparkplug-payload:", across);
assert.deepStrictEqual(across, {
  power_w: "62111",
  power_w_64: "-3425",
  register_wh: "null",
});
JS
node read.js
