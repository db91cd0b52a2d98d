-- Sign-ins, and which of them count no more.

-- One sign-in of a member on one device, kept alive by refresh tokens. A refresh token is not kept, not even as a hash: it
-- is computed from the sign-in, the generation and the seed under a key that is not in the database. A token of an
-- earlier generation is a copy, and ends the sign-in.
CREATE TABLE sign_ins (
    id         uuid PRIMARY KEY,
    member_id  uuid NOT NULL REFERENCES members (id),
    generation integer NOT NULL DEFAULT 1 CHECK (generation > 0),
    seed       bytea NOT NULL CHECK (octet_length(seed) = 16),
    created_at timestamptz NOT NULL DEFAULT now(),
    renewed_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    ended_at   timestamptz
);

CREATE INDEX sign_ins_live ON sign_ins (member_id, renewed_at) WHERE ended_at IS NULL;
CREATE INDEX sign_ins_over ON sign_ins (expires_at);

-- Sign-ins that ended while access tokens of theirs may still be valid: the edges ask for them twice a second. A row counts
-- until the last of those tokens is over.
CREATE TABLE revocations (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sign_in_id uuid NOT NULL,
    until      timestamptz NOT NULL,
    -- The moment of the insert, not of the transaction's beginning: whoever reads what is new goes by it.
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX revocations_new ON revocations (created_at);
