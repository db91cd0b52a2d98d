-- What comes after a hold: payments that were started, orders on their way and back, refunds in part, and how much of a
-- product one customer may have.

ALTER TABLE products
    -- Units that one customer may have, held or sold; as many as there are when it is not set.
    ADD COLUMN per_customer integer CHECK (per_customer > 0);

ALTER TABLE orders
    DROP CONSTRAINT orders_state_check,
    ADD CONSTRAINT orders_state_check
        CHECK (state IN ('held', 'refused', 'paid', 'cancelled', 'payment_failed', 'payment_abandoned', 'expired',
                         'shipped', 'delivered', 'confirmed', 'return_requested', 'refund_due', 'refunded')),
    DROP CONSTRAINT orders_refusal_check,
    ADD CONSTRAINT orders_refusal_check
        CHECK (refusal IN ('sold_out', 'unknown_product', 'limit_reached', 'invalid', 'not_open', 'closed',
                           'not_for_sale', 'price_changed')),
    -- When time alone moves a paid order on: it is shipped, delivered, confirmed, or its return ends.
    ADD COLUMN next_step_at timestamptz,
    ADD COLUMN refund_reason text
        CHECK (refund_reason IN ('units_gone', 'wrong_amount', 'cancelled', 'returned')),
    -- What went back to the shopper so far.
    ADD COLUMN refunded_minor bigint NOT NULL DEFAULT 0 CHECK (refunded_minor >= 0);

UPDATE orders SET refund_reason = 'units_gone' WHERE state IN ('refund_due', 'refunded');
UPDATE orders SET next_step_at = updated_at + interval '1 day' WHERE state = 'paid';

ALTER TABLE orders
    ADD CONSTRAINT orders_refund_reason
        CHECK ((state IN ('refund_due', 'refunded')) = (refund_reason IS NOT NULL)),
    ADD CONSTRAINT orders_next_step
        CHECK ((state IN ('paid', 'shipped', 'delivered', 'return_requested')) = (next_step_at IS NOT NULL));

CREATE INDEX orders_due ON orders (next_step_at) WHERE next_step_at IS NOT NULL;
-- A shopper's orders, the newest first.
CREATE INDEX orders_of_shopper ON orders (shopper, decided_at DESC, id DESC);

ALTER TABLE holds
    -- Whether it was made longer because its payment had started; that happens once.
    ADD COLUMN extended boolean NOT NULL DEFAULT false;

-- A sale that was undone: its units are for sale again. The primary key is what puts them back once.
CREATE TABLE restocks (
    order_id     uuid PRIMARY KEY REFERENCES orders (id),
    reason       text NOT NULL CHECK (reason IN ('cancelled', 'returned')),
    restocked_at timestamptz NOT NULL
);

-- Payments that we have heard of. The constraint is the last word on giving back more than was taken.
CREATE TABLE payments (
    order_id          uuid NOT NULL REFERENCES orders (id),
    payment_reference text NOT NULL,
    state             text NOT NULL CHECK (state IN ('started', 'captured', 'ended')),
    captured_minor    bigint NOT NULL DEFAULT 0,
    currency          text,
    -- What of it went back or is to go back: the sum of its refunds.
    owed_back_minor   bigint NOT NULL DEFAULT 0,
    started_at        timestamptz NOT NULL,
    -- When the provider is asked what became of it, if nothing is heard before.
    ask_at            timestamptz,
    asked             integer NOT NULL DEFAULT 0,
    PRIMARY KEY (order_id, payment_reference),
    CONSTRAINT payments_never_overdrawn CHECK (owed_back_minor BETWEEN 0 AND captured_minor),
    CHECK ((state = 'captured') = (currency IS NOT NULL)),
    CHECK (state = 'captured' OR captured_minor = 0)
);

CREATE INDEX payments_to_ask ON payments (ask_at) WHERE ask_at IS NOT NULL;

ALTER TABLE payment_reports
    DROP CONSTRAINT payment_reports_outcome_check,
    ADD CONSTRAINT payment_reports_outcome_check CHECK (outcome IN ('captured', 'failed', 'abandoned'));

-- Refunds have a name of their own, so that one payment may have several.
ALTER TABLE refunds ADD COLUMN id text;
UPDATE refunds SET id = 'unbought-' || payment_reference;
ALTER TABLE refunds DROP CONSTRAINT refunds_pkey, ADD PRIMARY KEY (id);

INSERT INTO payments (order_id, payment_reference, state, captured_minor, currency, owed_back_minor, started_at)
SELECT order_id, payment_reference, 'captured', max(amount_minor), max(currency),
       coalesce((SELECT sum(refunds.amount_minor)
                   FROM refunds
                  WHERE refunds.order_id = payment_reports.order_id
                    AND refunds.payment_reference = payment_reports.payment_reference), 0),
       min(received_at)
  FROM payment_reports
 WHERE outcome = 'captured'
   AND EXISTS (SELECT FROM orders WHERE orders.id = payment_reports.order_id)
 GROUP BY order_id, payment_reference;

-- What a customer has of a product that is limited: units held and sold. A row is made when it is first needed, from the
-- orders that there are; the constraint is the last word on the limit.
CREATE TABLE customer_units (
    product_id text NOT NULL REFERENCES products (id),
    shopper    text NOT NULL,
    units      bigint NOT NULL CHECK (units >= 0),
    -- The limit when the row was written; more only for whoever had more before the limit was lowered.
    at_most    bigint NOT NULL,
    PRIMARY KEY (product_id, shopper),
    CONSTRAINT customer_units_limited CHECK (units <= at_most)
) WITH (fillfactor = 80);

-- Another limit: what customers have is counted afresh, because nobody counts where there is no limit. The lock is the
-- one that whoever decides orders of the product holds.
CREATE FUNCTION forget_customer_units() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM stock WHERE product_id = NEW.id FOR UPDATE;
    DELETE FROM customer_units WHERE product_id = NEW.id;
    RETURN NULL;
END
$$;

CREATE TRIGGER products_limit_changed
    AFTER UPDATE OF per_customer ON products
    FOR EACH ROW WHEN (OLD.per_customer IS DISTINCT FROM NEW.per_customer)
    EXECUTE FUNCTION forget_customer_units();
