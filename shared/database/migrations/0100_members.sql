-- Members, and the mails that the shop owes them.
--
-- A bytea column that is not called an index or a code is sealed (AES-256-GCM, bound to table, row and column); an index
-- is a keyed hash that finds the row. Which columns are sealed is also written down in catalog-api/src/members/sealed.rs,
-- so that they can be sealed anew under another key.

CREATE TABLE members (
    id          uuid PRIMARY KEY,
    role        text NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'operator', 'admin')),
    language    text NOT NULL DEFAULT 'en' CHECK (language IN ('en', 'ko')),
    email       bytea,
    -- One account an address. Who signs up proves the address first, so nobody can keep somebody else's.
    email_index bytea UNIQUE CHECK (octet_length(email_index) = 32),
    name        bytea,
    phone       bytea,
    -- The number finds the member who gave it first; one that was taken stays without an index with the second.
    phone_index bytea UNIQUE CHECK (octet_length(phone_index) = 32),
    -- Argon2id in PHC form.
    password    text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    -- Nothing of the person is left; the row stays, because orders name it.
    erased_at   timestamptz,
    CHECK (erased_at IS NULL OR num_nonnulls(email, email_index, name, phone, phone_index, password) = 0),
    CHECK (erased_at IS NOT NULL OR num_nulls(email, email_index, name, password) = 0)
);

-- An outbox for mails, written in the transaction that gives the reason to write. Once a mail is over, what it said and
-- to whom is forgotten.
CREATE TABLE mails (
    id              uuid PRIMARY KEY,
    -- To a member, or to an address (sealed) of somebody who is none yet.
    member_id       uuid REFERENCES members (id),
    recipient       bytea,
    template        text NOT NULL,
    language        text NOT NULL CHECK (language IN ('en', 'ko')),
    parameters      bytea,
    created_at      timestamptz NOT NULL DEFAULT now(),
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    attempts        integer NOT NULL DEFAULT 0,
    sent_at         timestamptz,
    failed_at       timestamptz,
    CHECK (num_nonnulls(sent_at, failed_at) < 2),
    CHECK (num_nonnulls(sent_at, failed_at) = 1
           OR (num_nonnulls(member_id, recipient) = 1 AND parameters IS NOT NULL))
);

CREATE INDEX mails_due ON mails (next_attempt_at) WHERE sent_at IS NULL AND failed_at IS NULL;
CREATE INDEX mails_over ON mails (created_at) WHERE sent_at IS NOT NULL OR failed_at IS NOT NULL;
CREATE INDEX mails_member ON mails (member_id);
