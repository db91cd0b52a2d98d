-- Steps of members' orders of which they are told by mail. The order worker writes a row in the transaction that takes the
-- step; catalog-api turns it into a mail. Nothing of the person stands here. The primary key tells of each step once.
CREATE TABLE order_mails (
    order_id   uuid NOT NULL REFERENCES orders (id),
    state      text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    mailed_at  timestamptz,
    PRIMARY KEY (order_id, state)
);

CREATE INDEX order_mails_open ON order_mails (created_at) WHERE mailed_at IS NULL;
