//! Drops on the real line: with random trouble, without, and those that once went wrong.

use waiting_room_simulation::{Report, Scenario, World};

/// On a violation the seed is in the panic: it goes into seeds.txt.
#[expect(clippy::expect_used, reason = "a broken promise fails the test")]
fn run(scenario: Scenario) -> Report {
    World::new(scenario).run(|_| ()).expect("a promise was broken")
}

#[test]
fn small_drops_with_random_trouble_break_no_promise() {
    let reports: Vec<Report> = (0..30).map(|seed| run(Scenario::small(seed))).collect();
    let total = |count: fn(&Report) -> u64| reports.iter().map(count).sum::<u64>();
    assert!(total(|report| report.admitted) > 4_000, "people came in");
    assert!(total(|report| report.disturbances) > 150, "there was trouble");
    assert_eq!(
        total(|report| report.places_lost + report.numbers_doubled + report.overshoot),
        0
    );
}

#[test]
fn the_big_drop_is_served_to_the_last_shopper() {
    let report = run(Scenario::big(1, 3_000, 4));
    assert_eq!((report.left_waiting, report.places_lost), (0, 0), "{report:?}");
    assert_eq!(report.disturbances, 14);
    assert!(report.admitted > 2_500, "{report:?}");
}

#[test]
fn without_trouble_the_rate_is_met_in_every_minute() {
    for seed in 0..2 {
        let report = run(Scenario::steady(seed));
        assert!(report.minutes_measured > 600, "{report:?}");
        assert!(report.rate_error.unwrap() <= 0.05, "{report:?}");
    }
}

/// Of a fair draw, the z-scores of many seeds have a mean of 0 and a variance of 1. With these bounds a fair draw would
/// fail once in a thousand sets of seeds; these seeds are fixed.
#[test]
fn early_arrival_in_the_pre_queue_buys_nothing() {
    let scores = (0..300).map(|seed| run(Scenario::pre_queue(seed)).shuffle_statistic.unwrap());
    let scores: Vec<f64> = scores.collect();
    let count = f64::from(u32::try_from(scores.len()).unwrap());
    let mean = scores.iter().sum::<f64>() / count;
    let variance = scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / count;
    assert!(mean.abs() * count.sqrt() < 3.3, "the mean of {count} is {mean}");
    assert!(
        (variance - 1.0).abs() < 3.3 * (2.0 / count).sqrt(),
        "the variance is {variance}"
    );
}

#[test]
fn the_same_seed_is_the_same_run() {
    let report = run(Scenario::small(7));
    assert_eq!(report, run(Scenario::small(7)));
    assert_ne!(report.admitted, run(Scenario::small(8)).admitted);
}

#[test]
fn seeds_that_once_broke_a_promise_do_so_no_more() {
    let seeds = include_str!("../seeds.txt")
        .lines()
        .filter(|line| !line.starts_with('#'));
    for line in seeds {
        let (kind, seed) = line.split_once(' ').unwrap();
        let seed = seed.parse().unwrap();
        run(match kind {
            "small" => Scenario::small(seed),
            "steady" => Scenario::steady(seed),
            other => panic!("{other} is no kind of drop"),
        });
    }
}
