//! A bounded siege: strangers' bytes into every reader and handler. `make fuzz` goes on for longer.

use tests::hostile::{Siege, address_space_peak};

/// Some seconds each.
const SIEGES: u64 = 6;
const BITES: u64 = 3000;
/// The tests' own worlds and threads take some of it; a length prefix that lies would ask for more.
const ADDRESS_SPACE_MAX: u64 = 4 << 30;

#[test]
fn no_strangers_bytes_stop_a_validator_or_read_in_two_ways() {
    for seed in 1..=SIEGES {
        let mut siege = Siege::new(seed);
        for _ in 0..BITES {
            siege.bite();
        }
        siege.end();
        let (bites, read) = siege.counts();
        println!("siege {seed}: {bites} bites, {read} read as what they pretend to be");
        assert!(read > BITES / 50, "the bites are too wild to pass any reader");
    }
    if let Some(peak) = address_space_peak() {
        println!("address space at most {} MiB", peak >> 20);
        assert!(peak < ADDRESS_SPACE_MAX, "{peak} bytes of address space were asked for");
    }
}
