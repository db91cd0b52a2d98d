-- Where members' orders go, as it was when they were placed. Sealed for its order: the id is the order's, and like its lines
-- it names it without a foreign key. The worker writes it and cannot read it; it is erased with its member.
CREATE TABLE order_addresses (
    id        uuid PRIMARY KEY,
    member_id uuid NOT NULL REFERENCES members (id),
    details   bytea NOT NULL
);

CREATE INDEX order_addresses_of_member ON order_addresses (member_id);
