//! An amount in words that a shopper reads.

use contract::Money;

/// Currencies of ISO 4217 without a minor unit, and those with a thousandth.
const WITHOUT_MINOR: [&str; 15] = [
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XPF",
];
const THOUSANDTHS: [&str; 7] = ["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"];

/// The amount with its currency, digits in groups of three: `129,000 KRW`, `12.50 EUR`.
pub fn amount_text(money: Money) -> String {
    let digits = minor_digits(money.currency.as_str());
    let scale = 10_u64.pow(digits);
    let (whole, part) = (
        money.minor.unsigned_abs() / scale,
        money.minor.unsigned_abs() % scale,
    );
    let sign = if money.minor < 0 { "-" } else { "" };
    let width = usize::try_from(digits).unwrap_or_default();
    let part = if digits == 0 {
        String::new()
    } else {
        format!(".{part:0width$}")
    };
    format!("{sign}{}{part} {}", grouped(whole), money.currency)
}

fn minor_digits(currency: &str) -> u32 {
    match currency {
        none if WITHOUT_MINOR.contains(&none) => 0,
        thousandths if THOUSANDTHS.contains(&thousandths) => 3,
        _ => 2,
    }
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_in_the_currencys_own_units() {
        for (minor, currency, text) in [
            (129_000, "KRW", "129,000 KRW"),
            (0, "KRW", "0 KRW"),
            (1_250, "EUR", "12.50 EUR"),
            (5, "EUR", "0.05 EUR"),
            (-123_456_789, "USD", "-1,234,567.89 USD"),
            (1_005, "KWD", "1.005 KWD"),
            (i64::MIN, "JPY", "-9,223,372,036,854,775,808 JPY"),
        ] {
            assert_eq!(amount_text(Money::new(minor, currency.parse().unwrap())), text);
        }
    }
}
