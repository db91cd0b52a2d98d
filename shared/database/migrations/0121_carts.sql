-- What shoppers mean to buy. The owner is a session or a member, as on orders. catalog-api alone writes here.

CREATE TABLE carts (
    owner      text PRIMARY KEY,
    touched_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX carts_touched ON carts (touched_at);

CREATE TABLE cart_lines (
    owner      text NOT NULL REFERENCES carts (owner) ON DELETE CASCADE,
    product_id text NOT NULL REFERENCES products (id),
    quantity   integer NOT NULL CHECK (quantity > 0),
    added_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (owner, product_id)
);

-- Orders that have taken their lines out of a cart: the primary key makes that happen once.
CREATE TABLE cart_departures (
    order_id uuid PRIMARY KEY,
    left_at  timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX cart_departures_left ON cart_departures (left_at);
