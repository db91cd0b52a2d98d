//! Everything has a limit, and the limits fit each other.

use std::time::Duration;

/// Different products in one order.
pub const LINES_MAX: usize = 20;
/// Different products in a cart.
pub const CART_LINES_MAX: usize = LINES_MAX;
/// Units of one product in one order.
pub const QUANTITY_MAX: u32 = 10;
/// Products on one page of a list.
pub const PAGE_MAX: usize = 100;
/// Products on a page when nobody says how many.
pub const PAGE_USUAL: usize = 24;
/// Characters of a cursor: those of the longest name, escaped as JSON and then in base64.
pub const CURSOR_MAX_CHARS: usize = 2_000;
/// Characters of a product's name.
pub const NAME_MAX_CHARS: usize = 200;
/// Characters of a product's description.
pub const DESCRIPTION_MAX_CHARS: usize = 2_000;
/// Pictures of a product.
pub const IMAGES_MAX: usize = 8;
/// Characters of the address of a picture.
pub const IMAGE_MAX_CHARS: usize = 500;
/// How long units may be held for a payment, in seconds.
pub const HOLD_MAX_SECONDS: i32 = 86_400;
/// The highest limit of units for one customer.
pub const PER_CUSTOMER_MAX: i32 = 1_000_000;
/// Units of one product.
pub const UNITS_MAX: i64 = 1_000_000_000;
/// The body of any request.
pub const BODY_MAX_BYTES: usize = 16 * 1024;
/// Characters of an idempotency key.
pub const KEY_MAX_CHARS: usize = 255;
/// How long a shopper may ask us to wait for a decision.
pub const WAIT_MAX: Duration = Duration::from_secs(30);
/// How long the broker may take to confirm a command before the shopper is told to try again.
pub const CONFIRM_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the look for an earlier order may hold up an answer.
pub const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(1);
/// How long one request may take, from its head to the answer.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(45);

/// Characters of a draw's title.
pub const DRAW_TITLE_MAX_CHARS: usize = 120;
/// Units of one draw.
pub const DRAW_UNITS_MAX: u32 = 1_000_000;
/// Entries of one draw.
pub const DRAW_ENTRIES_MAX: u64 = 10_000_000;
/// How long members may enter one draw.
pub const DRAW_WINDOW_MAX: time::Duration = time::Duration::days(90);
/// The shortest time that a right to buy lasts.
pub const DRAW_RIGHT_MIN: time::Duration = time::Duration::minutes(1);
/// The longest.
pub const DRAW_RIGHT_MAX: time::Duration = time::Duration::days(30);
/// How long an order under way may keep the right that it was placed with before it is decided.
pub const DRAW_CLAIM_LASTS: time::Duration = time::Duration::minutes(10);
/// Entries that one line of a draw's public log stands for.
pub const DRAW_GROUP_MAX: usize = 1024;

/// A line as JSON: a product id of 64 characters, a price, the field names, and generous white space.
const LINE_BYTES: usize = 64 + 256;

const _: () = assert!(
    LINES_MAX * LINE_BYTES < BODY_MAX_BYTES,
    "the largest order fits a body"
);
const _: () = assert!(
    DRAW_GROUP_MAX <= fairness::receipt::GROUP_MAX as usize,
    "a line of the log stands for no more than its auditors read"
);
const _: () = assert!(
    DRAW_CLAIM_LASTS.whole_seconds() > 10 * REQUEST_TIMEOUT.as_secs().cast_signed(),
    "an order is handed over, and normally decided, long before its claim ends"
);
const _: () = assert!(
    4 * (DESCRIPTION_MAX_CHARS + NAME_MAX_CHARS) + IMAGES_MAX * IMAGE_MAX_CHARS + 2_048 < BODY_MAX_BYTES,
    "the largest product fits a body"
);
const _: () = assert!(
    CURSOR_MAX_CHARS > 4 * (NAME_MAX_CHARS * 4 + 128) / 3,
    "a cursor that we make is one that we read"
);
const _: () = assert!(
    REQUEST_TIMEOUT.as_secs()
        > WAIT_MAX.as_secs() + CONFIRM_TIMEOUT.as_secs() + 2 * LOOK_UP_TIMEOUT.as_secs(),
    "the longest honest wait ends before the request is cut off"
);
