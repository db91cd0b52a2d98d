-- Products, their stock, orders, holds, payments, and the outbox.
--
-- Only order-worker writes stock, orders, holds, payments and outbox. catalog-api writes products (and a
-- product's first stock row) and reads the rest.

CREATE TABLE products (
    id          text PRIMARY KEY CHECK (id ~ '^[a-z0-9][a-z0-9-]{0,63}$'),
    name        text NOT NULL CHECK (name <> ''),
    description text NOT NULL DEFAULT '',
    price_minor bigint NOT NULL CHECK (price_minor >= 0),
    currency    text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    -- How long a new order's units are held for its payment.
    hold_seconds integer NOT NULL DEFAULT 1800 CHECK (hold_seconds BETWEEN 1 AND 86400),
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);

-- One row a product, and the row that every order of the product locks. Available units are derived:
-- on_hand - held - sold. The constraint is the last word on overselling, whatever the code believes.
CREATE TABLE stock (
    product_id text PRIMARY KEY REFERENCES products (id),
    on_hand    bigint NOT NULL CHECK (on_hand >= 0),
    held       bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
    sold       bigint NOT NULL DEFAULT 0 CHECK (sold >= 0),
    -- Grows by one with every change, so that a reader can tell old news from new.
    version    bigint NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT stock_never_oversold CHECK (held + sold <= on_hand)
) WITH (fillfactor = 50);
-- This row changes with every batch. Room on its page, and no index on a column that changes, make each of those
-- changes a heap-only update; the table is small enough to be read whole.

CREATE TABLE orders (
    -- Derived from shopper and idempotency key: the primary key is what makes a repeated request one order.
    id          uuid PRIMARY KEY,
    shopper     text NOT NULL,
    -- SHA-256 of the request (hexadecimal).
    fingerprint text NOT NULL,
    state       text NOT NULL CHECK (state IN ('held', 'refused', 'paid', 'cancelled', 'payment_failed',
                                               'expired', 'refund_due', 'refunded')),
    refusal     text CHECK (refusal IN ('sold_out', 'unknown_product', 'invalid')),
    total_minor bigint,
    currency    text,
    version     integer NOT NULL DEFAULT 1,
    accepted_at timestamptz NOT NULL,
    decided_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    CHECK ((state = 'refused') = (refusal IS NOT NULL))
) WITH (fillfactor = 80);

-- What an order contains, with name and price as they were when it was decided.
--
-- Lines and holds name their order without a foreign key: one writer inserts them in the statement batch that
-- inserts the order, and the check, which PostgreSQL makes row by row, took as long as the inserts themselves.
CREATE TABLE order_lines (
    order_id         uuid NOT NULL,
    line_number      smallint NOT NULL,
    product_id       text NOT NULL,
    name             text NOT NULL,
    quantity         bigint NOT NULL CHECK (quantity > 0),
    unit_price_minor bigint NOT NULL CHECK (unit_price_minor >= 0),
    PRIMARY KEY (order_id, line_number)
);

-- A hold keeps the units of an order (all its lines) until it is resolved. An order may be held again after an
-- expiry, when its payment comes late and units are left: hence the attempt.
CREATE TABLE holds (
    order_id   uuid NOT NULL,
    attempt    smallint NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    -- True until its resolution is written, in the same transaction; it exists for the index below.
    open       boolean NOT NULL DEFAULT true,
    PRIMARY KEY (order_id, attempt)
) WITH (fillfactor = 80);

CREATE INDEX holds_due ON holds (expires_at) WHERE open;

-- How a hold ended, by a record of its own. The primary key is what makes it end exactly once.
CREATE TABLE hold_resolutions (
    order_id    uuid NOT NULL,
    attempt     smallint NOT NULL,
    resolution  text NOT NULL CHECK (resolution IN ('posted', 'voided', 'expired')),
    resolved_at timestamptz NOT NULL,
    PRIMARY KEY (order_id, attempt),
    FOREIGN KEY (order_id, attempt) REFERENCES holds (order_id, attempt)
);

-- What the payment provider reported, one row a report. The primary key drops repeated reports.
CREATE TABLE payment_reports (
    event_id          text PRIMARY KEY,
    order_id          uuid NOT NULL,
    payment_reference text NOT NULL,
    outcome           text NOT NULL CHECK (outcome IN ('captured', 'failed')),
    amount_minor      bigint,
    currency          text,
    reason            text,
    received_at       timestamptz NOT NULL
);

CREATE INDEX payment_reports_order ON payment_reports (order_id);

-- Money that is owed back: captured, but its units were gone. Settled by a reconciler through the provider.
CREATE TABLE refunds (
    payment_reference text PRIMARY KEY,
    order_id          uuid NOT NULL REFERENCES orders (id),
    amount_minor      bigint NOT NULL CHECK (amount_minor > 0),
    currency          text NOT NULL,
    due_at            timestamptz NOT NULL,
    refunded_at       timestamptz,
    -- How often the provider was asked in vain, and when it will be asked (again).
    failed_attempts   integer NOT NULL DEFAULT 0,
    next_attempt_at   timestamptz NOT NULL
);

CREATE INDEX refunds_due ON refunds (next_attempt_at) WHERE refunded_at IS NULL;
CREATE INDEX refunds_order ON refunds (order_id);

-- Events written in the transaction that made them true; the relay publishes and then deletes them. The payload is
-- json, not jsonb: it is passed on as it was written and never searched.
CREATE TABLE outbox (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    routing_key text NOT NULL,
    payload     json NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000); -- nearly always empty, always busy
