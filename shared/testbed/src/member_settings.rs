//! What a shop under test is told about members.

/// The settings of a shop under test that it cannot do without: keys that are known, and a mail server that is not there.
pub const MEMBER_SETTINGS: [(&str, &str); 5] = [
    (
        "PERSONAL_DATA_KEYS",
        "1 ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=",
    ),
    ("BLIND_INDEX_KEY", "QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8="),
    (
        "MEMBER_TOKEN_KEYS",
        "1 YGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6e3x9fn8=",
    ),
    ("MAIL_FROM", "The Drop Shop <shop@shop.example>"),
    ("SMTP_URL", "smtp://127.0.0.1:9"),
];
