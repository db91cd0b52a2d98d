//! What a line costs Redis.

use testbed::RedisNamespace;

/// The bytes of the keys of this run, every element counted, without those that end in `except`.
pub fn bytes(redis: &RedisNamespace, except: Option<&str>) -> anyhow::Result<u64> {
    let mut connection = redis::Client::open(redis.url())?.get_connection()?;
    let mut keys = redis.keys();
    keys.retain(|key| except.is_none_or(|end| !key.ends_with(end)));
    let mut sum = 0;
    for key in keys {
        let mut usage = redis::cmd("MEMORY");
        usage.arg("USAGE").arg(key).arg("SAMPLES").arg(0);
        // A key that is gone by now costs nothing.
        sum += usage.query::<Option<u64>>(&mut connection)?.unwrap_or_default();
    }
    Ok(sum)
}

/// Bytes a shopper, of what they were before and after so many joined.
#[expect(clippy::cast_precision_loss, reason = "bytes of a line fit a float exactly")]
pub fn a_shopper(before: u64, after: u64, shoppers: u32) -> f64 {
    (after as f64 - before as f64) / f64::from(shoppers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_shared_by_all() {
        assert!((a_shopper(400, 432, 16) - 2.0).abs() < f64::EPSILON);
        assert!((a_shopper(432, 400, 16) + 2.0).abs() < f64::EPSILON);
    }
}
