-- Events of one routing key travel together, a line of JSON each: a row of the outbox is a message, not an event.

ALTER TABLE outbox ALTER COLUMN payload TYPE text USING payload::text;
-- Out of line and as they are: they are gone in a moment, and compressing them would cost more than it spares.
ALTER TABLE outbox ALTER COLUMN payload SET STORAGE EXTERNAL;
ALTER TABLE outbox SET (autovacuum_vacuum_threshold = 1000);
