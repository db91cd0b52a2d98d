-- What the shop shows of a product, and when it may be ordered.
--
-- "Sold out" is no state: it is true while nothing is available, and stops being true by itself.

ALTER TABLE products
    ADD COLUMN category  text CHECK (category ~ '^[a-z0-9][a-z0-9-]{0,63}$'),
    ADD COLUMN kind      text NOT NULL DEFAULT 'limited' CHECK (kind IN ('ordinary', 'limited')),
    ADD COLUMN images    text[] NOT NULL DEFAULT '{}' CHECK (cardinality(images) <= 8),
    ADD COLUMN state     text NOT NULL DEFAULT 'on_sale' CHECK (state IN ('on_sale', 'stopped', 'retired')),
    -- By this database's clock, which the order worker asks in the transaction that decides.
    ADD COLUMN opens_at  timestamptz,
    ADD COLUMN closes_at timestamptz,
    -- Grows by one with every change, so that nobody changes what they have not seen.
    ADD COLUMN version   bigint NOT NULL DEFAULT 1,
    ADD CONSTRAINT products_open_before_they_close CHECK (opens_at < closes_at);

-- For the read of what changed lately. Stock has no such index on purpose (0001): it is narrow, and is read whole.
CREATE INDEX products_updated ON products (updated_at);

ALTER TABLE orders
    DROP CONSTRAINT orders_refusal_check,
    ADD CONSTRAINT orders_refusal_check
        CHECK (refusal IN ('sold_out', 'unknown_product', 'invalid', 'not_open', 'closed', 'not_for_sale',
                           'price_changed'));

-- Units that came or went otherwise than by orders, one row a change. The primary key makes a repeated request one
-- change. catalog-api writes the row, the stock and the event in one transaction, under the lock on the stock row that
-- the order worker takes too; it changes on_hand and version, and nothing else of that row.
CREATE TABLE stock_adjustments (
    id         uuid PRIMARY KEY,
    product_id text NOT NULL REFERENCES products (id),
    units      bigint NOT NULL CHECK (units <> 0),
    reason     text NOT NULL,
    -- Who did it.
    actor      text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
