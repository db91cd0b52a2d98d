-- Draws: members enter once within a window, every entry gets a rank by lot, and ranks hold rights to buy, in their order.
--
-- Only catalog-api writes these. order-worker reads whether a product is sold by draw, and which right an order has.

CREATE TABLE draws (
    id            text PRIMARY KEY CHECK (id ~ '^[a-z0-9][a-z0-9-]{0,63}$'),
    product_id    text NOT NULL REFERENCES products (id),
    title         text NOT NULL CHECK (title <> ''),
    -- A right is for one unit.
    units         bigint NOT NULL CHECK (units > 0),
    opens_at      timestamptz NOT NULL,
    closes_at     timestamptz NOT NULL,
    right_seconds integer NOT NULL CHECK (right_seconds > 0),
    stage         text NOT NULL DEFAULT 'taking'
                  CHECK (stage IN ('taking', 'frozen', 'drawn', 'selling', 'finished', 'cancelled')),
    -- SHA-256 of the secret, which is derived from a key and stored nowhere until it is revealed.
    commitment    bytea NOT NULL CHECK (length(commitment) = 32),
    -- The hash and the length of the public log, so that a line can be added without reading those before.
    log_head      bytea NOT NULL CHECK (length(log_head) = 32),
    log_lines     bigint NOT NULL CHECK (log_lines >= 0),
    -- The head after the freeze, which the order comes from.
    frozen_head   bytea CHECK (length(frozen_head) = 32),
    -- What the order is computed from, once the secret is revealed.
    seed          bytea CHECK (length(seed) = 32),
    -- The next entry's number.
    entries       bigint NOT NULL DEFAULT 0 CHECK (entries >= 0),
    -- Ranks below this were offered a right or had left.
    offered_below bigint NOT NULL DEFAULT 0,
    open_rights   bigint NOT NULL DEFAULT 0 CHECK (open_rights >= 0),
    bought        bigint NOT NULL DEFAULT 0 CHECK (bought >= 0),
    lapsed        bigint NOT NULL DEFAULT 0 CHECK (lapsed >= 0),
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (closes_at > opens_at),
    CHECK (offered_below <= entries),
    CHECK ((seed IS NOT NULL) = (stage IN ('drawn', 'selling', 'finished'))),
    -- The last word on rights, whatever the code believes.
    CONSTRAINT draws_never_promise_more_than_there_is CHECK (open_rights + bought <= units)
) WITH (fillfactor = 50);
-- This row changes with every group of entries: room on its page, and no index on a column that changes then.

-- A product is sold by one draw at a time, and as long as that draw is on by nothing else.
CREATE UNIQUE INDEX draws_of_product ON draws (product_id) WHERE stage NOT IN ('finished', 'cancelled');

-- The public log, line by line, without the title. A line that is there never changes.
CREATE TABLE draw_log (
    draw_id     text NOT NULL REFERENCES draws (id),
    line_number bigint NOT NULL CHECK (line_number > 0),
    line        text NOT NULL,
    PRIMARY KEY (draw_id, line_number)
);

-- Who entered. The rank is nowhere: it is computed from the number and the draw's seed.
CREATE TABLE draw_entries (
    draw_id     text NOT NULL,
    -- In the order of entering, from 0.
    number      bigint NOT NULL CHECK (number >= 0),
    member_id   uuid NOT NULL,
    -- What stands for the entry in the log: random bytes.
    entry_id    bytea NOT NULL CHECK (length(entry_id) = 12),
    -- The first number of those that entered in the same line of the log.
    group_first bigint NOT NULL,
    entered_at  timestamptz NOT NULL,
    -- Its number stays in the draw, and its turn is passed over.
    left_at     timestamptz,
    PRIMARY KEY (draw_id, number),
    CONSTRAINT draw_entries_once_a_member UNIQUE (draw_id, member_id)
);

CREATE INDEX draw_entries_left ON draw_entries (draw_id, number) WHERE left_at IS NOT NULL;

-- The right to buy one unit. The two keys are what makes it one a rank and one a member.
CREATE TABLE purchase_rights (
    draw_id    text NOT NULL,
    rank       bigint NOT NULL CHECK (rank >= 0),
    member_id  uuid NOT NULL,
    product_id text NOT NULL,
    state      text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'bought', 'lapsed')),
    granted_at timestamptz NOT NULL,
    lapses_at  timestamptz NOT NULL,
    -- The order that was placed with it.
    order_id   uuid,
    claimed_at timestamptz,
    PRIMARY KEY (draw_id, rank),
    CONSTRAINT purchase_rights_one_a_member UNIQUE (draw_id, member_id),
    CHECK ((order_id IS NULL) = (claimed_at IS NULL)),
    CHECK (state <> 'bought' OR order_id IS NOT NULL)
) WITH (fillfactor = 80);

CREATE INDEX purchase_rights_due ON purchase_rights (draw_id, lapses_at) WHERE state = 'open' AND order_id IS NULL;
CREATE INDEX purchase_rights_in_use ON purchase_rights (draw_id, rank) WHERE state = 'open' AND order_id IS NOT NULL;
CREATE INDEX purchase_rights_order ON purchase_rights (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX purchase_rights_member ON purchase_rights (member_id, product_id);
