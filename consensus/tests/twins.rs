//! Twins, enumerated: four validators, one of which runs twice under one key; in each of the first
//! views the five instances are split in every possible way, for every turn at which the twins lead.
//!
//! The idea is that of *Twins: BFT Systems Made Robust* (Bano and others, OPODIS 2021): two correct
//! copies under one identity equivocate, forget and vote twice without a line of malicious code. Not
//! sampled: each scenario is run once. By symmetry the three correct validators keep their order, so
//! four rotations stand for all twenty-four.
//!
//! `TWINS=all` takes all partitions into any number of camps instead of two at most, and
//! `TWINS=four` four views instead of three.

#![allow(dead_code)] // Each test program uses its part of what they share.
#![allow(clippy::unwrap_used)]

mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use world::{Character, World};

/// Three correct validators, then the twins, who are instances 3 and 4.
const CHARACTERS: [Character; 4] =
    [Character::Honest, Character::Honest, Character::Honest, Character::Twin(false)];
const INSTANCES: usize = 5;

/// All ways to split the instances into at most so many camps, each written once: an instance's camp
/// is one that came before it, or the next new one.
fn partitions(camps_max: u8) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = vec![vec![]];
    for _ in 0..INSTANCES {
        let longer = all.iter().flat_map(|camps| {
            let new = camps.iter().max().map_or(0, |highest| highest + 1).min(camps_max - 1);
            (0..=new).map(move |camp| camps.iter().copied().chain([camp]).collect())
        });
        all = longer.collect();
    }
    all
}

#[test]
fn c9_partitions_are_written_once_each() {
    // Stirling's and Bell's numbers.
    assert_eq!(partitions(1).len(), 1);
    assert_eq!(partitions(2).len(), 16);
    assert_eq!(partitions(3).len(), 41);
    assert_eq!(partitions(5).len(), 52);
}

#[test]
fn c1_to_c10_no_split_of_a_twin_and_three_others_breaks_safety_and_together_they_go_on() {
    let mode = std::env::var("TWINS").unwrap_or_default();
    let splits = partitions(if mode == "all" { 5 } else { 2 });
    let views = if mode == "four" { 4 } else { 3 };
    // The twins lead at each of four turns; the others keep their order.
    let rotations: Vec<Vec<u16>> = (0..4)
        .map(|turn| {
            let mut order = vec![0, 1, 2];
            order.insert(turn, 3);
            order
        })
        .collect();
    let scenarios = splits.len().pow(views) * rotations.len();
    let (next, started) = (AtomicUsize::new(0), Instant::now());
    let sums = Mutex::new((0, 0, 0, 0));
    let worker = || loop {
        let scenario = next.fetch_add(1, Ordering::Relaxed);
        if scenario >= scenarios {
            return;
        }
        let mut digits = scenario / rotations.len();
        let script: Vec<Vec<u8>> = (0..views)
            .map(|_| {
                let split = splits[digits % splits.len()].clone();
                digits /= splits.len();
                split
            })
            .collect();
        let order = &rotations[scenario % rotations.len()];
        let told = Told(scenario, order, &script);
        let mut world = World::scripted(&CHARACTERS, order, script.clone());
        world.run_script(u64::from(views));
        std::mem::forget(told);
        let mut sums = sums.lock().unwrap();
        sums.0 += world.outcome.views;
        sums.1 += world.outcome.convictions;
        sums.2 = sums.2.max(world.outcome.recovery_ms);
        sums.3 = sums.3.max(world.outcome.recovery_views);
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        (0..workers).for_each(|_| {
            scope.spawn(worker);
        });
    });
    let (ran, convictions, slowest_ms, most_views) = sums.into_inner().unwrap();
    println!(
        "{scenarios} scenarios ({} splits in each of {views} views, {} rotations) in {:.1} s: {ran} views, \
         {convictions} convictions; slowest recovery {slowest_ms} ms, most views to finality {most_views}",
        splits.len(),
        rotations.len(),
        started.elapsed().as_secs_f64(),
    );
    assert!(convictions > 0, "twins that contradict themselves are convicted");
}

/// Says which scenario broke, when it does.
struct Told<'a>(usize, &'a [u16], &'a [Vec<u8>]);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        println!("broken: scenario {}: leaders {:?}, camps by view {:?}", self.0, self.1, self.2);
    }
}
