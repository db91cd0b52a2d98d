-- A product that is sold by draw is refused to an order that has no right to it.
ALTER TABLE orders
    DROP CONSTRAINT orders_refusal_check,
    ADD CONSTRAINT orders_refusal_check
        CHECK (refusal IN ('sold_out', 'unknown_product', 'invalid', 'not_open', 'closed', 'not_for_sale',
                           'price_changed', 'limit_reached', 'no_right'));
