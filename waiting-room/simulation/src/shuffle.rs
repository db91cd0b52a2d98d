//! What early arrival is worth.

use crate::figures::float;

/// How far early arrival and early rank go together: Spearman's coefficient of the order of arrival (that is the
/// index) and the rank, as a z-score. Without any connection it is from -3 to 3 but for three draws in a thousand.
/// Nothing for fewer than three.
pub fn early_arrival_z(ranks: &[u32]) -> Option<f64> {
    if ranks.len() < 3 {
        return None;
    }
    let first = ranks.iter().min().copied().unwrap_or(0);
    let count = float(ranks.len() as u64);
    let distances = ranks.iter().zip(0u64..).map(|(rank, arrival)| {
        let distance = float(u64::from(rank - first)) - float(arrival);
        distance * distance
    });
    let distances: f64 = distances.sum();
    let coefficient = 1.0 - 6.0 * distances / (count * (count * count - 1.0));
    Some(coefficient * (count - 1.0).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_come_first_served_is_seen() {
        let ranks: Vec<u32> = (50..150).collect();
        assert!(early_arrival_z(&ranks).unwrap() > 9.0);
        let ranks: Vec<u32> = (50..150).rev().collect();
        assert!(early_arrival_z(&ranks).unwrap() < -9.0);
        assert_eq!(early_arrival_z(&[1, 0]), None);
    }
}
