"""What the gateway counts for Prometheus; no tenant in a label, so that the number of series stays bounded."""

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("tuneloop_gateway_requests", "Chat completions by HTTP status", ["status"])
LATENCY = Histogram(
    "tuneloop_gateway_latency_seconds",
    "From the request's arrival to the last token",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
IN_FLIGHT = Gauge("tuneloop_gateway_in_flight", "Requests that an engine is working on")
WAITING = Gauge("tuneloop_gateway_waiting", "Requests that wait for an engine slot")
ROUTES = Gauge("tuneloop_gateway_routes", "Names in the route table")
ROUTE_RELOADS = Counter("tuneloop_gateway_route_reloads", "Reads of the route table", ["outcome"])
LOG_BUFFERED = Gauge("tuneloop_prediction_log_buffered", "Answers that wait to be stored")
LOG_STORED = Counter("tuneloop_prediction_log_stored", "Answers that were stored")
LOG_DROPPED = Counter("tuneloop_prediction_log_dropped", "Answers that were never stored", ["reason"])
SHADOWS = Counter("tuneloop_gateway_shadows", "Questions put to candidates under shadow test", ["outcome"])
NOT_KEPT = Counter("tuneloop_gateway_not_kept", "Answers of which nothing is kept, by the reason", ["reason"])
