//! Orders with random trouble, and those that once went wrong.

use order_simulation::{Report, World};

/// On a violation the seed is in the panic: it goes into seeds.txt.
#[expect(clippy::expect_used, reason = "a broken promise fails the test")]
fn run(seed: u64, steps: u32) -> Report {
    World::new(seed).run(steps).expect("a promise was broken")
}

#[test]
fn orders_with_random_trouble_break_no_promise() {
    let reports: Vec<Report> = (0..300).map(|seed| run(seed, 400)).collect();
    let total = |count: fn(&Report) -> usize| reports.iter().map(count).sum::<usize>();
    assert!(total(|report| report.orders) > 10_000, "people ordered");
    assert!(total(|report| report.captured) > 1_000, "people paid");
    assert!(total(|report| report.refunds) > 300, "money went back");
    assert!(total(|report| report.restocked) > 100, "units came back");
    assert!(total(|report| report.crashes as usize) > 3_000, "processes died");
    assert!(
        total(|report| report.reports_lost as usize) > 200,
        "reports were lost"
    );
}

#[test]
fn the_same_seed_is_the_same_run() {
    assert_eq!(run(7, 400), run(7, 400));
    assert_ne!(run(7, 400), run(8, 400));
}

#[test]
fn seeds_that_once_broke_a_promise_do_so_no_more() {
    let seeds = include_str!("../seeds.txt")
        .lines()
        .filter(|line| !line.starts_with('#'));
    for line in seeds {
        let numbers: Vec<u64> = line.split(' ').map(|number| number.parse().unwrap()).collect();
        run(numbers[0], u32::try_from(numbers[1]).unwrap());
    }
}
