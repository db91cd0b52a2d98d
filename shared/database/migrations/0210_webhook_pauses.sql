-- An endpoint that takes nothing is left alone for a while, and then tried with one delivery: it must not keep others
-- waiting.
ALTER TABLE webhook_endpoints ADD COLUMN paused_until timestamptz;

-- What is due is looked for endpoint by endpoint.
CREATE INDEX webhook_deliveries_waiting ON webhook_deliveries (endpoint_id, next_attempt_at) WHERE delivered_at IS NULL;
DROP INDEX webhook_deliveries_due;
