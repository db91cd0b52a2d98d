-- Whom the shop tells of its orders by webhooks (Standard Webhooks). Secrets are derived from a key of the worker's; none
-- stands here.
CREATE TABLE webhook_endpoints (
    id            uuid PRIMARY KEY,
    url           text NOT NULL CHECK (url ~ '^https?://' AND length(url) <= 2000),
    created_at    timestamptz NOT NULL DEFAULT now(),
    -- Since when nothing was taken; empty while things are.
    failing_since timestamptz,
    -- When it was given up, after a day of that.
    disabled_at   timestamptz
);

-- What each endpoint is to be told, written in the transaction that made it true.
CREATE TABLE webhook_deliveries (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    endpoint_id     uuid NOT NULL REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
    kind            text NOT NULL,
    data            json NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    attempts        integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    delivered_at    timestamptz
);

CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_attempt_at) WHERE delivered_at IS NULL;
CREATE INDEX webhook_deliveries_of_endpoint ON webhook_deliveries (endpoint_id, created_at);
CREATE INDEX webhook_deliveries_done ON webhook_deliveries (delivered_at) WHERE delivered_at IS NOT NULL;
