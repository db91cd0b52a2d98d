//! Money: integer minor units of one currency. There is no floating point anywhere near a price.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Why two amounts could not be joined, or a text is no currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The amounts are of two currencies.
    #[error("amounts of two currencies cannot be added")]
    TwoCurrencies,
    /// The sum or product does not fit 64 bits.
    #[error("the amount is too large")]
    TooLarge,
    /// Not three capital letters.
    #[error("a currency is three capital letters (ISO 4217)")]
    NotACurrency,
}

/// An ISO 4217 code such as `KRW` (no minor unit) or `EUR` (cents).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(
    feature = "schema",
    derive(utoipa::ToSchema),
    schema(value_type = String, pattern = "^[A-Z]{3}$", examples("KRW"))
)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The code, three capital letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        match text.as_bytes() {
            [a, b, c] if text.bytes().all(|l| l.is_ascii_uppercase()) => Ok(Self([*a, *b, *c])),
            _ => Err(MoneyError::NotACurrency),
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = MoneyError;

    fn try_from(text: String) -> Result<Self, MoneyError> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> String {
        currency.as_str().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An amount: `minor` units (cents, won) of `currency`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Money {
    /// Integer minor units.
    pub minor: i64,
    /// Of which currency.
    pub currency: Currency,
}

impl Money {
    /// `minor` units of `currency`.
    pub fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// The sum of two amounts of one currency.
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::TwoCurrencies);
        }
        let minor = self.minor.checked_add(other.minor).ok_or(MoneyError::TooLarge)?;
        Ok(Self { minor, ..self })
    }

    /// This amount `quantity` times.
    pub fn times(self, quantity: u32) -> Result<Self, MoneyError> {
        let minor = self
            .minor
            .checked_mul(i64::from(quantity))
            .ok_or(MoneyError::TooLarge)?;
        Ok(Self { minor, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_add_within_one_currency_and_within_64_bits() {
        let (krw, eur): (Currency, Currency) = ("KRW".parse().unwrap(), "EUR".parse().unwrap());
        let price = Money::new(129_000, krw);
        assert_eq!(price.times(3), Ok(Money::new(387_000, krw)));
        assert_eq!(price.plus(Money::new(1, krw)), Ok(Money::new(129_001, krw)));
        assert_eq!(price.plus(Money::new(1, eur)), Err(MoneyError::TwoCurrencies));
        assert_eq!(Money::new(i64::MAX, krw).plus(price), Err(MoneyError::TooLarge));
        assert_eq!(Money::new(i64::MAX, krw).times(2), Err(MoneyError::TooLarge));
    }

    #[test]
    fn a_currency_is_three_capital_letters() {
        for bad in ["", "KR", "krw", "KRWX", "K1W"] {
            assert_eq!(bad.parse::<Currency>(), Err(MoneyError::NotACurrency), "{bad}");
        }
    }
}
