-- Codes that prove somebody reads the mail of an address, wrong passwords that still count, and addresses.

CREATE TABLE member_codes (
    -- Drawn at random and told to whoever began.
    id         uuid PRIMARY KEY,
    purpose    text NOT NULL CHECK (purpose IN ('sign_up', 'password', 'sign_in', 'email')),
    -- Whose account it is about. A sign-up that has one is with an address that is taken: nobody is sent its code.
    member_id  uuid REFERENCES members (id),
    -- Keyed hash of id and code; random where nobody is to have a code.
    code       bytea NOT NULL CHECK (octet_length(code) = 32),
    -- What is to happen once the code was right (sealed JSON); forgotten when it has.
    details    bytea,
    attempts   integer NOT NULL DEFAULT 0,
    sends      integer NOT NULL DEFAULT 1,
    sent_at    timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);

CREATE INDEX member_codes_over ON member_codes (expires_at);
CREATE INDEX member_codes_member ON member_codes (member_id);

-- What makes one wait. The key is a keyed hash of what is counted, so that no address stands here.
CREATE TABLE tallies (
    key      bytea PRIMARY KEY CHECK (octet_length(key) = 32),
    failures integer NOT NULL CHECK (failures >= 0),
    last_at  timestamptz NOT NULL
);

CREATE INDEX tallies_over ON tallies (last_at);

CREATE TABLE addresses (
    id         uuid PRIMARY KEY,
    member_id  uuid NOT NULL REFERENCES members (id),
    -- The whole address (sealed JSON).
    details    bytea NOT NULL,
    is_default boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX addresses_member ON addresses (member_id, created_at);
CREATE UNIQUE INDEX addresses_one_default ON addresses (member_id) WHERE is_default;
