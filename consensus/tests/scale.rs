//! What agreement costs as the committee grows: 4, 31, 100 and 400 validators in Norwegian cities, one
//! leader in five offline, with and without leader skip.
//!
//! Ignored by default: `make scale` prints the tables of specs/performance.md, in the dev profile,
//! since the figures are simulated milliseconds and counts, which no profile changes.
//!
//! A link's one-way time is the great-circle distance, half as much again because cables go round
//! mountains and fjords, at 200 km per millisecond (light in glass), and half a millisecond for
//! equipment, rounded up to whole milliseconds; up to one more is drawn for each packet. The
//! positions are those of the cities' centres, to a tenth of a degree. A check of a block takes
//! 5 ms, a build less than that; disks take no time here.

#![allow(dead_code)] // Each test program uses its part of what they share.
#![allow(clippy::unwrap_used)]

mod world;

use consensus::Config;
use world::{Character, World};

/// Name, degrees north, degrees east.
const CITIES: [(&str, f64, f64); 12] = [
    ("Oslo", 59.9, 10.8),
    ("Bergen", 60.4, 5.3),
    ("Trondheim", 63.4, 10.4),
    ("Stavanger", 59.0, 5.7),
    ("Kristiansand", 58.1, 8.0),
    ("Ålesund", 62.5, 6.2),
    ("Hamar", 60.8, 11.1),
    ("Skien", 59.2, 9.6),
    ("Bodø", 67.3, 14.4),
    ("Tromsø", 69.6, 19.0),
    ("Alta", 70.0, 23.3),
    ("Kirkenes", 69.7, 30.0),
];
const EARTH_RADIUS_KM: f64 = 6371.0;
const DETOUR: f64 = 1.5;
const KM_PER_MS: f64 = 200.0;
const EQUIPMENT_MS: f64 = 0.5;

/// Great-circle distance (haversine formula).
fn distance_km(from: usize, to: usize) -> f64 {
    let ((_, lat, lon), (_, other_lat, other_lon)) = (CITIES[from], CITIES[to]);
    let half = |one: f64, other: f64| ((other - one).to_radians() / 2.0).sin().powi(2);
    let (a, b) = (lat.to_radians().cos(), other_lat.to_radians().cos());
    let h = half(lat, other_lat) + a * b * half(lon, other_lon);
    2.0 * EARTH_RADIUS_KM * h.sqrt().asin()
}

fn one_way_ms(from: usize, to: usize) -> u64 {
    (distance_km(from, to) * DETOUR / KM_PER_MS + EQUIPMENT_MS).ceil() as u64
}

/// What the middle one of a hundred took, and all but one.
fn percentiles(mut all: Vec<u64>) -> (u64, u64) {
    all.sort_unstable();
    let at = |percent: usize| all[(all.len() - 1) * percent / 100];
    (at(50), at(99))
}

#[test]
fn distances_are_those_on_the_map() {
    // Oslo to Bergen is 305 km, Oslo to Tromsø 1,145 km, Kristiansand to Kirkenes about 1,660 km.
    for (from, to, km) in [(0, 1, 305.0), (0, 9, 1145.0), (4, 11, 1660.0)] {
        let found = distance_km(from, to);
        assert!((found - km).abs() < 20.0, "{} to {}: {found} km", CITIES[from].0, CITIES[to].0);
    }
    assert_eq!((one_way_ms(0, 0), one_way_ms(0, 1), one_way_ms(4, 11)), (1, 3, 13));
}

/// Prints one line of the table.
fn measure(validators: usize, offline: usize, skip: bool) {
    let config = Config {
        leader_skip_views: if skip { 16 } else { 0 },
        // Nobody misbehaves here, and four hundred cores share this machine's memory.
        view_window: 8,
        ..Config::default()
    };
    let mut world = World::quiet(1, &vec![Character::Honest; validators], config);
    world.weather(|network| network.links(|from, to| one_way_ms(from % CITIES.len(), to % CITIES.len())));
    world.weather(|network| network.between(0, 1));
    world.steady(5);
    // Every so-manieth, so that the cities and the rotation both lose theirs evenly.
    for turn in 0..offline {
        world.stop(turn * validators / offline);
    }
    let online: Vec<usize> = (0..validators).filter(|at| !world.is_dead(*at)).collect();
    let pay = |world: &mut World, seconds: u64| {
        for _ in 0..seconds * 10 {
            world.submit(&online);
            world.pass(100);
        }
    };
    // Until silent leaders are known as such; then as long again.
    let seconds = match validators {
        0..=31 => 40,
        32..=100 => 30,
        _ => 12,
    };
    pay(&mut world, seconds);
    world.measure();
    let blocks = world.checker.height().0;
    let views = world.core(online[0]).unwrap().view().0;
    pay(&mut world, seconds);
    let blocks = world.checker.height().0 - blocks;
    let views = world.core(online[0]).unwrap().view().0 - views;
    let per = (online.len() as u64 * blocks) as f64;
    let measures = world.measured();
    let (block_p50, block_p99) = percentiles(measures.finality_ms);
    let (payment_p50, payment_p99) = percentiles(measures.payment_ms);
    println!(
        "| {validators} | {offline} | {} | {:.2} | {views} | {block_p50} / {block_p99} | {payment_p50} / {payment_p99} | {:.1} | {:.0} | {:.0} |",
        if skip { "yes" } else { "no" },
        blocks as f64 / seconds as f64,
        measures.bytes as f64 / per / 1024.0,
        measures.messages as f64 / per,
        measures.checks as f64 / per,
    );
    assert!(blocks > 0);
}

#[test]
#[ignore = "takes minutes: make scale"]
fn what_agreement_costs_from_4_to_400_validators() {
    let largest = std::env::var("VALIDATORS").ok().and_then(|value| value.parse().ok()).unwrap_or(400);
    println!(
        "| validators | offline | leader skip | blocks per s | views | block to final, p50 / p99 ms | \
         payment to final, p50 / p99 ms | KiB sent per node and block | messages | signature checks |\n\
         |---|---|---|---|---|---|---|---|---|---|"
    );
    for validators in [4, 31, 100, 400].into_iter().filter(|validators| *validators <= largest) {
        measure(validators, 0, false);
        for skip in [false, true] {
            measure(validators, (validators / 5).max(1), skip);
        }
    }
}
