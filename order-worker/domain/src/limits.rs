//! Bounds on everything that comes from outside, and how they relate.

/// Lines of one order.
pub const MAX_LINES: usize = 50;
/// Units of one line.
pub const MAX_QUANTITY: u32 = 1_000;
/// Commands in one batch, and holds expired at once.
pub const MAX_BATCH: usize = 1_024;
/// Holds that one order may have one after another; after that a late payment is given back.
pub const MAX_ATTEMPTS: i16 = 100;

const _: () = assert!(MAX_LINES <= i16::MAX as usize, "a line's number is a smallint");
const _: () = assert!(
    MAX_ATTEMPTS >= 2,
    "a payment that comes late may hold the units again"
);
const _: () = assert!(
    (MAX_LINES as u64) * (MAX_QUANTITY as u64) * (MAX_BATCH as u64) < i64::MAX as u64,
    "a batch cannot overflow a stock row"
);
