"""Post readings as NDJSON to a running service (`wattbook demo`), and print the receipt."""

import json
import sys
import urllib.request
from datetime import UTC, datetime, timedelta

url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"
meter = sys.argv[2] if len(sys.argv) > 2 else "pecos-1.main"

now = datetime.now(UTC).replace(second=0, microsecond=0)
stamps = [(now - timedelta(minutes=5 * step)).isoformat() for step in range(12)]
rows = [{"meter_id": meter, "timestamp": stamp, "power_kw": 18_250.5} for stamp in stamps]
body = "\n".join(map(json.dumps, rows)).encode()

headers = {"Content-Type": "application/x-ndjson"}
request = urllib.request.Request(f"{url}/api/v1/ingest/telemetry", body, headers)  # noqa: S310 -- http by default
with urllib.request.urlopen(request) as answer:  # noqa: S310 -- the caller names the address
    print(json.dumps(json.load(answer), indent=2))
